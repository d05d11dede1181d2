"""Community models become model folders: one, or all that a folder has manifests of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from watchword import words
from watchword.errors import WatchwordError
from watchword.export.folder import ModelFacts, summary, write_folder
from watchword.export.importing import Choices, read_import
from watchword.export.size_target import SizeTarget


def import_models(
    path: Path,
    out: Path | None,
    choices: Choices,
    tell: Callable[[str], None],
    tell_error: Callable[[WatchwordError], None],
) -> None:
    """A manifest, a .tflite file, or every manifest of a folder; `out` is then the folder of them all.

    `tell` gets what there is to say of each model, `tell_error` why one of several was left out.
    """
    sources = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not sources:
        raise WatchwordError("holds no manifest", path, "name a folder with .json files, or a .tflite file")
    parent, failed = (out if path.is_dir() else None), 0
    written: dict[Path, Path] = {}  # by which manifest
    for manifest in sources:
        try:
            model = read_import(manifest, choices)
            name = words.folder_name(model.settings.word)
            folder = parent / name if parent else out or Path("models") / name
            if folder in written:
                what = f"its folder {folder} is that of {written[folder].name}"
                raise WatchwordError(what, manifest, "import it alone with another --out")
            facts = ModelFacts(model.tflite, model.network, model.settings, {}, model.origin)
            tell(summary(write_folder(facts, folder, SizeTarget())))
            written[folder] = manifest
        except WatchwordError as error:
            if len(sources) == 1:
                raise
            failed += 1
            tell_error(error)
    if failed:
        what = f"{failed} of {len(sources)} manifests could not be imported"
        raise WatchwordError(what, path, "see above; the others are written")
