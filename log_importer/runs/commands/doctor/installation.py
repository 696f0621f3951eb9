"""What was installed: the interpreter, packages, formats, and the compiled loops, each against what it should give."""

import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib import metadata
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from log_importer import __version__
from log_importer.model.errors import FormatError, UsageError
from log_importer.parsing.engine import check_engine
from log_importer.runs.commands.doctor.finding import Finding, warning

if TYPE_CHECKING:
    from log_importer.model import ChunkResult
    from log_importer.parsing.spec import FormatSpec, Sample

_PACKAGE = Path(__file__).parents[3]
AGAIN = "Install log-importer again with pip."
_REQUIRED = re.compile(r"""([A-Za-z0-9._-]+)>=([0-9.]+)(?: *; *python_version < ["']([0-9.]+)["'])?""")
"""One of our own requirements that is not an extra's: name, lowest version, and the Python that needs none."""
_NOW = 1_790_000_000.0
"""Seconds since 1970 UTC: samples are judged as on that day, whatever the clock says."""


def interpreter(_given: Mapping[str, Any]) -> Finding:
    """What runs, and whether it does what Python is to do. Raises `LogImporterError`."""
    check_engine()
    system = os.uname()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{system.sysname} {system.release} {system.machine}"
    return Finding(f"{python} on {machine}; log-importer {__version__} in {_PACKAGE}")


def dependencies(_given: Mapping[str, Any]) -> Finding:
    """The versions in use, and whether they are those that the package asks for. Raises `UsageError`."""
    try:
        required = metadata.requires("log-importer") or []
    except metadata.PackageNotFoundError:
        return warning("log-importer was not installed by pip, so what it needs is not known.", AGAIN)
    in_use, wrong = [], []
    for name, lowest, before in (found.groups() for text in required if (found := _REQUIRED.fullmatch(text))):
        if before and sys.version_info >= _numbers(before):
            continue  # it is a part of this Python
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        in_use.append(f"{name} {version}")
        if _numbers(version) < _numbers(lowest):
            wrong.append(f"{name} has to be {lowest} or later")
    if wrong:
        raise UsageError(f"{', '.join(wrong)}; in use are {', '.join(in_use)}.", AGAIN)
    return Finding(", ".join(in_use))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall("[0-9]+", re.sub("[^0-9.].*", "", version)))


@cache
def _packaged() -> "Mapping[str, FormatSpec]":
    from log_importer.settings.format_files import load_packaged, packaged_formats

    found = load_packaged()
    if not found:
        raise FormatError(f"{packaged_formats()}: there are no formats.", AGAIN)
    return found


def formats(_given: Mapping[str, Any]) -> Finding:
    """The samples of all packaged formats. Raises `FormatError`."""
    from log_importer.parsing.check import check
    from log_importer.parsing.detect import Detector

    specs = _packaged().values()
    detector = Detector(specs)
    _raise([problem for spec in specs for problem in check(spec, detector)], AGAIN)
    samples = [sample for spec in specs for sample in spec.samples]
    hits = sum(len(sample.hits) for sample in samples)
    return Finding(f"{len(specs)} formats, {len(samples)} samples, {hits} hits: all as they should be")


def own_formats(given: Mapping[str, Any]) -> Finding:
    """The user's own format files, each among all formats. Raises `FormatError`."""
    from log_importer.parsing.check import check
    from log_importer.parsing.detect import Detector
    from log_importer.settings.format_files import load_file, own_files, user_formats

    folder = user_formats()
    files = own_files(given["format_files"] or ())
    own, problems = dict[str, "FormatSpec"](), list[str]()
    for file in files:
        try:
            spec = load_file(file)
            own[spec.name] = spec
        except FormatError as error:
            problems.append(str(error))
    detector = Detector({**_packaged(), **own}.values())
    problems += [problem for spec in own.values() for problem in check(spec, detector)]
    _raise(problems, "log-importer formats check FILE tells all of a file.")
    if folder is not None and _is_hidden(folder):
        return warning(f"{folder}: this user may not look there, so no format there is used.", "Look at its rights.")
    if files:
        return Finding(f"{', '.join(map(str, files))}: all as they should be")
    return Finding(f"there are none in {folder}" if folder else "there are none, for this user has no home folder")


def _is_hidden(folder: Path) -> bool:
    try:
        os.scandir(folder).close()
    except PermissionError:
        return True
    except OSError:  # most often there is none
        return False
    return False


def _raise(problems: list[str], hint: str) -> None:
    """Raises `FormatError` for the first problem, where there is one."""
    if problems:
        more = f" There are {len(problems) - 1} more faults like it." if len(problems) > 1 else ""
        raise FormatError(f"{problems[0]}{more}", hint)


def compiled_loops(_given: Mapping[str, Any]) -> Finding:
    """Whether they are there, and whether lines translated together become what they become one by one.

    Raises `UsageError`.
    """
    from log_importer.model import Context, Site
    from log_importer.native import LIBRARY, load
    from log_importer.tracking.requests import Tracking
    from log_importer.tracking.rules.selection import Selection
    from log_importer.translation.bot_rules import judges
    from log_importer.translation.chunk import compile_translation
    from log_importer.translation.plan import Plan

    plan = Plan(
        Site(1, "https://www.example.org"), formats=_packaged(), tracking=Tracking(bots=True, static=True),
        selection=Selection(static=True, bots=True, http_errors=True, http_redirects=True),
    )  # fmt: skip
    together = compile_translation(plan, judges(), few=0)
    one_by_one = compile_translation(replace(plan, keep_skipped=True), replace(judges(), native=None))
    requests, wrong = 0, dict[str, None]()
    for spec in _packaged().values():
        for header, text in (piece for sample in spec.samples for piece in _pieces(sample)):
            data = f"{text}\n".encode("utf-8", "surrogateescape")
            context = Context(spec.name, header, 1, 0, _NOW)
            result = in_one_order(together(data, context))
            requests += len(result.lengths)
            if result != in_one_order(one_by_one(data, context)):
                wrong[spec.name] = None
    if wrong:
        raise UsageError(f"Lines translated together become other requests than one by one: {', '.join(wrong)}.", AGAIN)
    if load() is None:
        library = _PACKAGE / "native" / LIBRARY
        why = "are of another source or machine" if library.exists() else "were not compiled"
        return warning(
            f"They {why} ({library}), so that reading takes some times longer; requests are the same.",
            "Install a C compiler (gcc or clang), then log-importer again with pip.",
        )
    return Finding(f"lines of all formats become the same {requests} requests as one by one")


def _pieces(sample: "Sample") -> Iterator[tuple[str, str]]:
    """The `#Fields:` line in force, and lines: all of the sample, then each alone.

    Compiled loops leave lines to Python of which they cannot cut most, as they are in many samples.
    """
    from log_importer.parsing.text import split_lines
    from log_importer.parsing.w3c_driver import is_header

    header = ""
    yield header, sample.log.removesuffix("\n")
    for line in split_lines(sample.log):
        header = line if is_header(line) else header
        yield header, line


def in_one_order(result: "ChunkResult") -> "ChunkResult":
    """A result to be compared with another: parameters and unknown hosts sorted, and no skipped lines, for only one
    of the ways tells them."""
    ends = list(accumulate(result.lengths, initial=0))
    queries = [result.blob[begin:end].split(b"&") for begin, end in pairwise(ends)]
    blob = b"".join(b"&".join([query[0], *sorted(query[1:])]) for query in queries)
    return replace(result, blob=blob, unknown_hosts=sorted(result.unknown_hosts), skipped_lines=[])
