"""`make bench-accuracy`: our model and two peers from PyPI on exactly the same samples.

All hear every recording of the chosen splits as it is and in held-out rooms and noises, and are
compared at equal numbers of false alarms. Without --data the recordings are those of the folder
WATCHWORD_DATA (its manifest.csv). With --more (or WATCHWORD_MORE), audio of other collections is heard as
recorded: each folder there holds a manifest.csv with path, split, kind and source. False alarms are shown
by source.

What the peers said about the same samples is kept in --cache: an interrupted run goes on where it was, and
with another model of ours only that one listens anew. Writes accuracy.json, accuracy.png and accuracy.md into
build/accuracy/<word>; --update puts the section and the picture into docs/ too.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from watchword import core, words
from watchword.data.corpus import write_manifest
from watchword.data.scan import scan
from watchword.device import firmware
from watchword.errors import WatchwordError
from watchword.export.card import read_card
from watchword.export.image import load_image
from watchword.files import write_atomic
from watchword.typed_json import to_json

from tools.accuracy import page, plot
from tools.accuracy.by_source import uses_of_sources
from tools.accuracy.listen import OURS, listen, on_board, scores_of
from tools.accuracy.more import with_more
from tools.accuracy.peer import PACKAGES, Peer, install
from tools.accuracy.results import SCHEMA, BoardCheck, Detector, Results, count
from tools.accuracy.trials import Plan, make_plan, split_names

ROOT = firmware.ROOT
OUT = ROOT / "build" / "accuracy"
CACHE = ROOT / ".cache" / "peer"
PAGE = ROOT / "docs" / "evidence" / "accuracy.md"


def main() -> int:
    arguments = _parser().parse_args()
    try:
        results = run(arguments)
    except WatchwordError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what the peers said so far is kept", file=sys.stderr)
        return 130
    folder = OUT / words.folder_name(results.word)
    picture, name = plot.draw(results), f"accuracy_{words.folder_name(results.word)}.png"
    write_atomic(folder / "accuracy.png", picture)
    write_atomic(folder / "accuracy.md", page.section(results, "accuracy.png"))
    write_atomic(folder / "accuracy.json", to_json(results))
    print(page.section(results, str(folder / "accuracy.png")))
    if arguments.update:
        before = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
        write_atomic(PAGE.with_name(name), picture)
        write_atomic(PAGE, page.put_section(before, results.word, page.section(results, name)))
        print(f"wrote {PAGE} and {PAGE.with_name(name)}", file=sys.stderr)
    return 0


def run(arguments: argparse.Namespace) -> Results:
    """Plan, listen, count."""
    model = arguments.model.resolve()
    image, card = load_image(model), read_card(model)
    plan = make_plan(_manifest(arguments.data, card.word), arguments.splits, arguments.draws, arguments.seed)
    if more := arguments.more or _places("WATCHWORD_MORE"):
        plan = with_more(plan, more, card.word, arguments.splits)
    _tell(plan)
    detectors = {OURS: _ours(image, model)}
    with _peers(card.word, arguments) as (peers, absent):
        heard = listen(plan, image, peers)
        detectors |= {peer.package.name: _theirs(peer) for peer in peers}
    board = None
    if arguments.port:
        board = BoardCheck(arguments.port, on_board(heard, image, model, arguments.port))
    sides = {side: scores_of(heard, side) for side in detectors}
    thresholds = {side: detector.threshold for side, detector in detectors.items()}
    return Results(
        schema=SCHEMA,
        word=card.word,
        model_crc32=card.crc32,
        detectors=detectors,
        absent=tuple(absent),
        splits=tuple(arguments.splits),
        draws=arguments.draws,
        seed=arguments.seed,
        board=board,
        figures=count(plan, heard, sides, thresholds, uses_of_sources(card.training)),
    )


def _ours(image: bytes, model: Path) -> Detector:
    loaded = core.ModelImage(image)
    detector, crc32 = loaded.detector, int(loaded.header["crc32"])
    about = f"mean of {detector.smoothing} scores"
    return Detector(OURS, f"{model.name} ({crc32:08x})", core.unit(detector.high_q15), about, {})


def _theirs(peer: Peer) -> Detector:
    info = peer.info
    about = f"mean of {info.window} scores" if info.window > 1 else "single scores"
    return Detector(peer.title, str(info.model), info.threshold, about, info.versions)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="a manifest with splits [made from WATCHWORD_DATA]")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "alexa", help="an exported model")
    parser.add_argument(
        "--split", dest="splits", type=_splits, default=("val", "test"), help="[val,test] pooled"
    )
    parser.add_argument("--draws", type=positive, default=3, help="of every word in a condition [3]")
    parser.add_argument("--seed", type=int, default=1, help="of rooms, noises and their places [1]")
    parser.add_argument("--port", help="check our scores on this board as well, such as emu:c3")
    parser.add_argument("--no-peer", action="store_true", help="our model alone")
    parser.add_argument(
        "--more",
        type=Path,
        action="append",
        help="a folder of other collections, or one manifest; may be repeated [WATCHWORD_MORE]",
    )
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="of the peers' environments and scores [.cache/peer]"
    )
    parser.add_argument(
        "--update", action="store_true", help="write docs/evidence/accuracy.md and its picture"
    )
    return parser


def _splits(text: str) -> tuple[str, ...]:
    try:
        return split_names(text)
    except WatchwordError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return int(text)


def _manifest(data: Path | None, word: str) -> Path:
    """The manifest named, or one made from the recordings of WATCHWORD_DATA."""
    if data is not None:
        return data
    folder = os.environ.get("WATCHWORD_DATA")
    if not folder:
        raise WatchwordError("no recordings", "bench-accuracy", "set WATCHWORD_DATA, or give --data MANIFEST")
    found = scan([Path(folder) / "manifest.csv"], word, progress=sys.stderr.isatty())
    return write_manifest(OUT / words.folder_name(word) / "manifest.csv", found.clips)


def _places(variable: str) -> list[Path]:
    """Folders named by an environment variable, separated as in PATH."""
    return [Path(place) for place in os.environ.get(variable, "").split(os.pathsep) if place]


@contextmanager
def _peers(word: str, arguments: argparse.Namespace) -> Iterator[tuple[list[Peer], list[str]]]:
    """The peers that know the word, and of the others, why not."""
    absent: list[str] = []
    peers: list[Peer] = []
    with ExitStack() as stack:
        for package in PACKAGES:
            if arguments.no_peer:
                absent.append(f"{package.name}, left out (--no-peer)")
                continue
            python = install(package, arguments.cache)
            peer = stack.enter_context(closing(Peer(package, python, word, arguments.cache / "traces")))
            if peer.info.model is None:
                absent.append(f"{package.name}, which has models for {', '.join(peer.info.words)} only")
            else:
                peers.append(peer)
        yield peers, absent


def _tell(plan: Plan) -> None:
    hours = sum(trial.seconds for trial in plan.trials) / 3600.0
    print(f"{len(plan.trials):,} streams, {hours:.1f} h", file=sys.stderr)
    for skipped in plan.skipped:
        print(f"skipped {skipped.path}: {skipped.reason}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
