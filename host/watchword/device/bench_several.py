"""`watchword bench` of several models that a board runs at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from watchword.data.recordings import Selection
from watchword.device.bench import build_firmware, check_board, heard_by_board, identity_of
from watchword.device.client import Board
from watchword.device.ports import emulated_env, open_port
from watchword.device.push import check_model, push
from watchword.device.streaming import BoardStreams, stream_words
from watchword.errors import WatchwordError
from watchword.evaluate import budgets
from watchword.evaluate.assemble import Limits
from watchword.evaluate.host import announce
from watchword.evaluate.ledger import Ledger
from watchword.evaluate.results import Results
from watchword.evaluate.session import Session
from watchword.evaluate.several import WordModel, word_results
from watchword.evaluate.stream import run_host


def bench_several(
    port: str,
    models: Sequence[WordModel],
    selection: Selection,
    session: Session,
    limits: Path,
    send: bool = False,
) -> list[Results]:
    """Stream everything once to the board and through the host's models; compare, measure, judge each word.

    send: push the models to slots 0, 1, …; an emulated board, built with the first, gets the others anyway.
    """
    budgets.read_tables(limits)  # what is wrong with the file is said before the long work
    announce(selection, session)
    built = build_firmware(port, models[0].model, session)
    with open_port(port, built=built) as transport, Board(transport, port) as board:
        for slot, one in enumerate(models):
            if send or (slot > 0 and emulated_env(port)):
                session.log(push(board, one.image, slot))
        numbers = [check_model(board.words, one.image, port) for one in models]
        for number, one in zip(numbers, models, strict=True):
            values = check_board(board, number, one.image, limits, session, one.preset)  # of the board
        infos = [dict(board.words[number]) for number in numbers]
        runs = [run_host(one.running, selection) for one in models]
        words = [
            BoardStreams(one.running, identity_of(info, built), run.streams, Ledger(), number)
            for one, info, run, number in zip(models, infos, runs, numbers, strict=True)
        ]
        stream_words(board, words, session)
    found = []
    for one, info, run, word in zip(models, infos, runs, words, strict=True):
        done = word.done()
        if done is None:
            raise WatchwordError("none of the recordings could be read", "", "see the skipped files above")
        found.append(heard_by_board(port, one.image, run, info, done, built))
    streams, boards = [of_word for of_word, _ in found], [figures for _, figures in found]
    return word_results(models, selection, runs, streams, Limits(limits, values), boards)
