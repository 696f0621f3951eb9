"""How many posts at once and how many hits in each: told of every answer, it finds what the server does best.

The throughput of n posts at once is n times what one of them gets done in its time (Little's law), so a few answers
tell it, and no clock has to be waited for. One more at once is tried, and kept while it brings 5 %; else one less, and
there it stays, trying again rarely. Adaptive concurrency by round-trip time, as Vector has it, takes a slower answer
for a server that is full; here a batch's time depends most on what is in it.
"""

from math import inf, sqrt
from statistics import fmean, stdev

Post = tuple[int, float]
"""Hits, and the seconds until the answer."""

AIM, LENIENT = 5.0, 6.5
"""Seconds that a post should take, and may take where it is the largest allowed."""
SMALLEST = 500
_FIRST, _GROWTH = 50, 4
"""Hits in a run's first batch, and by how much more there are in the next one at most."""
_BETTER = 1.05
_ENOUGH = 24
"""Answers after which a level is judged, however much they differ."""
_REST, _LONGEST_REST = 40, 640
"""Answers between two trials of one more at once; doubled when it brought nothing."""
_QUICK, _AHEAD = 0.02, 4
"""An answer within so many seconds comes sooner than the next batch is ready: so many posts more keep a server busy."""
_RECOVERY, _LONGEST_RECOVERY = 8, 512
"""Posts stored after which batches that were halved may be twice as large."""
_SEA_CHANGE = 2.0
"""A server that gets faster or slower by this is another server."""


class Pace:
    """The pace of one run; the sender guards it."""

    def __init__(
        self, recorders: int | None = None, most: int = 16, size: int = 2000, start: tuple[int, int] | None = None
    ) -> None:
        """`recorders` fixes how many at once, `size` bounds a batch; `start` is what an earlier run settled on."""
        self._fixed = recorders is not None
        self._most = most
        self._limit = self._largest = size
        self._recovery, self._growing_in = _RECOVERY, 0
        at_once, first = start or (1, SMALLEST)
        self.at_once = recorders or max(1, min(at_once, most))
        """Posts at the same time that the server does best with."""
        self._size = min(first, size)
        self._shown: float = _FIRST  # hits that the server is trusted with
        self._hit_seconds = 0.0  # of a post, for each of its hits
        self._settled_size = False
        self._posts: list[Post] = []  # at this level
        self._since = 0.0  # when the level began
        self._before: tuple[int, list[Post]] | None = None  # the level to beat, and its posts
        self._resting = 0  # answers to wait before the next trial; 0: a trial is under way
        self._rest = _REST
        self._upwards = True  # where the last trial from rest went
        self._ceiling = most + 1  # refused there
        self._hurt = False  # refused, and nothing stored since

    @property
    def allowed(self) -> int:
        """Posts that may be under way now."""
        if self._beginning:
            return 1
        return self.at_once + _AHEAD if self._quick else self.at_once

    @property
    def size(self) -> int:
        """Hits to put in the next batch."""
        return int(min(self._size, self._shown))

    @property
    def _beginning(self) -> bool:
        """Whether little is to be in flight, as all of it is in doubt where the run is killed."""
        return self._shown < self._size

    @property
    def _quick(self) -> bool:
        return not self._fixed and 0 < self._hit_seconds * self._size < _QUICK

    def stored(self, hits: int, seconds: float, now: float) -> None:
        """A post of `hits` was answered as stored after `seconds`, at `now` of any steady clock."""
        self._hurt = False
        if self._largest < self._limit:
            self._growing_in -= 1
            if self._growing_in <= 0:
                self._largest, self._growing_in = min(2 * self._largest, self._limit), _RECOVERY
        seconds = max(seconds, 1e-6)
        if self._beginning:
            self._shown = inf if _GROWTH * self._shown >= self._size else _GROWTH * self._shown
            return
        self._fit_size(hits, seconds / hits)
        if self._fixed or not self._settled_size or now - seconds < self._since:
            return  # it tells of another level too
        if self._quick:  # it is not the server that is waited for
            self._posts.clear()
            return
        self._posts.append((hits, seconds))
        if self._resting:
            self._watch(now)
        else:
            self._judge(now)

    def congested(self, now: float) -> None:
        """The server refused a post, dropped a part of it, or did not answer in time."""
        if self._fixed or self._hurt:
            return
        self._hurt = True
        self._ceiling = max(2, self.at_once)
        self._rest = _REST
        self._go_to(max(1, self.at_once // 2), now, None)

    def halve(self) -> None:
        """A batch may have been too large: those that follow are half as large.

        They may be twice as large again once some posts were stored; the oftener that was too early, the more of them.
        """
        self._largest = max(1, self.size // 2)
        self._size = min(self._size, self._largest)
        self._growing_in = self._recovery
        self._recovery = min(2 * self._recovery, _LONGEST_RECOVERY)

    def starved(self) -> None:
        """Fewer posts were under way than allowed, so what comes back now tells nothing of this level."""
        self._posts.clear()

    def _fit_size(self, hits: int, hit_seconds: float) -> None:
        self._hit_seconds = hit_seconds if not self._hit_seconds else 0.7 * self._hit_seconds + 0.3 * hit_seconds
        fitting = AIM / self._hit_seconds
        if self._largest * self._hit_seconds <= LENIENT:
            fitting = self._largest
        wanted = int(max(min(SMALLEST, self._largest), min(fitting, self._largest)))
        self._settled_size = self._settled_size or wanted <= hits * 1.25 or hits < self._size
        if not 0.8 * self._size <= wanted <= 1.25 * self._size or wanted == self._largest:
            self._size = min(wanted, _GROWTH * hits) if wanted > self._size else wanted

    def _go_to(self, level: int, now: float, before: tuple[int, list[Post]] | None, resting: int = 0) -> None:
        self.at_once, self._since, self._before, self._resting = level, now, before, resting
        self._posts = []

    def _judge(self, now: float) -> None:
        """Whether this level is better than the one before, once the answers say so."""
        level, answers = self.at_once, len(self._posts)
        if answers < 2 * level:  # the first to come back are the quick ones
            return
        if self._before is None:
            self._try(level + 1, now)
            return
        other, posts = self._before
        gain = level * _rate(self._posts) / (other * _rate(posts))
        unsure = gain * sqrt(_spread(self._posts) ** 2 + _spread(posts) ** 2)
        needed = _BETTER if level > other else 1 / _BETTER
        if abs(gain - needed) < unsure and answers < _ENOUGH:
            return
        if gain >= needed:
            self._rest = _REST
            self._try(2 * level - other, now)
            return
        self._go_to(other, now, None, resting=self._rest)
        self._rest = min(2 * self._rest, _LONGEST_REST)
        self._posts = list(posts)

    def _try(self, level: int, now: float) -> None:
        """Tries another level, or rests where there is none."""
        if 0 < level < min(self._ceiling, self._most + 1):
            self._go_to(level, now, (self.at_once, self._posts))
        else:
            self._before, self._resting = None, self._rest
            self._rest = min(2 * self._rest, _LONGEST_REST)

    def _watch(self, now: float) -> None:
        """At rest: looks whether the server is still the same, and tries one more or less when the time has come."""
        self._resting -= 1
        recent, usual = _rate(self._posts[-4:]), _rate(self._posts[:-4] or self._posts)
        if len(self._posts) > 8 and not usual / _SEA_CHANGE < recent < usual * _SEA_CHANGE:
            self._rest, self._ceiling = _REST, self._most + 1
            slower = recent < usual
            self._go_to(max(1, self.at_once // 2) if slower else self.at_once, now, None)
        elif not self._resting:
            self._ceiling = self._most + 1
            del self._posts[:-_ENOUGH]
            self._upwards = not self._upwards
            self._try(self.at_once + (1 if self._upwards else -1), now)
        del self._posts[: -4 * _ENOUGH]


def _rate(posts: list[Post]) -> float:
    """Hits a second that one post at a time gets done."""
    return sum(hits for hits, _ in posts) / sum(seconds for _, seconds in posts)


def _spread(posts: list[Post]) -> float:
    """The relative uncertainty of that."""
    each = [seconds / hits for hits, seconds in posts]
    return stdev(each) / sqrt(len(each)) / fmean(each) if len(each) > 1 else 1.0
