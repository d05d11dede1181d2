"""What the tests of the emulated board share: a model, its firmware, and how to reach the board."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from board_model import write_model
from native_app import compile_app
from watchword.device import ports
from watchword.device.client import Board

OpenBoard = Callable[[str], "contextmanager[Board]"]


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights, the same in every run."""
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def other_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the same size with other weights."""
    return write_model(tmp_path_factory.mktemp("other"), seed=33)


@pytest.fixture(scope="session")
def program(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware's application, with that model, for this computer."""
    return compile_app(model_dir, tmp_path_factory.mktemp("app") / "app")


@pytest.fixture
def open_board(model_dir: Path) -> OpenBoard:
    """open_board(port) -> a context manager with a connected Board."""

    @contextmanager
    def opened(port: str) -> Iterator[Board]:
        with ports.open_port(port, model_dir) as transport, Board(transport, port) as board:
            yield board

    return opened
