"""Which format a source is in, judged from many of its first lines.

There is no order of formats kept by hand: the format wins that fills the most fields over all the lines it reads, and
between equals the one that asks for more.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from log_importer.model import Hit, Rejected
from log_importer.parsing.lines import LineReader
from log_importer.parsing.parser import Reading
from log_importer.parsing.spec import FormatSpec
from log_importer.parsing.w3c_driver import is_header

_FIRST_LOOK = 40
"""Lines that every format is tried on; only those that read one of them go on to the rest."""
_ALIKE = 3
"""Lines by which sources are known to look alike."""
_MOST_SHAPES = 1024
_WORD = re.compile(r'("(?:[^"\\]|\\.)*"\s*:)|"(?:[^"\\]|\\.)*"|[0-9A-Za-z]+')


@dataclass(frozen=True, slots=True)
class Trial:
    """How one format did on the lines."""

    spec: FormatSpec
    lines: int  # lines that should be hits
    read: int  # lines that are
    filled: int  # fields filled over all of them
    told: bool  # whether every field that tells the format had a value
    first_time: float | None  # of the first hit, seconds since 1970 UTC
    first_unread: int | None  # index of the first line that it could not read
    reason: str  # why that line was rejected

    @property
    def score(self) -> tuple[int, int]:
        """Larger is better."""
        return self.filled, len(self.spec.detect)


@dataclass(frozen=True, slots=True)
class Detection:
    """The format found, if any, and how near the others came."""

    best: Trial | None
    tied: tuple[str, ...]  # names of all formats that share the best score, where there is more than one
    nearest: Trial | None = None  # where none fits
    stopped_at: int = 0  # character of its first unread line where that one stopped


def detect(lines: Sequence[str], specs: Iterable[FormatSpec], reading: Reading | None = None) -> Detection:
    """Tries all of `specs` on `lines`, the first lines of a source."""
    return Detector(specs, reading).detect(lines)


class Detector:
    """Detects the formats of sources one after the other; compiles each format once."""

    def __init__(self, specs: Iterable[FormatSpec], reading: Reading | None = None) -> None:
        self._specs = [spec for spec in specs if spec.detect_automatically]
        self._reading = reading
        self._readers: dict[str, LineReader] = {}  # by the name of the format
        self._known: dict[tuple[str, ...], FormatSpec] = {}  # by the shape of a source's first lines

    def detect(self, lines: Sequence[str]) -> Detection:
        """Tries all formats on `lines`, the first lines of a source. Raises `FormatError`.

        Of thousands of files that look alike, each is tried in the format of the first alone, which has to read all of
        its lines.
        """
        shape = tuple(map(_shape, lines[:_ALIKE]))
        if (known := self._known.get(shape)) is not None:
            trial = self.try_format(lines, known)
            if trial.told and trial.read == trial.lines:
                return Detection(trial, ())
        found = self._try_all(lines)
        if (best := found.best) is not None and not found.tied and 0 < best.read == best.lines:
            if len(self._known) >= _MOST_SHAPES:
                self._known.clear()
            self._known[shape] = best.spec
        return found

    def _try_all(self, lines: Sequence[str]) -> Detection:
        trials = [self.try_format(lines[:_FIRST_LOOK], spec) for spec in self._specs]
        if len(lines) > _FIRST_LOOK:
            hopeful = [trial.spec for trial in trials if trial.read]
            trials = [self.try_format(lines, spec) for spec in hopeful or self._specs]
        fitting = [trial for trial in trials if trial.read and trial.told] or [
            trial for trial in trials if _only_header(trial, lines)
        ]
        ranked = sorted(fitting, key=lambda trial: (trial.score, trial.spec.name))
        if ranked:
            best = ranked[-1]
            tied = tuple(trial.spec.name for trial in ranked if trial.score == best.score)
            return Detection(best, tied if len(tied) > 1 else ())
        stops = [self._stopped_at(trial, lines) for trial in trials]
        stop = max(stops, default=-1)
        return Detection(None, (), trials[stops.index(stop)], stop) if stop >= 0 else Detection(None, ())

    def try_format(self, lines: Sequence[str], spec: FormatSpec) -> Trial:
        """How `spec` does on `lines`. Raises `FormatError`."""
        if spec.driver == "w3c" and not _header_fits(lines, spec):
            return _unfit(lines, spec)
        reader = self._reader(spec)
        should = read = filled = 0
        telling = set(map(Hit._fields.index, spec.telling))
        first_time: float | None = None
        first_unread: int | None = None
        reason = ""
        for index, line in enumerate(lines):
            outcome = reader.read(line)
            if type(outcome) is Hit:
                read += 1
                filled += len(outcome) - outcome.count(None)
                if telling:
                    telling = {index for index in telling if outcome[index] is None}
                if first_time is None:
                    first_time = outcome.time
            elif type(outcome) is Rejected and first_unread is None:
                first_unread, reason = index, outcome.reason
            should += not isinstance(outcome, str)
        return Trial(spec, should, read, filled, not telling, first_time, first_unread, reason)

    def _reader(self, spec: FormatSpec) -> LineReader:
        if spec.name not in self._readers:
            self._readers[spec.name] = LineReader(spec, self._reading)
        self._readers[spec.name].begin()
        return self._readers[spec.name]

    def _stopped_at(self, trial: Trial, lines: Sequence[str]) -> int:
        """Which character of its first unread line a format stopped at, from 0; -1 where there is no such line."""
        if trial.first_unread is None:
            return -1
        if trial.spec.driver == "w3c" and not _header_fits(lines, trial.spec):
            return 0
        return self._reader(trial.spec).parser.stopped_at(lines[trial.first_unread])


def _shape(line: str) -> str:
    """What a line looks like: all words are alike, and so are quoted texts with a URL, or without; not keys of JSON."""
    return _WORD.sub(_like, line)


def _like(word: re.Match[str]) -> str:
    if word[1]:
        return word[1]
    if word[0].startswith('"'):
        return '"://"' if "://" in word[0] else '""'
    return "0"


def _header_fits(lines: Sequence[str], spec: FormatSpec) -> bool:
    if spec.options.get("columns"):
        return True
    headers = [set(line.split()) for line in lines if is_header(line)]
    return any(all(column in header for column in spec.detect) for header in headers)


def _only_header(trial: Trial, lines: Sequence[str]) -> bool:
    """Whether the source has begun with the header of a format that is told by it, and with nothing else yet."""
    told = trial.spec.driver == "w3c" and not trial.spec.options.get("columns")
    return told and trial.first_unread is None and any(map(is_header, lines))


def _unfit(lines: Sequence[str], spec: FormatSpec) -> Trial:
    first = next((index for index, line in enumerate(lines) if line.strip()), None)
    return Trial(spec, len(lines), 0, 0, False, None, first, "unreadable")
