"""What became of a batch that was posted and never answered, by asking the server.

A server with transactions stores a batch whole or not at all, so one hit of it that is found proves all of it. These
rules keep a batch from being lost, or stored twice:

1. Stored, where any of its witnesses is found.
2. Absent, only once the server can no longer be at work on it, and where a hit that is surely there, near in time, is
   found in the same way.
3. Unknown in all other cases. A server that is away is asked again when it is back.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from log_importer.delivery.inquiry import Found, Inquiry
from log_importer.delivery.outage import Aborted
from log_importer.delivery.testimony import read_witness
from log_importer.delivery.witnesses import choose
from log_importer.model import Request, Unanswered
from log_importer.model.rows import Requests

_NEAR = 86400.0
"""Seconds between two hits within which a server that tells of one tells of the other: it may delete old visits."""
_REMEMBERED = 100_000
"""Visitors whose last hit is remembered."""
_UNNOTICED = 2.0
"""Seconds of a pause from which on people are told what is waited for."""
_LONGEST_PAUSE = 10.0
"""Seconds between two questions."""
_KEPT_EVERY = 5.0
"""Seconds after which another hit that is surely stored is kept for later runs."""
_MOST_TIMES_AWAY = 4
"""A server that tracks may still not tell what it has."""
_PROOF = "proof of site "


class Earlier(Protocol):
    """What is known of the batches of earlier runs that were never answered."""

    @property
    def unanswered(self) -> Mapping[int, Unanswered]:
        """By their numbers."""
        ...

    def batch_in_doubt(self, request: Request) -> int | None:
        """The number of the last of them that a request was in."""
        ...

    def absent(self, batch: int, requests: Sequence[Request]) -> None:
        """The server has nothing of a batch, so that these requests of it are in doubt no longer."""
        ...


class Doubts:
    """Asks for the posting threads of a run."""

    def __init__(
        self,
        inquiry: Inquiry,
        drops: Callable[[bytes], bool],
        at_work: float,
        about: Mapping[str, str],
        remember: Callable[..., None],
        earlier: Earlier | None,
        abort: threading.Event,
        say: Callable[[str], None],
    ) -> None:
        """`drops` says of a query whether the server may drop it in silence; `abort` ends all waiting.

        `at_work`: seconds after a post in which the server may still be at work on it. `about` is what earlier runs
        kept, and `remember` keeps more.
        """
        self._inquiry = inquiry
        self._drops = drops
        self._at_work = at_work
        self._remember = remember
        self._earlier = earlier
        self._abort = abort
        self._say = say
        self._lock = threading.Lock()
        self._before: dict[int, float] = {}  # visitor -> time of the last hit
        self._proofs = {
            int(name.removeprefix(_PROOF)): query.encode("latin-1")
            for name, query in about.items()
            if name.startswith(_PROOF)
        }
        self._kept_at: dict[int, float] = {}
        self._known: dict[int, Found] = {}  # number of a batch of an earlier run -> what became of it
        self._asking = threading.Lock()

    def witnesses(self, requests: Requests, *, half: bool) -> tuple[Request, ...]:
        """Those of a batch that is about to be posted by which it can be asked for later.

        `half`: it is a part of a batch in doubt. A hit that was in doubt before may be there from that earlier batch,
        so it tells of this one only where all others came with that batch, too.
        """
        doubted = half or self._are_of_one_batch(requests)
        with self._lock:
            return choose(requests, self._before, self._drops, doubted=doubted)

    def _are_of_one_batch(self, requests: Requests) -> bool:
        """Whether an earlier run posted all of them together, and none of them before."""
        if self._earlier is None or not requests.doubted or set(requests.column("doubts")) != {1}:
            return False
        batches = set(map(self._earlier.batch_in_doubt, requests))
        return len(batches) == 1 and None not in batches

    def answered(self, seconds: float) -> None:
        """A post was answered after so many seconds: others may take twice as long."""
        self._at_work = max(self._at_work, 2 * seconds)

    def stored(self, requests: Requests, witnesses: Sequence[bytes]) -> None:
        """The server said that it stored a batch; `witnesses` are those of it, where it took all of them."""
        known = read_witness(witnesses[0]) if witnesses else None
        with self._lock:
            self._before.update(zip(requests.column("visitor"), requests.times, strict=True))
            for visitor in list(self._before)[: max(0, len(self._before) - _REMEMBERED)]:
                del self._before[visitor]
            if known is None:
                return
            self._proofs[known.idsite] = witnesses[0]
            now = time.monotonic()
            if now - self._kept_at.get(known.idsite, -_KEPT_EVERY) < _KEPT_EVERY:
                return
            self._kept_at[known.idsite] = now
        self._remember(**{f"{_PROOF}{known.idsite}": witnesses[0].decode("latin-1")})

    def sort_out(
        self, requests: Sequence[Request], wait: Callable[[], None]
    ) -> tuple[Sequence[Request], Sequence[Request]]:
        """Those that are to be posted, and those of earlier runs that the server has. Raises `Aborted`.

        `wait` returns when the server tracks.
        """
        if self._earlier is None or not Requests.of(requests).doubted:
            return requests, ()
        left, stored, absent = list[Request](), list[Request](), dict[int, list[Request]]()
        for request in requests:
            batch = self._earlier.batch_in_doubt(request) if request.doubts else None
            found = Found.UNKNOWN if batch is None else self._found_earlier(batch, wait)
            if found is Found.STORED:
                stored.append(request)
            elif batch is not None and found is Found.ABSENT and request.doubts == 1:
                absent.setdefault(batch, []).append(request)
                left.append(request._replace(doubts=0))
            else:
                left.append(request)
        for batch, some in absent.items():
            self._earlier.absent(batch, some)
        return left, stored

    def _found_earlier(self, batch: int, wait: Callable[[], None]) -> Found:
        with self._asking:
            if batch not in self._known:
                assert self._earlier is not None
                one = self._earlier.unanswered.get(batch)
                self._known[batch] = Found.UNKNOWN if one is None else self.found(one.began, one.witnesses, wait)
            return self._known[batch]

    def found(self, began: float, witnesses: Sequence[bytes], wait: Callable[[], None]) -> Found:
        """What became of a batch that was posted at `began`, in seconds since 1970 UTC. Raises `Aborted`.

        `wait` returns when the server tracks.
        """
        for times in range(_MOST_TIMES_AWAY):
            if times and self._abort.wait(2**times):
                raise Aborted
            wait()
            if (found := self._ask(began, witnesses)) is not Found.AWAY:
                return found
        return Found.UNKNOWN

    def _ask(self, began: float, witnesses: Sequence[bytes]) -> Found:
        pause, proved = 0.1, False
        while True:
            # First the proof: in the way in which it is found, the witnesses have to be found too.
            proved = proved or self._proved(witnesses)
            found = self._inquiry.ask(witnesses)
            if found in (Found.STORED, Found.AWAY) or (found is Found.UNKNOWN and (proved or self._inquiry.why)):
                return found
            left = began + self._at_work - time.time()
            if left <= 0 and proved and found is Found.ABSENT:
                return found
            if left <= -self._at_work:  # others have had time to store something that proves it
                return Found.UNKNOWN
            if pause > _UNNOTICED:
                self._say(
                    f"The server does not have a batch whose answer never came, and may be at work on it for up to "
                    f"{self._at_work:.0f} s (--request-timeout) after it was sent; its visitors' hits wait for that."
                )
            if self._abort.wait(min(pause, left) if left > 0 else pause):
                raise Aborted
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _proved(self, witnesses: Sequence[bytes]) -> bool:
        """Whether the server tells of what it surely has, for all sites that the witnesses are of."""
        for known in filter(None, map(read_witness, witnesses)):
            with self._lock:
                proof = self._proofs.get(known.idsite)
            stored = read_witness(proof) if proof is not None else None
            if proof is None or stored is None or abs(stored.time - known.time) > _NEAR:
                return False
            if not self._inquiry.control(proof):
                return False
        return True
