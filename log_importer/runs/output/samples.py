"""Some lines for each reason why lines were not sent, so that people see what a count is made of."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from log_importer.model import Chunk, ChunkResult
from log_importer.model.visible import visible
from log_importer.native import load
from log_importer.parsing.lines import LineReader
from log_importer.parsing.text import text_of
from log_importer.tracking.rules.changes import scrubber
from log_importer.tracking.rules.ranges import Ranges
from log_importer.translation.bot_rules import judges
from log_importer.translation.chunk import compile_translation
from log_importer.translation.plan import Plan

KEPT = 3
"""Lines of each reason."""
_LONGEST = 300
"""Characters of a line that are shown; of a rejected one, on either side of where reading stopped."""
_PAUSE = 0.5
"""Seconds between two looks for more than a first line, so that looking takes a small share of the time."""
_TOKEN = re.compile(r"(token_auth(?:=|%3D))[^&\s\"]+", re.IGNORECASE)


class Samples:
    """Looks at a chunk once more where it has a line of a reason that lines are still wanted of.

    That is a few chunks of a run, mostly its first: the counts say beforehand whether there is something to find.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = replace(plan, keep_skipped=True, keep_rejected=True)
        self._translate = compile_translation(self._plan, judges())
        self._scrub = scrubber(plan.changes) or str
        self._wait_until = 0.0
        self.found: dict[str, list[dict[str, Any]]] = {}
        """Reason -> lines: `source`, `line`, `text`; `unread` is the rest, where reading stopped before it."""

    def look(self, source: str, chunk: Chunk, result: ChunkResult) -> None:
        """Takes lines from `chunk` if there are any to be had; `result` is what became of it."""
        reasons = {*result.skipped, *result.rejected, *(("partial",) if any(result.ranges) else ())}
        fewest = min((len(self.found.get(reason, ())) for reason in reasons), default=KEPT)
        if fewest >= KEPT or (fewest and time.monotonic() < self._wait_until):
            return
        context = chunk.context
        lines = chunk.data.split(b"\n")
        spec = self._plan.formats.get(context.format)
        reader = LineReader(spec, self._plan.reading) if spec is not None else None
        for number, reason in self._fates(chunk):
            kept = self.found.setdefault(reason, [])
            if len(kept) >= KEPT:
                continue
            text = text_of(lines[number - context.first_line], self._plan.encoding)
            parts = self._parts(text, context.columns, reader) if reason == "unreadable" else (self._shown(text), None)
            kept.append({"source": visible(source), "line": number, "text": parts[0], "unread": parts[1]})
        self._wait_until = time.monotonic() + _PAUSE

    def _fates(self, chunk: Chunk) -> Iterator[tuple[int, str]]:
        """Number and reason of every line of a chunk that is not sent."""
        again = self._translate(chunk.data, chunk.context)
        yield from again.skipped_lines
        for place in Ranges(load()).repeats(again.downloads, again.times, again.ranges):
            yield again.numbers[place], "partial"
        for line in again.rejected_lines:
            yield line.number, line.reason

    def _hide(self, text: str) -> str:
        """What a user wants hidden, and the tokens that a tracker's own log holds."""
        return _TOKEN.sub(r"\1(hidden)", self._scrub(text))

    def _shown(self, text: str) -> str:
        return visible(self._hide(text), _LONGEST)

    def _parts(self, text: str, columns: str, reader: LineReader | None) -> tuple[str, str | None]:
        """A line as far as its format reads it, and the rest; all in one where something in it has to be hidden."""
        if reader is None or self._hide(text) != text:
            return self._shown(text), None
        reader.use(columns)
        at = reader.parser.stopped_at(text)
        return visible(text[max(0, at - _LONGEST) : at], _LONGEST), visible(text[at:], _LONGEST)
