"""The progress bar on a terminal; plain lines now and then where there is none."""

import math
import sys
import time
from collections.abc import Callable
from typing import Any

from log_importer.model.visible import visible
from log_importer.runs.tally import Tally

_SHOWN = 0.1
"""Seconds between two looks of the bar."""


def speaker(progress: "Progress") -> Callable[[str], None]:
    """Says each sentence once, since a server that is away says the same at every attempt."""
    said = set[str]()

    def say(sentence: str) -> None:
        if sentence not in said:
            said.add(sentence)
            progress.say(f"log-importer: {visible(sentence, 2000)}")

    return say


class Progress:
    """Shows bytes read of the total, lines and tracked requests a second, requests in flight."""

    def __init__(self, bar: bool | None = None, every: float = 30.0, *, dry: bool = False) -> None:
        """`bar` `None`: on a terminal; without one, a plain line comes `every` so many seconds. `dry`: of a dry run."""
        self._dry = dry
        self._every = every
        self._wanted = sys.stderr.isatty() if bar is None else bar
        self._bar: Any = None
        self._raw: dict[int, int] = {}
        self._shown = -math.inf
        self._began = self._said = time.monotonic()

    def start(self, total: int | None) -> None:
        """Reading begins; `total` bytes of all sources, `None` where a pipe is among them."""
        if self._wanted:
            from tqdm import tqdm  # only who watches pays for it

            self._bar = tqdm(total=total, unit="B", unit_scale=True, dynamic_ncols=True, leave=False)
        self._began = self._said = time.monotonic()

    def read(self, source: int, raw_position: int) -> None:
        """So many bytes of a source are read, as it lies on disk."""
        self._raw[source] = raw_position

    def update(self, tally: Tally, in_flight: int) -> None:
        """Shows the counts as they stand."""
        now = time.monotonic()
        if now - (self._said if self._bar is None else self._shown) < (self._every if self._bar is None else _SHOWN):
            return  # to count over thousands of sources takes longer than to read one
        self._shown = now
        lines = sum(counts.lines for counts in tally.sources)
        tracked = tally.total("pending" if self._dry else "tracked")
        seconds = max(now - self._began, 0.001)
        if self._bar is not None:
            sent = f"{tracked / seconds:,.0f} tracked/s, {in_flight:,} in flight"
            told = f"{lines / seconds:,.0f} lines/s, {f'{tracked:,} would be tracked' if self._dry else sent}"
            self._bar.set_postfix_str(told, refresh=False)
            self._bar.update(sum(self._raw.values()) - self._bar.n)
        else:
            self._said = now
            sent = f"tracked, {in_flight:,} in flight"
            self.say(f"log-importer: {lines:,} lines read, {tracked:,} {'would be tracked' if self._dry else sent}.")

    def say(self, sentence: str) -> None:
        """Prints a sentence to standard error, without tearing the bar apart."""
        if self._bar is not None:
            self._bar.write(sentence, file=sys.stderr)
        else:
            sys.stderr.write(f"{sentence}\n")  # at once, or that of another thread may come before its end
            sys.stderr.flush()

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()
