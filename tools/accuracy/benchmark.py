"""`make bench-accuracy`: our model and the peer from PyPI on exactly the same samples.

Both hear every recording of the chosen splits as it is and in held-out rooms and noises, and are
compared at equal numbers of false alarms. Without --data the recordings are those of the folder
WATCHWORD_DATA (its manifest.csv). Writes accuracy.json, accuracy.png and accuracy.md into
build/accuracy/<word>; --update puts the section and the picture into docs/ too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from watchword import core, words
from watchword.data.corpus import write_manifest
from watchword.data.scan import scan
from watchword.device import firmware
from watchword.errors import WatchwordError
from watchword.export.image import load_image
from watchword.files import write_atomic

from tools.accuracy import page, plot
from tools.accuracy.listen import listen, on_board, our_scores, peer_scores
from tools.accuracy.peer import Peer, PeerInfo, install
from tools.accuracy.results import OURS, PEER, Results, summarise
from tools.accuracy.trials import Plan, make_plan, split_names

ROOT = firmware.ROOT
OUT = ROOT / "build" / "accuracy"
PEER_HOME = ROOT / ".cache" / "peer"
PAGE = ROOT / "docs" / "evidence" / "accuracy.md"


def main() -> int:
    arguments = _parser().parse_args()
    try:
        results = run(arguments)
    except WatchwordError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what the peer said so far is kept", file=sys.stderr)
        return 130
    folder = OUT / words.folder_name(results["word"])
    picture, name = plot.draw(results), f"accuracy_{words.folder_name(results['word'])}.png"
    write_atomic(folder / "accuracy.png", picture)
    write_atomic(folder / "accuracy.md", page.section(results, "accuracy.png"))
    write_atomic(folder / "accuracy.json", json.dumps(results, indent=1) + "\n")
    print(page.section(results, str(folder / "accuracy.png")))
    if arguments.update:
        before = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
        write_atomic(PAGE.with_name(name), picture)
        write_atomic(PAGE, page.put_section(before, results["word"], page.section(results, name)))
        print(f"wrote {PAGE} and {PAGE.with_name(name)}", file=sys.stderr)
    return 0


def run(arguments: argparse.Namespace) -> Results:
    """Plan, listen, count."""
    model = arguments.model.resolve()
    image = load_image(model)
    loaded = core.ModelImage(image)
    word = str(loaded.header["word"])
    plan = make_plan(_manifest(arguments.data, word), arguments.splits, arguments.draws, arguments.seed)
    _tell(plan)
    peer, info, reason = _peer(word, arguments.no_peer)
    if peer is None:
        heard = listen(plan, image, None)
    else:
        with closing(peer):
            heard = listen(plan, image, peer)
    board = None
    if arguments.port:
        on_board(heard, image, model, arguments.port)
        board = {"port": arguments.port, "scores": sum(len(h.scores) for h in heard)}
    detector = loaded.detector
    sides, thresholds = {OURS: our_scores(heard)}, {OURS: core.unit(detector.high_q15)}
    if (theirs := peer_scores(heard)) is not None and info is not None:
        sides, thresholds = sides | {PEER: theirs}, thresholds | {PEER: info.threshold}
    return {
        "word": word,
        "model": {"name": model.name, "crc32": f"{int(loaded.header['crc32']):08x}"},
        "detector": f"threshold {detector.high:.3f}, mean of {detector.smoothing} scores",
        "peer": {"title": info.title if info and info.model else "", "reason": reason}
        | (asdict(info) if info else {}),
        "splits": list(arguments.splits),
        "draws": arguments.draws,
        "seed": arguments.seed,
        "board": board,
        **summarise(plan, heard, sides, thresholds),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="a manifest with splits [made from WATCHWORD_DATA]")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "alexa", help="an exported model")
    parser.add_argument(
        "--split", dest="splits", type=_splits, default=("val", "test"), help="[val,test] pooled"
    )
    parser.add_argument("--draws", type=_positive, default=3, help="of every word in a condition [3]")
    parser.add_argument("--seed", type=int, default=1, help="of rooms, noises and their places [1]")
    parser.add_argument("--port", help="check our scores on this board as well, such as emu:c3")
    parser.add_argument("--no-peer", action="store_true", help="our model alone")
    parser.add_argument(
        "--update", action="store_true", help="write docs/evidence/accuracy.md and its picture"
    )
    return parser


def _splits(text: str) -> tuple[str, ...]:
    try:
        return split_names(text)
    except WatchwordError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _positive(text: str) -> int:
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


def _peer(word: str, left_out: bool) -> tuple[Peer | None, PeerInfo | None, str]:
    """The peer, what it says about itself, and why there is none."""
    if left_out:
        return None, None, "left out (--no-peer)"
    peer = Peer(install(PEER_HOME), word, PEER_HOME / "traces")
    if peer.info.model is not None:
        return peer, peer.info, ""
    peer.close()
    return None, peer.info, f"pymicro-wakeword has models for {', '.join(peer.info.words)} only"


def _tell(plan: Plan) -> None:
    hours = sum(trial.seconds for trial in plan.trials) / 3600.0
    print(f"{len(plan.trials):,} streams, {hours:.1f} h", file=sys.stderr)
    for skipped in plan.skipped:
        print(f"skipped {skipped.path}: {skipped.reason}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
