"""The counts of a run: every line that was newly read is in exactly one bucket, for the run and for each source."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from log_importer.model import Outcome, RejectedLine, Request
from log_importer.model.rows import Requests
from log_importer.model.zones import QUARTER, by_date

WITH_REASONS = ("skipped", "rejected", "refused", "set_aside")
"""The buckets that are counted by reason."""


@dataclass(slots=True)
class SourceCounts:
    """What became of one source's lines."""

    source: str
    format: str = ""
    lines: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    set_aside: Counter[str] = field(default_factory=Counter)
    tracked: int = 0
    in_doubt: int = 0
    maybe_twice: int = 0
    late: int = 0
    """Requests that were handed over behind one of a later time."""
    known_lines: int = 0
    cut_urls: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """Parameter -> how often a rule set it to what a server cannot take."""
    incomplete: str = ""  # how, half a sentence
    first_rejected: list[RejectedLine] = field(default_factory=list)
    first_troubled: dict[str, list[int]] = field(default_factory=dict)
    """Bucket (refused, set_aside, in_doubt) -> the first line numbers."""

    @property
    def requests(self) -> int:
        """Lines of which tracking requests were made."""
        return self.lines - self.skipped.total() - self.rejected.total()

    @property
    def pending(self) -> int:
        """Lines read whose requests were not settled."""
        return self.requests - self.tracked - self.set_aside.total() - self.in_doubt - self.refused.total()

    def joined(self, other: "SourceCounts") -> "SourceCounts":
        """The sum of both, with the examples of both."""
        total = SourceCounts(self.source, self.format, incomplete=self.incomplete or other.incomplete)
        for one in (self, other):
            for field_ in ("lines", "tracked", "in_doubt", "maybe_twice", "late", "known_lines", "cut_urls"):
                setattr(total, field_, getattr(total, field_) + getattr(one, field_))
            for field_ in (*WITH_REASONS, "left_out"):
                getattr(total, field_).update(getattr(one, field_))
            total.first_rejected += one.first_rejected[: _KEPT - len(total.first_rejected)]
            for bucket, numbers in one.first_troubled.items():
                examples = total.first_troubled.setdefault(bucket, [])
                examples += numbers[: _KEPT - len(examples)]
        return total

    @property
    def all_rejected(self) -> bool:
        """Whether it had lines and not one of them could be read."""
        return bool(self.rejected) and self.rejected.total() == self.lines - self.skipped["blank"]

    def count(self, bucket: str) -> int:
        """How many lines are in `bucket`, one of `model.BUCKETS`."""
        value: int | Counter[str] = getattr(self, bucket)
        return value.total() if isinstance(value, Counter) else value


_KEPT = 5
_KEPT_HOSTS = 1000


class Translated(Protocol):
    """What became of lines, those of a chunk or of more."""

    @property
    def lines(self) -> int: ...
    @property
    def skipped(self) -> Mapping[str, int]: ...
    @property
    def rejected(self) -> Mapping[str, int]: ...
    @property
    def rejected_lines(self) -> Sequence[RejectedLine]: ...
    @property
    def cut_urls(self) -> int: ...
    @property
    def left_out(self) -> Mapping[str, int]: ...
    @property
    def ais(self) -> Mapping[str, int]: ...
    @property
    def details(self) -> Mapping[tuple[str, str], int]: ...
    @property
    def without_site(self) -> Mapping[str, int]: ...


class Tally:
    """Counts as the run goes on; safe for the posting threads."""

    def __init__(self) -> None:
        self.sources: list[SourceCounts] = []
        self.days: Counter[tuple[int, str]] = Counter()
        """(idsite, date by the site's clock) -> tracked."""
        self.zones: Mapping[int, str] = {}
        """Site -> its time zone, as Matomo writes it."""
        self.ais: Counter[str] = Counter()
        """Name of an AI crawler or assistant -> lines."""
        self.details: Counter[tuple[str, str]] = Counter()
        """Reason, and the name of the bot or the status of the error -> lines that were skipped."""
        self.newest = 0.0
        """The time of the newest hit tracked, in seconds since 1970 UTC; 0 where there is none."""
        self.without_site: Counter[str] = Counter()
        """Host -> lines; of those beyond the first thousand, under ""."""
        self._lock = threading.Lock()

    def steady(self) -> contextlib.AbstractContextManager[object]:
        """While this is held, no count changes."""
        return self._lock

    def add_source(self, name: str, format_name: str) -> int:
        """A further source; its index."""
        self.sources.append(SourceCounts(name, format_name))
        return len(self.sources) - 1

    def read(self, source: int, result: Translated) -> None:
        """Lines of `source` were translated."""
        counts = self.sources[source]
        with self._lock:
            counts.lines += result.lines
            counts.skipped.update(result.skipped)
            counts.rejected.update(result.rejected)
            counts.cut_urls += result.cut_urls
            counts.left_out.update(result.left_out)
            self.ais.update(result.ais)
            self.details.update(result.details)
            for host, lines in result.without_site.items():
                known = host in self.without_site or len(self.without_site) < _KEPT_HOSTS
                self.without_site[host if known else ""] += lines
            room = _KEPT - len(counts.first_rejected)
            counts.first_rejected.extend(result.rejected_lines[:room])

    def skip(self, source: int, reason: str, lines: int = 1) -> None:
        """Lines that turned out to be skipped after their chunk was translated."""
        with self._lock:
            self.sources[source].skipped[reason] += lines

    def late(self, requests: Sequence[Request]) -> None:
        """Requests come behind ones of later times."""
        with self._lock:
            for request in requests:
                self.sources[request.source].late += 1

    def doubt(self, requests: Sequence[Request]) -> None:
        """Requests were sent and never answered; they stay in doubt until they are settled."""
        with self._lock:
            for request in requests:
                self.sources[request.source].in_doubt += 1

    def doubt_no_longer(self, requests: Sequence[Request]) -> None:
        """Requests that were in doubt were surely not stored."""
        with self._lock:
            for request in requests:
                self.sources[request.source].in_doubt -= 1

    def settle(self, outcome: Outcome) -> None:
        """What became of requests; those with doubts were counted as in doubt before, and leave that bucket."""
        bucket = outcome.bucket
        with self._lock:
            requests = Requests.of(outcome.requests)
            if bucket == "tracked" and not requests.doubted:
                self._track(requests)
                return
            for request in requests:
                counts = self.sources[request.source]
                counts.in_doubt -= request.doubts > 0
                counts.maybe_twice += outcome.maybe_twice(request)
                if bucket == "tracked":
                    self._track(Requests.of([request]))
                    continue
                if bucket == "in_doubt":
                    counts.in_doubt += 1
                else:
                    reasons: Counter[str] = getattr(counts, bucket)
                    reasons[outcome.reason] += 1
                examples = counts.first_troubled.setdefault(bucket, []) if outcome.exact else None
                if examples is not None and len(examples) < _KEPT:
                    examples.append(request.number)

    def _track(self, requests: Requests) -> None:
        for source, tracked in requests.sources.items():
            self.sources[source].tracked += tracked
        self.newest = max(self.newest, requests.latest) if requests else self.newest
        for (site, day, _), tracked in by_date(requests.spans(QUARTER), self.zones).items():
            self.days[site, day] += tracked

    def total(self, bucket: str) -> int:
        """Lines in `bucket` over all sources."""
        return sum(counts.count(bucket) for counts in self.sources)

    def reasons(self, bucket: str) -> Counter[str]:
        """Reason -> lines over all sources, for one of `WITH_REASONS`."""
        total: Counter[str] = Counter()
        for counts in self.sources:
            total.update(getattr(counts, bucket))
        return total

    def by_name(self) -> list[SourceCounts]:
        """The counts of each name: a log that is followed was one file after another under the same."""
        found: dict[tuple[str, str], SourceCounts] = {}
        for counts in self.sources:
            key = (counts.source, counts.format)
            found[key] = found[key].joined(counts) if key in found else counts
        return list(found.values())

    def sites(self) -> Mapping[int, Mapping[str, int]]:
        """idsite -> date by the site's clock -> tracked, both in order."""
        found: dict[int, dict[str, int]] = {}
        for (site, day), tracked in sorted(self.days.items()):
            found.setdefault(site, {})[day] = tracked
        return found

    def exit_codes(self, *, dry: bool = False) -> Iterator[int]:
        """What the counts alone ask for; in a `dry` run all that would be tracked is pending."""
        if any(self.total(bucket) for bucket in ("refused", "set_aside", "in_doubt", *(() if dry else ("pending",)))):
            yield 1
        if any(counts.incomplete or counts.all_rejected for counts in self.sources):
            yield 1
