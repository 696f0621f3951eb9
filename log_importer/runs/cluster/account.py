"""What became of a span's lines, but for those that are requests: that is counted where they are sent."""

from collections import Counter
from dataclasses import dataclass, field

from log_importer.model import ChunkResult, RejectedLine
from log_importer.model.errors import SourceError
from log_importer.runs.cluster.spans import Ending, Span

_SAMPLES = 5
"""Rejected lines kept with their text where nobody asked for all of them."""


@dataclass(slots=True)
class SpanAccount:
    """The counts of a span, as those of a chunk are."""

    span: Span
    lines: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    rejected_lines: list[RejectedLine] = field(default_factory=list)
    cut_urls: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    ais: Counter[str] = field(default_factory=Counter)
    details: Counter[tuple[str, str]] = field(default_factory=Counter)
    without_site: Counter[str] = field(default_factory=Counter)
    unknown_hosts: set[str] = field(default_factory=set)
    quarters: set[tuple[int, int]] = field(default_factory=set)  # site and quarter of an hour of its requests
    ending: Ending = field(default_factory=Ending)
    error: SourceError | None = None

    def add(self, result: ChunkResult, *, keep_rejected: bool) -> None:
        """A chunk of it was translated."""
        self.lines += result.lines
        self.cut_urls += result.cut_urls
        for name in ("skipped", "rejected", "left_out", "ais", "details", "without_site"):
            getattr(self, name).update(getattr(result, name))
        self.unknown_hosts.update(result.unknown_hosts)
        if keep_rejected or len(self.rejected_lines) < _SAMPLES:
            self.rejected_lines += result.rejected_lines
