"""What the ledger knows of one source: its fingerprint, the low-water mark, and what is parsed behind it."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from log_importer.model import Boundary

_PASSED = 32


@dataclass(slots=True)
class Region:
    """A parsed chunk behind the mark."""

    start: int
    after: Boundary
    left: int  # requests in it that are not settled
    hits: bool = True  # whether it had any, so that its last bytes are not those of a header that other logs have too


@dataclass(slots=True)
class Record:
    """One source. All offsets are in its decompressed bytes."""

    id: int
    name: str
    format: str = ""
    stream: bool = False  # standard input, of which nothing can be read again
    device: int = 0
    inode: int = 0
    head_length: int = 0
    head: bytes = b""
    mark: Boundary = field(default_factory=Boundary)
    incomplete: str = ""
    regions: list[Region] = field(default_factory=list)
    passed: list[Region] = field(default_factory=list)
    """Some before the mark: where they end, a copy is known that was made before the last of them was read."""
    undone: "array[int]" = field(default_factory=lambda: array("Q"))
    """Offsets of the lines behind the mark that an earlier run parsed and did not settle, ascending."""
    doubts: Mapping[int, int] = field(default_factory=dict)
    """Those of them that were posted -> how often, without a receipt."""
    active: bool = False  # read in this run
    present: bool = False  # and the file is there, so that another with its beginning is another source

    @property
    def end(self) -> Boundary:
        """Behind the last line that was parsed."""
        return self.regions[-1].after if self.regions else self.mark

    @property
    def boundaries(self) -> Sequence[Boundary]:
        """The places from which reading can go on, ascending."""
        return [self.mark, *(region.after for region in self.regions)]

    def undone_before(self, end: int) -> "array[int]":
        """The undone lines before offset `end`."""
        return self.undone[: bisect_right(self.undone, end - 1)]

    @property
    def milestones(self) -> Sequence[Boundary]:
        """Places behind hits that reading has passed, and ends of its copies."""
        return [region.after for region in (*self.passed, *self.regions) if region.hits]

    def settle(self, ascending: Sequence[int]) -> bool:
        """The lines at these offsets are done; whether the mark has moved."""
        first = 0
        for region, beyond in pairwise([*self.regions, None]):
            assert region is not None
            last = len(ascending) if beyond is None else bisect_left(ascending, beyond.start)
            region.left -= last - first
            first = last
        return self.advance()

    def advance(self) -> bool:
        """Moves the mark over the regions that are done; whether it moved."""
        done = next((number for number, region in enumerate(self.regions) if region.left), len(self.regions))
        if done:
            self.mark = self.regions[done - 1].after
            self.passed += [region for region in self.regions[:done] if region.hits]
            del self.regions[:done]
            while len(self.passed) > _PASSED:  # the older, the fewer are enough
                del self.passed[: _PASSED // 2 : 2]
        return bool(done)
