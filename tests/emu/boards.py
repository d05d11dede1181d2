"""The emulated boards as test parameters; one whose tools this computer lacks is skipped, but not in CI."""

from __future__ import annotations

import os
from typing import Any

import pytest
from watchword.device import firmware, ports


def needs(*envs: str) -> Any:
    """Mark: builds or runs these boards."""
    boards = firmware.emulated_boards()
    missing = ", ".join(name for env in envs for name in boards[env].missing())
    return pytest.mark.skipif(bool(missing) and not os.environ.get("CI"), reason=f"no {missing} here")


def param(env: str, *values: object, id: str = "") -> Any:
    """`values` for a test of this board."""
    return pytest.param(*values, marks=needs(env), id=f"{env}{id}")


def port_of(env: str) -> str:
    """The usual port of an environment."""
    return ports.port_of(firmware.emulated_boards()[env])


def env_of(port: str) -> str:
    """The environment behind a port, which is also the board's own name."""
    env = ports.emulated_env(port)
    assert env is not None
    return env


NAMES = tuple(firmware.emulated_boards())
ENVS = tuple(param(env, env) for env in NAMES)
PORTS = tuple(param(env, port_of(env)) for env in NAMES)
UARTS = tuple(param(env, f"{port_of(env)}-uart", id="-uart") for env in NAMES)
FAST = tuple(param(env, port_of(env)) for env in NAMES if "virtio" in firmware.emulated_boards()[env].links)
LINKS = (*FAST, *UARTS)  # every kind of link of every board
