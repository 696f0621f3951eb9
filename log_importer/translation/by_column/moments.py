"""When lines were logged: the time of each by its day and second, and the parameter that tells it."""

import math
from array import array
from collections.abc import Sequence

from log_importer.native import Native, Table, address, zeros
from log_importer.parsing.cuts import Clock
from log_importer.tracking.requests import hour_of, second_of
from log_importer.translation.by_column.codes import ALONE
from log_importer.translation.by_column.cutter import Cut
from log_importer.translation.by_column.facts import NO_CODE
from log_importer.translation.by_column.groups import MOST, Group, Groups
from log_importer.translation.by_column.texts import Text


class Moments:
    """Of the lines that are cut in one way."""

    def __init__(self, native: Native, groups: Groups, clock: Clock, later: float, *, split: bool) -> None:
        """`split`: a cut says in which second of what the clock's `begin` tells a line was logged.

        `later`: whole seconds that are added to every time.
        """
        self._native = native
        self._later = later
        self.group: Group[float | None] = groups.of_cells(
            clock.places, clock.begin if split else clock.tell, lambda time: ALONE if time is None else NO_CODE
        )  # fmt: skip
        """The times that the clock tells, `None` where only the whole line can say."""
        self._begins = array("d")  # the same, as they are sent
        self._hours, self._when = Table(native), Table(native)  # their numbers, and texts, by the same numbers
        self._seconds = Table(native)
        self._seconds.add_all([second_of(second) for second in range(3600)])

    def of(self, cut: Cut, numbers: "array[int]") -> "tuple[array[float], array[float]]":
        """When each line of the cut was logged, whose time has that number, and the earliest and the latest."""
        for time in self.group.values[len(self._begins) :]:
            self._begins.append(math.nan if time is None else time + self._later)
        times, ends = array("d", bytes(8 * len(numbers))), array("d", (math.inf, -math.inf))
        seconds = address(cut.seconds) if cut.seconds is not None else None
        self._native.tell_times(
            len(numbers), address(numbers), address(self._begins), seconds, address(times), address(ends)
        )  # fmt: skip
        return times, ends

    def texts(self, times: "array[float]", places: "array[int]") -> "tuple[array[float], Sequence[Text]]":
        """The times of the lines at these places, and the parameter of each, part by part."""
        count = len(places)
        when, hours, seconds = array("d", bytes(8 * count)), zeros("i", count), zeros("i", count)
        if self._native.split_times(
            count, address(places), address(times), self._hours.at, address(when), address(hours),
            address(seconds),
        ):  # fmt: skip
            raise MemoryError
        for hour in self._hours.integers(len(self._when)):
            self._when.add(hour_of(hour))
        return when, [(self._when, hours), (self._seconds, seconds)]

    def forget(self) -> None:
        """Lets go of what belongs to a group that is full, and of what has become much."""
        if self.group.full:
            del self._begins[:]
        if len(self._when) > MOST:
            self._hours.clear()
            self._when.clear()
