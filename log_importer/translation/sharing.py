"""One share of a chunk's result, where several machines import the same logs: each posts the lanes that are its own.

A lane is a visitor's, so that nobody's hits are divided. What is no request is no lane's: the first share has it.
"""

import re
from array import array
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate, compress, pairwise
from typing import Any, NamedTuple

from log_importer.model import ChunkResult, Context
from log_importer.model.keys import LANE_KEYS, spread

OTHER = "other-shard"
"""Why a line is skipped that another machine posts, or accounts for."""
_COLUMNS = (
    "lengths", "numbers", "offsets", "times", "visitors", "agents", "lanes", "sites", "downloads", "ranges",
)  # fmt: skip


class Shard(NamedTuple):
    """The share `number`, from 1, of so many `shares`."""

    number: int
    shares: int

    def __str__(self) -> str:
        return f"{self.number}/{self.shares}"

    def has(self, lane: int) -> bool:
        """Whether the lane of that 16-bit key is its own."""
        return spread(lane, self.shares) == self.number - 1


ALL = Shard(1, 1)
"""Of a machine that imports alone."""


def read_shard(text: str) -> Shard | None:
    """The shard written as `2/3`; `None` where it is none."""
    found = re.fullmatch(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})", text.strip())
    shard = Shard(int(found[1]), int(found[2])) if found else None
    return shard if shard is not None and shard.number <= shard.shares else None


Translate = Callable[[bytes, Context], ChunkResult]


def sharing(translate: Translate, shard: Shard) -> Translate:
    """The function that gives only what is the shard's of what `translate` does."""
    if shard == ALL:
        return translate
    own = [shard.has(lane) for lane in range(LANE_KEYS)]

    def share(data: bytes, context: Context) -> ChunkResult:
        return _share(translate(data, context), own, first=shard.number == 1)

    return share


def _share(result: ChunkResult, own: list[bool], *, first: bool) -> ChunkResult:
    mine = [own[lane] for lane in result.lanes]
    requests = sum(mine)
    blob = result.blob
    cuts = pairwise(accumulate(result.lengths, initial=0))
    shared: dict[str, Any] = {name: _kept(getattr(result, name), mine) for name in _COLUMNS}
    shared["blob"] = b"".join([blob[begin:end] for begin, end in compress(cuts, mine)])
    if first:
        others = len(mine) - requests
        return replace(result, **shared, skipped={**result.skipped, **({OTHER: others} if others else {})})
    others = result.lines - requests
    return replace(
        result, **shared, skipped={OTHER: others} if others else {}, rejected={}, rejected_lines=(), skipped_lines=(),
        cut_urls=0, left_out={}, ais={}, details={}, without_site={},
    )  # fmt: skip


def _kept(column: "array[Any]", mine: list[bool]) -> "array[Any]":
    return array(column.typecode, compress(column, mine))
