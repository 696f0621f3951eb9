"""Asking whether a batch is stored: the receiver and recorded replies of a Matomo, found, surely absent, or unknown."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import pytest

from log_importer.delivery.inquiry import Found, Inquiry
from log_importer.delivery.server import Server
from log_importer.delivery.testimony import masked, read_witness
from log_importer.receiver import Receiver
from log_importer.receiver.access import Grant, Level
from log_importer.receiver.agents import describe
from log_importer.receiver.settings import SiteSetup
from tests.delivery.server.common import closed_port
from tests.fault_server import Posted, Told, serve, told_json
from tests.live_calls import CALLS, HITS, SITE, ZONE

ROOT, VIEW, NONE = ("0" * 31 + digit for digit in "123")
GRANTS = {
    ROOT: Grant(Level.SUPERUSER), VIEW: Grant(Level.VIEW, frozenset({SITE})), NONE: Grant(Level.VIEW, frozenset({1})),
}  # fmt: skip
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ALL = next(call["reply"] for call in CALLS if call["id"] == "all")


def hit(time: str = "2026-10-05 12:00:00", cip: str = "198.51.100.1", path: str = "/x", **more: str) -> bytes:
    parameters = {"idsite": f"{SITE}", "rec": "1", "url": f"http://live.example{path}", "cip": cip, "cdt": time}
    return f"?{urlencode({name: value for name, value in (parameters | more).items() if value})}".encode()


def browser(user_agent: str) -> tuple[str, str]:
    known = describe(user_agent)
    return known.browser, known.os


Store = Callable[[Sequence[bytes]], None]


@contextmanager
def receiving(path: Path, zone: str = ZONE, token: str = ROOT) -> Iterator[tuple[Inquiry, Store, Receiver]]:
    """An inquiry at a receiver whose site is in the zone, and what stores hits there."""
    sites = [SiteSetup(1, "http://localhost"), SiteSetup(SITE, "http://live.example", timezone=zone)]
    with Receiver(
        path / "db", is_bot=lambda _: False, search_engine=lambda _: False, grants=GRANTS, sites=sites,
        clock=lambda: NOW,
    ) as receiver:  # fmt: skip
        poster, asker = Server(receiver.url, ROOT), Server(receiver.url, token)

        def store(hits: Sequence[bytes]) -> None:
            assert b'"invalid":0' in poster.bulk(hits).body

        yield Inquiry(asker.asking(20.0), {SITE: zone}, browser), store, receiver
        poster.close()
        asker.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Inquiry, Store]]:
    with receiving(tmp_path) as (inquiry, store, _):
        yield inquiry, store


TELLABLE = [hit for number, hit in enumerate(HITS) if number != 5]  # of a search a server tells no address


@pytest.mark.parametrize("witness", TELLABLE)
def test_a_stored_hit_of_any_kind_is_found_and_before_that_it_is_absent(
    place: tuple[Inquiry, Store], witness: bytes
) -> None:
    inquiry, store = place
    same_kind = "&".join(pair for pair in witness.decode().split("&") if not pair.startswith(("cdt=", "cid=", "uid=")))
    ids = [f"&{name}={value}" for name, value in (("cid", "f" * 16), ("uid", "bert")) if f"{name}=" in witness.decode()]
    other = f"{same_kind}&cdt=2026-10-05+12%3A00%3A00{''.join(ids)}".encode()
    assert not inquiry.control(other)
    store([other])
    assert inquiry.control(other)
    assert inquiry.ask([witness]) is Found.ABSENT
    store([witness])
    assert inquiry.ask([witness]) is Found.STORED
    assert inquiry.why == {}


def test_any_one_hit_proves_the_batch(place: tuple[Inquiry, Store]) -> None:
    inquiry, store = place
    assert inquiry.ask([HITS[0], HITS[3]]) is Found.ABSENT
    store(HITS)
    assert inquiry.ask([hit(), *TELLABLE[3:]]) is Found.STORED
    assert inquiry.ask([hit(), hit(cip="198.51.100.2")]) is Found.ABSENT


def test_what_cannot_be_looked_for_in_every_way_is_absent_only_where_its_way_is_proved(
    place: tuple[Inquiry, Store],
) -> None:
    inquiry, store = place
    queried, event = HITS[1], HITS[9]
    assert [inquiry.ask([one]) for one in (queried, event)] == [Found.UNKNOWN, Found.UNKNOWN]
    store([hit()])
    assert inquiry.control(hit())
    assert [inquiry.ask([one]) for one in (queried, event)] == [Found.ABSENT, Found.ABSENT]


def test_nothing_is_known_without_a_witness(place: tuple[Inquiry, Store]) -> None:
    inquiry, store = place
    store(HITS)
    search = HITS[5]
    assert inquiry.ask([]) is Found.UNKNOWN
    assert inquiry.ask([search]) is Found.UNKNOWN
    assert not inquiry.control(search)


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Kathmandu", "UTC", "UTC+5.5", "Pacific/Kiritimati"])
@pytest.mark.parametrize(
    "time", ["2026-10-05 00:00:00", "2026-10-04 23:59:59", "2026-03-08 10:30:00", "2026-06-30 12:00:00"]
)
def test_time_zones_do_not_matter(tmp_path: Path, zone: str, time: str) -> None:
    with receiving(tmp_path, zone) as (inquiry, store, _):
        store([hit(time)])
        assert inquiry.ask([hit(time)]) is Found.STORED
        second = time[:-1] + str((int(time[-1]) + 1) % 10)
        assert inquiry.ask([hit(second)]) is Found.ABSENT


def test_the_hour_that_comes_twice_is_told_apart_by_the_visits_own_times(tmp_path: Path) -> None:
    first, again = "2026-11-01 08:30:00", "2026-11-01 09:30:00"  # 01:30 in Los Angeles, before and after the change
    with receiving(tmp_path) as (inquiry, store, _):
        store([hit(first)])
        assert inquiry.ask([hit(first)]) is Found.STORED
        assert inquiry.ask([hit(again)]) is Found.UNKNOWN
        store([hit(again)])
        assert inquiry.ask([hit(again)]) is Found.STORED
    with receiving(tmp_path) as (inquiry, store, _):
        long = [
            hit(f"2026-11-01 0{8 + minute // 60}:{minute % 60:02}:00", cip="198.51.100.9")
            for minute in range(30, 91, 10)
        ]
        store(long)
        assert inquiry.ask([long[0]]) is Found.UNKNOWN  # one visit over both


@pytest.mark.parametrize(
    "path", ["/é", "/%C3%A9", "/a%20b", "/%FF", "/日本?x=1", "/a?b=%26&c=d", "/A/b%2Fc", "/a?b=c,d;e"]
)
def test_an_address_is_known_again_whatever_is_in_it(place: tuple[Inquiry, Store], path: str) -> None:
    inquiry, store = place
    store([hit(path=path)])
    assert inquiry.ask([hit(path=path)]) is Found.STORED


@pytest.mark.parametrize(
    ("sent", "told", "found"),
    [
        ("/a", "https://www.live.example/a", Found.STORED),
        ("/a#part", "http://live.example/a", Found.STORED),
        ("/a?x=1&utm_source=b&PHPSESSID=1", "http://live.example/a?x=1", Found.STORED),
        ("/a?x=1&y=2", "http://live.example/a?x=1&amp;y=2", Found.STORED),
        ("/a?x=1", "http://live.example/a", Found.UNKNOWN),
        ("/a?x=1", "http://live.example/a?x=2", Found.UNKNOWN),
        ("/a", "http://live.example/A", Found.UNKNOWN),
        ("/a", "http://[live", Found.UNKNOWN),
        ("/a", None, Found.UNKNOWN),
        ("/a", "http://live.example/b", Found.ABSENT),
        ("/a", "http://other.example/a", Found.ABSENT),
        ("/a?q=words", "http://live.example/a", Found.UNKNOWN),
        ("/" + "a" * 1020, "http://live.example/" + "a" * 1004, Found.UNKNOWN),
    ],
)  # fmt: skip
def test_an_address_is_compared_as_a_matomo_keeps_it(sent: str, told: str | None, found: Found) -> None:
    visit = ALL[-1]
    visit = {**visit, "actionDetails": [{**visit["actionDetails"][0], "url": told}]}
    witness = hit("2026-10-05 06:59:58", "203.0.113.1", sent)

    def matomo(posted: Posted) -> Told:
        return told_json([visit, ALL[-2]] if "visitIp" in posted.call["segment"] else [])

    with serve(matomo) as server, _asking(server.url) as inquiry:
        assert inquiry.control(HITS[1])
        assert inquiry.ask([witness]) is found


@contextmanager
def _asking(url: str, token: str = ROOT, seconds: float = 20.0) -> Iterator[Inquiry]:
    server = Server(url, token, connect_timeout=2.0)
    yield Inquiry(server.asking(seconds), {SITE: ZONE}, browser)
    server.close()


def player(visits: Sequence[dict[str, Any]], log: list[str] | None = None) -> Callable[[Posted], Told]:
    """Answers with the recorded visits that a segment chooses."""

    def fits(visit: dict[str, Any], condition: str) -> bool:
        name, _, value = condition.partition("==")
        if name in ("pageUrl", "downloadUrl"):
            kind = "action" if name == "pageUrl" else "download"
            return any((one["type"], one["url"]) == (kind, unquote(value)) for one in visit["actionDetails"])
        return bool(visit[name] == unquote(value))

    def answer(posted: Posted) -> Told:
        form = posted.call
        assert (form["method"], form["idSite"]) == ("Live.getLastVisitsDetails", f"{SITE}")
        assert re.fullmatch(r"2026-10-0[34],2026-10-0[67]", form["date"])
        groups = [group.split(",") for group in form["segment"].split(";")]
        if log is not None:
            log.append(form["segment"])
        return told_json([visit for visit in visits if all(any(fits(visit, one) for one in group) for group in groups)])

    return answer


@pytest.mark.parametrize("witness", TELLABLE)
def test_what_a_matomo_told_is_found(witness: bytes) -> None:
    log: list[str] = []
    with serve(player(ALL, log)) as server, _asking(server.url) as inquiry:
        assert inquiry.ask([witness]) is Found.STORED
        assert len(log) == 1


def test_what_a_matomo_did_not_tell_is_absent() -> None:
    with serve(player(ALL)) as server, _asking(server.url) as inquiry:
        others = [
            hit("2026-10-05 06:59:59", "203.0.113.1", "/a"),  # a second later
            hit("2026-10-05 08:00:00", "203.0.113.2", "/f.pdf"),  # not as a download
            hit("2026-10-05 06:59:58", "203.0.113.8", "/a"),  # another address
            hit("2026-10-05 06:59:58", "203.0.113.1", "/b"),
        ]
        assert inquiry.ask(others) is Found.ABSENT
        assert inquiry.control(HITS[0])
        assert inquiry.ask(others) is Found.ABSENT


@pytest.mark.parametrize("place_", [0, 1, 2])
def test_masked_addresses_are_found(place_: int) -> None:
    def hidden(visit: dict[str, Any]) -> dict[str, Any]:
        return visit | {"visitIp": masked(visit["visitIp"])[min(place_, len(masked(visit["visitIp"])) - 1)]}

    with serve(player([hidden(visit) for visit in ALL])) as server, _asking(server.url) as inquiry:
        for witness in (HITS[0], HITS[3], HITS[4]):
            assert inquiry.ask([witness]) is Found.STORED
        assert inquiry.ask([hit("2026-10-05 06:59:58", "203.1.113.1", "/none")]) is Found.ABSENT
        assert inquiry.ask([hit("2026-10-05 06:59:59", "203.0.113.1", "/a")]) is Found.ABSENT


def test_an_address_of_which_nothing_is_kept_is_found_by_its_page() -> None:
    with serve(player([visit | {"visitIp": "0.0.0.0"} for visit in ALL])) as server, _asking(server.url) as inquiry:
        assert inquiry.ask([HITS[0]]) is Found.STORED
        assert inquiry.ask([HITS[1]]) is Found.STORED
        assert inquiry.ask([hit("2026-10-05 06:59:59", "203.0.113.1", "/a")]) is Found.ABSENT


def test_a_masked_address_is_found_among_many_who_saw_the_page() -> None:
    others = [{**ALL[-1], "visitIp": "10.0.0.0", "actionDetails": ALL[-1]["actionDetails"]}] * 500
    mine = [visit | {"visitIp": masked(visit["visitIp"])[0]} for visit in ALL]
    with serve(player([*others, *mine])) as server, _asking(server.url) as inquiry:
        assert inquiry.control(HITS[0])
        assert inquiry.ask([HITS[0]]) is Found.STORED
        assert inquiry.ask([hit("2026-10-05 06:59:59", "203.0.113.1", "/a")]) is Found.ABSENT


def test_www_and_tls_do_not_tell_pages_apart() -> None:
    with serve(player(ALL)) as server, _asking(server.url) as inquiry:
        again = hit("2026-10-05 06:59:58", "203.0.113.1", url="https://www.live.example/a")
        assert inquiry.ask([again]) is Found.STORED


def test_masks_are_those_of_a_matomo() -> None:
    assert masked("203.0.113.77") == ["203.0.113.0", "203.0.0.0"]
    assert masked("198.51.100.7") == ["198.51.100.0", "198.51.0.0", "198.0.0.0"]
    assert masked("2001:db8:1:ff02:3::7") == ["2001:db8:1:ff02::", "2001:db8:1::", "2001:d00::"]
    assert masked("::ffff:198.51.100.7") == ["::ffff:198.51.100.0", "::ffff:198.51.0.0", "::ffff:198.0.0.0"]


def test_another_visitor_at_the_same_address_proves_nothing_where_ids_are_sent() -> None:
    mine = hit("2026-10-05 06:59:58", "203.0.113.1", "/a", cid="fedcba9876543210")
    with serve(player(ALL)) as server, _asking(server.url) as inquiry:
        assert inquiry.ask([mine]) is Found.UNKNOWN


def test_an_answer_that_is_cut_proves_no_absence(place: tuple[Inquiry, Store]) -> None:
    inquiry, store = place
    store([hit(new_visit="1")] * 499)
    assert inquiry.ask([hit(path="/none")]) is Found.ABSENT
    store([hit(new_visit="1")])
    assert inquiry.ask([hit(path="/none")]) is Found.UNKNOWN
    store([hit(cip="198.51.100.2")] * 500)  # more of one visit than are told
    assert inquiry.ask([hit(cip="198.51.100.2", path="/none")]) is Found.UNKNOWN


def test_somebody_else_with_the_same_address_who_saw_the_same_page_in_the_same_second_proves_nothing(
    place: tuple[Inquiry, Store],
) -> None:
    inquiry, store = place
    system = "Mozilla/5.0 (X11; Linux x86_64"
    firefox = f"{system}; rv:147.0) Gecko/20100101 Firefox/147.0"
    chrome = f"{system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36"
    store([hit(ua=firefox)])
    assert inquiry.ask([hit(ua=firefox)]) is Found.STORED
    assert inquiry.ask([hit(ua=chrome)]) is Found.UNKNOWN
    assert inquiry.ask([hit(ua=chrome), hit(ua=firefox)]) is Found.STORED


def test_the_browser_is_worked_out_only_where_the_server_names_one() -> None:
    """That takes seconds where it is the first."""
    worked_out: list[str] = []

    def noting(user_agent: str) -> tuple[str, str]:
        worked_out.append(user_agent)
        return browser(user_agent)

    for codes, times in (("UNK", None), 0), (("FF", "LIN"), 1):
        visits = [{**visit, **dict(zip(("browserCode", "operatingSystemCode"), codes, strict=True))} for visit in ALL]
        with serve(player(visits)) as server, contextlib.closing(Server(server.url, ROOT)) as matomo:
            assert Inquiry(matomo.asking(20.0), {SITE: ZONE}, noting).ask([HITS[0]]) is Found.STORED
            assert len(worked_out) == times


def test_two_hits_of_one_second_are_found(place: tuple[Inquiry, Store]) -> None:
    inquiry, store = place
    store([HITS[1], HITS[2]])
    assert inquiry.ask([HITS[1]]) is Found.STORED


def test_a_token_that_may_look_is_enough(tmp_path: Path) -> None:
    with receiving(tmp_path, token=VIEW) as (inquiry, store, _):
        store(HITS)
        assert inquiry.possible(SITE, NOW.timestamp()) == ""
        assert inquiry.ask([HITS[0]]) is Found.STORED


@pytest.mark.parametrize(
    ("token", "words"), [("f" * 32, "Unable to authenticate.*status 401"), (NONE, "requires 'view' access.*status 401")]
)
def test_without_access_nothing_is_known_and_it_is_said_why(tmp_path: Path, token: str, words: str) -> None:
    with receiving(tmp_path, token=token) as (inquiry, store, _):
        store(HITS)
        assert re.search(
            f"^Site 6 cannot be asked which visits it has: .*{words}", inquiry.possible(SITE, NOW.timestamp())
        )
        assert inquiry.ask([HITS[0]]) is Found.UNKNOWN
        assert list(inquiry.why) == [SITE]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Told(200, b"<html>Sign in</html>"), "did not answer as a Matomo does"),
        (Told(404, b"<html>"), "did not answer as a Matomo does: status 404"),
        (told_json({"result": "error", "message": "Visits log is deactivated"}), "Visits log is deactivated"),
        (told_json({"value": 1}), "not that of a Matomo"),
        (told_json([{"visit": 1}]), "not that of a Matomo"),
        (told_json(["x"]), "not that of a Matomo"),
        (told_json([{**ALL[-1], "actionDetails": [{"type": "action"}]}]), "not that of a Matomo"),
    ],
)  # fmt: skip
def test_a_site_that_does_not_answer_is_asked_once_for_a_batch(told: Told, words: str) -> None:
    with serve(lambda _: told) as server, _asking(server.url) as inquiry:
        assert inquiry.ask([HITS[0], HITS[3]]) is Found.UNKNOWN
        assert words in inquiry.why[SITE]
        assert len(server.posted) == 1
        server.script = player(ALL)
        assert (inquiry.ask([HITS[0]]), inquiry.why) == (Found.STORED, {})


@pytest.mark.parametrize("told", [Told(503, b"<html>"), Told(reset=True), Told(delay=5.0), Told(200, b"[", length=9)])
def test_a_server_that_is_away_is_asked_again_another_time(told: Told) -> None:
    with serve(lambda _: told) as server, _asking(server.url, seconds=0.3) as inquiry:
        assert inquiry.ask([HITS[0], HITS[3], HITS[0].replace(b"idsite=6", b"idsite=1")]) is Found.AWAY
        assert inquiry.why[SITE].startswith("Site 6 was asked which visits it has: ")
        assert len(server.posted) == 1
        server.script = player(ALL)
        assert inquiry.ask([HITS[0]]) is Found.STORED
        assert inquiry.why == {}


def test_no_server_at_all_is_away() -> None:
    with _asking(closed_port()) as inquiry:
        assert inquiry.possible(SITE, NOW.timestamp()).startswith("Site 6 was asked")
        assert inquiry.ask([HITS[0]]) is Found.AWAY


def test_a_site_that_cannot_be_asked_leaves_the_others(tmp_path: Path) -> None:
    with receiving(tmp_path, token=NONE) as (inquiry, store, _):
        here = hit().replace(b"idsite=6", b"idsite=1")
        assert inquiry.ask([hit(), here]) is Found.ABSENT
        store([here])
        assert inquiry.ask([hit(), here]) is Found.STORED
        assert list(inquiry.why) == [SITE]


def test_a_zone_that_is_not_known_here_is_no_guess(tmp_path: Path) -> None:
    with receiving(tmp_path) as (_, store, receiver):
        store([hit()])
        server = Server(receiver.url, ROOT)
        inquiry = Inquiry(server.api, {SITE: "Mars/Olympus"}, browser)
        assert inquiry.ask([hit()]) is Found.UNKNOWN
        assert "time zone Mars/Olympus is not known" in inquiry.why[SITE]
        server.close()


@pytest.mark.parametrize(
    "query",
    [b"", b"?", b"?idsite=6", hit(time=""), hit(time="yesterday"), hit(time="9999-12-31 00:00:00"), hit(cip=""),
     hit(cip="nobody"), hit(idsite="0"), hit(idgoal="1"), hit(search=" "), hit(link="http://x/"),
     hit(path="/a;b"), hit(path="/a?q=words"), hit(url="ftp://x/"), hit(url="/a")],
)  # fmt: skip
def test_what_cannot_be_told_apart_is_no_witness(query: bytes) -> None:
    assert read_witness(query) is None
