"""Finds and reads format files: the packaged ones, the user's own folder, and those named with --format-file."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from log_importer.model.errors import FormatError
from log_importer.parsing.spec import FormatSpec, load

_SAMPLES = "\n[[sample]]"
"""What they begin with; they are the last of a packaged file."""


def packaged_formats() -> Path:
    """The folder `formats/`: inside the installed package, or at the top of a checkout."""
    here = Path(__file__).resolve().parents[1]
    packed = here / "formats"
    return packed if packed.is_dir() else here.parent / "formats"


def user_formats() -> Path | None:
    """The folder where users put format files of their own; `None` for a user without a home, as in a container."""
    from platformdirs import user_config_path  # only who reads formats pays for it

    try:
        return user_config_path("log-importer") / "formats"
    except RuntimeError:
        return None


def load_formats(files: Iterable[Path] = (), *, samples: bool = True) -> dict[str, FormatSpec]:
    """All formats by name, the user's own winning over packaged ones of the same name. Raises `FormatError`.

    Without `samples` those of packaged ones, a third of their text, are left out.
    """
    return load_packaged(samples=samples) | _named(map(load_file, own_files(files)))


def load_packaged(*, samples: bool = True) -> dict[str, FormatSpec]:
    """The packaged formats by name. Raises `FormatError`."""
    packaged = [load_file(path, samples=samples) for path in sorted(packaged_formats().glob("*.toml"))]
    return _named(replace(spec, proved=True) for spec in packaged)


def own_files(files: Iterable[Path] = ()) -> list[Path]:
    """The user's own format files: those of their folder, then those named."""
    theirs = user_formats()
    # Where it lies in another user's home, as under sudo -E, glob would raise.
    found = sorted(theirs.glob("*.toml")) if theirs and os.access(theirs, os.R_OK | os.X_OK) else ()
    return [*found, *files]


def load_file(path: Path, *, samples: bool = True) -> FormatSpec:
    """Reads one format file. Raises `FormatError`."""
    try:
        if path.exists() and not path.is_file():
            raise FormatError(f"{path}: this is no file.", "Name a format file, such as formats/combined.toml.")
        text = path.read_text("utf-8")
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {(error.strerror or '').lower()}.", "Check the name.") from None
    except UnicodeDecodeError:
        raise FormatError(f"{path}: this is not UTF-8 text.", "Save the format file as UTF-8.") from None
    spec = load(text if samples else text.partition(_SAMPLES)[0], str(path))
    if spec.name != path.stem:
        raise FormatError(f"{path}: name is {spec.name!r}, and the file is called {path.name}.", "Give both one name.")
    return spec


def _named(specs: Iterable[FormatSpec]) -> dict[str, FormatSpec]:
    return {spec.name: spec for spec in specs}


def find_format(name: str, formats: dict[str, FormatSpec]) -> FormatSpec:
    """The format called `name`, by its name or an alias. Raises `FormatError`."""
    for spec in formats.values():
        if name == spec.name or name in spec.aliases:
            return spec
    raise FormatError(f"There is no format {name!r}.", f"There are: {', '.join(sorted(formats))}.")
