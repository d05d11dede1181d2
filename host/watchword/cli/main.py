"""The `watchword` command: one module of this package per verb, loaded only when it is used."""

from __future__ import annotations

import codecs
import importlib
import io
import os
import signal
import sys
import threading
import weakref
from types import FrameType

import click

import watchword
from watchword.errors import WatchwordError
from watchword.files import cannot_use, printable

_LATER_S = 0.05  # until a signal that met the callback of a weak reference is sent again
VERBS = {  # in life-cycle order
    "doctor": "Check compilers, emulator, speech engines and Python extras.",
    "record": "Record your own voice as clips, or cut a long recording into them.",
    "synth": "Make speech for a wake word with text-to-speech voices.",
    "scan": "List, check and split a folder of recordings.",
    "augment": "Hear and see what training makes of a clip.",
    "train": "Train a model, quantisation-aware, from a manifest.",
    "search": "Search for better settings within the chip's limits.",
    "mine": "Cut out what a model takes for its word in training audio, to train on.",
    "export": "Turn a trained run into a C array and a loadable image.",
    "import": "Take over a community model of microWakeWord.",
    "evaluate": "Measure a model on recordings with the C core on this computer.",
    "report": "Draw the HTML report of a session again.",
    "firmware": "Make firmware images that serve every word.",
    "flash": "Write the firmware to a board, prebuilt or built.",
    "push": "Send a model to a board over its serial link, without flashing.",
    "tune": "Read or change a board's detector settings and microphone gain.",
    "monitor": "Watch a board's plain-text detections.",
    "capture": "Keep what a board's microphone hears: the audio of detections, or all of it.",
    "bench": "Measure a board, physical or emulated, over its serial link.",
    "judge": "Let a large model judge what a small one detects; or serve it to boards.",
}


MODULES = {"import": "import_model"}  # of verbs that are no names in Python


class Verbs(click.Group):
    """Imports a verb's module when it is called, so that `--help` needs none of their packages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module = importlib.import_module(f"watchword.cli.{MODULES.get(name, name)}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs, in the order of a project"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(watchword.__version__)
def commands() -> None:
    """Your own wake word on an ESP32, with measured false alarms, misses and latency.

    \b
    Examples:
      watchword synth "hey lighthouse" --out data/hey_lighthouse
      watchword train --manifest data/hey_lighthouse/manifest.csv --word "hey lighthouse" --out runs/hey
      watchword export runs/hey --out models/hey_lighthouse
      watchword bench --port emu:c3 --model models/hey_lighthouse --positives wakes/ --negatives talk/
    """


def _end_when_told() -> None:
    """SIGTERM and SIGHUP unwind the program as Ctrl-C does, so that what there is gets kept; nohup holds."""

    def end(number: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_code.co_filename == weakref.__file__:
            # What the callback of a weak reference raises is printed and lost: again, a moment later.
            threading.Timer(_LATER_S, os.kill, (os.getpid(), number)).start()
            return
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, end)


def _print_any_name() -> None:
    """What the terminal's encoding lacks is printed as an escape: a file name holds any byte."""

    def escape(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeEncodeError)
        shown = printable(error.object[error.start : error.end])
        return shown.encode("ascii", "backslashreplace").decode("ascii"), error.end

    codecs.register_error("escape", escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="escape")


def main() -> None:
    """Entry point: problems a user can fix end in one line and status 1, Ctrl-C in status 130."""
    _print_any_name()
    _end_when_told()
    try:
        status = commands.main(standalone_mode=False)
    except BrokenPipeError:  # the program that read our output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor fail when it is flushed
        sys.exit(1)
    except (WatchwordError, OSError) as error:  # what the system refused where nobody foresaw it
        told = error if isinstance(error, WatchwordError) else cannot_use(error)
        click.echo(f"error: {told}", err=True)
        sys.exit(1)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
