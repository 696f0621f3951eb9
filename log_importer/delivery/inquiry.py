"""Asks a server whether it has a batch whose receipt never came, by hits of it that testify.

A batch is stored whole or not at all. Only what is sure counts: a batch that is wrongly taken for stored is lost, one
that is wrongly taken for lost is stored twice.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import quote

from log_importer.delivery.server import ApiRefused
from log_importer.delivery.testimony import Witness, is_plain, masked, read_witness, tells_of
from log_importer.model.errors import ServerRefused, ServerUnreachable
from log_importer.model.visible import visible
from log_importer.model.zones import known_zone

_METHOD = "Live.getLastVisitsDetails"
_MOST_VISITS = 500
"""Of one answer; with more of them a hit that is not among them may be there all the same."""
_UNKNOWN = frozenset({None, "", "UNK"})
"""What stands for a browser or a system that is not known."""
_NOBODY = "192.0.2.1"  # reserved for documentation
_LAST = "page"
"""The way that finds a hit whatever the server has made of its visitor."""
_NO_MATOMO = "the answer is not that of a Matomo."
_SEGMENTS = {"action": "pageUrl", "download": "downloadUrl"}


class Found(Enum):
    """What the server has."""

    STORED = "stored"
    ABSENT = "absent"  # to be believed only together with a control that was found
    UNKNOWN = "unknown"
    AWAY = "away"  # no answer: it may be asked again


class _Way(NamedTuple):
    """How a hit is looked for: by what, in which visits, and whether it is surely among them."""

    name: str
    segment: str
    sure: bool = True


class _NoAnswer(Exception):
    """Why a site could not be asked, in a sentence for people."""

    def __init__(self, why: str, *, away: bool = False) -> None:
        super().__init__(why)
        self.away = away  # the server, which need not be asked about other sites


class Inquiry:
    """Asks one question at a time. Safe for the posting threads."""

    def __init__(
        self, api: Callable[..., Any], zones: Mapping[int, str], describe: Callable[[str], tuple[str, str]]
    ) -> None:
        """`api` is `Server.api` or, with a time-out of its own, `Server.asking`; `zones` are the sites' time zones.

        `describe` gives the short codes of a user agent's browser and system, as the server tells them of visits.
        """
        self.why: dict[int, str] = {}
        """Site -> why it could not be asked when it was last tried, in a sentence for people."""
        self._api = api
        self._zones = zones
        self._describe = describe
        self._ways: dict[int, set[str]] = {}  # site -> how hits were found there
        self._lock = threading.Lock()

    def possible(self, idsite: int, now: float) -> str:
        """ "" where the site can be asked, else why not; `now` in seconds since 1970 UTC."""
        with self._lock:
            self.why.pop(idsite, None)
            try:
                self._zone(idsite)
                self._visits(idsite, int(now), f"visitIp=={_NOBODY}", 1)
            except _NoAnswer as error:
                self.why[idsite] = str(error)
            return self.why.get(idsite, "")

    def control(self, witness: bytes) -> bool:
        """Whether a hit that the server surely has is found, so that one which is not found is surely not there.

        It has to be a hit of the same site, near in time, and sent with the same parameters.
        """
        return self.ask([witness]) is Found.STORED

    def ask(self, witnesses: Sequence[bytes]) -> Found:
        """Whether the batch that they are of is stored."""
        usable = [witness for witness in map(read_witness, witnesses) if witness is not None]
        looks: list[bool | None] = []
        with self._lock:
            for witness in usable:
                self.why.pop(witness.idsite, None)
            for witness in usable:
                if witness.idsite in self.why:
                    continue
                try:
                    looks.append(self._look(witness))
                except _NoAnswer as error:
                    self.why[witness.idsite] = str(error)
                    if error.away:
                        return Found.AWAY
                if True in looks:
                    return Found.STORED
        return Found.ABSENT if looks and all(found is False for found in looks) else Found.UNKNOWN

    def _look(self, witness: Witness) -> bool | None:
        """Whether the server has the hit; `None` where that cannot be told. Raises `_NoAnswer`."""
        known = self._ways.setdefault(witness.idsite, set())
        surely_not = False
        for way in sorted(_ways_to(witness), key=lambda way: way.name not in known):
            found = self._look_in(witness, way)
            if found:
                known.add(way.name)
            if found is not False:
                return found
            # What is found at this site is found in this way; else one of all of them has to be the right one.
            if way.name in known and way.sure:
                return False
            surely_not = way.sure and way.name == _LAST
        return False if surely_not else None

    def _look_in(self, witness: Witness, way: _Way) -> bool | None:
        zone = self._zone(witness.idsite)
        visits = self._visits(witness.idsite, witness.time, way.segment, _MOST_VISITS)
        try:
            tells = [self._tells_of(witness, visit, zone) for visit in visits]
        except (LookupError, TypeError, ValueError):
            raise _cannot(witness.idsite, _NO_MATOMO) from None
        if True in tells:
            return True
        return None if None in tells or len(visits) >= _MOST_VISITS else False

    def _tells_of(self, witness: Witness, visit: Mapping[str, Any], zone: tzinfo) -> bool | None:
        found = tells_of(witness, visit, zone)
        if not found or witness.user or witness.visitor:
            return found
        # Of those who share an address, another one may have seen the same page in the same second.
        theirs = (visit.get("browserCode"), visit.get("operatingSystemCode"))
        if _UNKNOWN.issuperset(theirs):  # and what they are takes seconds to find out at first
            return True
        pairs = zip(self._describe(witness.agent), theirs, strict=True)
        return None if any(mine != other for mine, other in pairs if _UNKNOWN.isdisjoint((mine, other))) else True

    def _zone(self, idsite: int) -> tzinfo:
        name = self._zones.get(idsite, "UTC")
        zone = known_zone(name)
        if zone is None:
            raise _cannot(idsite, f"its time zone {visible(name)} is not known here.")
        return zone

    def _visits(self, idsite: int, time: int, segment: str, most: int) -> list[Any]:
        """The visits of the segment from the day before to the day after. Raises `_NoAnswer`."""
        day = datetime.fromtimestamp(time, UTC)
        days = ",".join(f"{day + timedelta(shift):%Y-%m-%d}" for shift in (-1, 1))
        try:
            found = self._api(
                _METHOD, idSite=str(idsite), period="range", date=days, segment=segment, filter_limit=str(most)
            )
        except ApiRefused as error:
            raise _cannot(idsite, f"the server says: {error.message} (status {error.status}).") from None
        except ServerRefused as error:
            raise _cannot(idsite, error.what) from None
        except ServerUnreachable as error:
            raise _NoAnswer(f"Site {idsite} was asked which visits it has: {error.what}", away=True) from None
        if not isinstance(found, list):
            raise _cannot(idsite, _NO_MATOMO)
        return found


def _cannot(idsite: int, reason: str) -> _NoAnswer:
    return _NoAnswer(f"Site {idsite} cannot be asked which visits it has: {reason}")


def _ways_to(witness: Witness) -> Iterator[_Way]:
    """The ways in which the hit can be looked for, the quickest first."""
    if witness.user:
        yield _Way("user", f"userId=={_quoted(witness.user)}")
    elif witness.visitor:
        yield _Way("visitor", f"visitorId=={witness.visitor}")
    if witness.address:
        # Who is known by an id keeps the address of the visit's first hit.
        yield _Way("address", f"visitIp=={_quoted(witness.address)}", not witness.user and not witness.visitor)
    if witness.kind not in _SEGMENTS:
        return
    page = f"{_SEGMENTS[witness.kind]}=={_quoted(witness.url.partition('#')[0])}"
    plain = is_plain(witness.url)
    if masks := masked(witness.address):
        # A masked address is that of many, so the page is asked for too.
        yield _Way("mask", f"{','.join(f'visitIp=={_quoted(mask)}' for mask in masks)};{page}", plain)
    yield _Way(_LAST, page, plain)


def _quoted(text: str) -> str:
    return quote(text, safe="")
