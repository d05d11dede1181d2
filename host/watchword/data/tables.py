"""CSV files as people's programs write them."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path

from watchword.errors import WatchwordError
from watchword.files import read_text

_DELIMITERS = (",", ";", "\t", "|")
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
_SURROGATE = re.compile("[\ud800-\udfff]")  # a byte that is not UTF-8


class Row(dict[str, str]):
    """The cells of a row by column, and the line of the file it ends on."""

    def __init__(self, cells: dict[str, str], line: int) -> None:
        super().__init__(cells)
        self.line = line


def read_table(path: Path) -> tuple[list[str], list[Row]]:
    """Column names, in small letters, and rows of a CSV file.

    Commas, semicolons (then 0,5 is a number) or tabs; a byte order mark, any line ends, blank lines and
    Excel's line "sep=;" are passed over. Whatever else is wrong is an error that names the line.
    """
    try:
        text = read_text(path, "surrogateescape")
    except OSError as error:
        raise WatchwordError(f"cannot be read: {error.strerror}", path, "check the path") from error
    first = next((line for line in text.split("\n") if line.strip()), "")
    told = re.fullmatch(r'"?sep=(.)"?', first)
    delimiter = told[1] if told else max(_DELIMITERS, key=first.count)
    text = text.replace(first, "", 1) if told else text
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows: list[Row] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header:
                rows.append(_row(header, cells, delimiter, path, reader.line_num))
            else:
                header = _header(cells, path)
    except csv.Error as error:
        raise WatchwordError(
            f"is not a CSV file: {error}",
            f"{path}, line {reader.line_num}",
            'quote cells that need it with "',
        ) from error
    if not header:
        raise WatchwordError("is empty", path, "a manifest starts with a line of column names")
    return header, rows


def _header(cells: list[str], path: Path) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    double = next((name for name in header if name and header.count(name) > 1), None)
    if double:
        raise WatchwordError(f"has two columns '{double}'", path, "rename or delete one")
    return header


def _row(header: list[str], cells: list[str], delimiter: str, path: Path, line: int) -> Row:
    where = f"{path}, line {line}"
    if any(cell.strip() for cell in cells[len(header) :]):
        what = f"has {len(cells)} cells, the header {len(header)}"
        raise WatchwordError(what, where, f'put a cell that holds "{delimiter}" into double quotes')
    if delimiter != ",":
        cells = [cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell.strip()) else cell for cell in cells]
    row = Row(dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=False)), line)
    for column in ("path", "phrase", "label", "split"):
        cell = row.get(column, "")
        # A path may hold any byte: then a file of that name is there.
        if _SURROGATE.search(cell) and not (column == "path" and (path.parent / cell).exists()):
            raise WatchwordError(f"the {column} is not UTF-8 text", where, "save the table as CSV UTF-8")
    return row


def time_span(row: Row, path: Path) -> tuple[float, float]:
    """start_s and end_s of a row."""
    try:
        start_s, end_s = float(row["start_s"]), float(row["end_s"])
    except (TypeError, ValueError):
        start_s = end_s = math.nan
    if not 0 <= start_s < end_s < math.inf:
        raise WatchwordError(
            f"line {row.line}: start_s {row['start_s']!r}, end_s {row['end_s']!r} is no time span",
            path,
            "seconds, 0 <= start_s < end_s",
        )
    return start_s, end_s
