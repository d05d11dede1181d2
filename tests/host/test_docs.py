"""What the documentation names exists: its links, the files, commands, options and targets it shows."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest
from watchword.cli.main import commands as cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    str(p.relative_to(ROOT)) for p in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
]
SOURCES = ("host", "tools", "tests", "firmware")
SUFFIXES = (".py", ".toml", ".c", ".h", ".sh")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SOURCE_PATH = re.compile(r"`((?:host|tools|tests|firmware)/[\w/.-]+)`")
PAGE_PATH = re.compile(r"\bdocs/[\w/]+\.(?:md|json|png)\b")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```(?:sh)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Of the page's headings, as GitHub makes them."""
    titles = HEADING.findall(page.read_text())
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for link in LINK.findall((ROOT / name).read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_pages_that_code_and_text_name_are_there() -> None:
    sources = [p for folder in SOURCES for p in (ROOT / folder).rglob("*") if p.suffix in SUFFIXES]
    for path in (ROOT / "Makefile", *(ROOT / name for name in PAGES), *sources):
        for page in PAGE_PATH.findall(path.read_text()):
            assert (ROOT / page).exists(), f"{path.relative_to(ROOT)} names {page}"


def test_source_files_that_pages_name_are_there() -> None:
    for name in PAGES:
        for path in SOURCE_PATH.findall((ROOT / name).read_text()):
            assert (ROOT / path).exists() or "COMMAND" in path, f"{name} names {path}"


def command_lines(text: str) -> list[list[str]]:
    """The commands of shell text, as words; comments and what follows a pipe are left out."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def shown() -> list[tuple[str, list[str]]]:
    """(where, words) of every command in a page's code and in a verb's help."""
    found = []
    for name in PAGES:
        for block in FENCE.findall((ROOT / name).read_text()):
            found += [(name, words) for words in _safe(block)]
    for verb in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        text = f"{command.help or ''}\n{command.epilog or ''}"
        found += [(f"watchword {verb} --help", words) for words in _safe(text.split("Examples:")[-1])]
    return found


def _safe(block: str) -> list[list[str]]:
    """Only lines that begin like a command, so that prose and drawings do not matter."""
    wanted = ("watchword ", "make ", "python -m ")
    kept = [line for line in block.replace("\\\n", " ").splitlines() if line.strip().startswith(wanted)]
    return command_lines("\n".join(kept))


def verb_fault(words: list[str]) -> str:
    """What of `watchword VERB ...` the program does not know, or an empty string."""
    command = cli.get_command(click.Context(cli), words[1])
    if command is None:
        return f"no verb {words[1]}"
    if isinstance(command, click.Group):
        if words[2] not in command.commands:
            return f"no verb {words[1]} {words[2]}"
        command = command.commands[words[2]]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    given = [word.split("=")[0] for word in words[2:] if re.match(r"--[a-z]", word)]
    return ", ".join(option for option in given if option not in known)


def test_commands_that_are_shown_exist() -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
    commands = shown()
    assert len(commands) > 60
    for where, words in commands:
        if words[0] == "watchword" and not words[1].startswith("-"):
            assert not verb_fault(words), f"{where}: {shlex.join(words)}"
        elif words[0] == "make":
            assert {w for w in words[1:] if "=" not in w} <= targets, f"{where}: {shlex.join(words)}"
        elif words[:2] == ["python", "-m"] and words[2].startswith("tools."):
            assert importlib.util.find_spec(words[2]), f"{where}: {shlex.join(words)}"


def test_every_verb_shows_an_example() -> None:
    with_example = {where.split()[1] for where, _ in shown() if where.startswith("watchword ")}
    assert with_example == set(cli.list_commands(click.Context(cli)))


def test_the_index_names_every_page() -> None:
    linked = set(LINK.findall((ROOT / "docs" / "README.md").read_text()))
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert not pages - linked
