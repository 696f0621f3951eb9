"""Hits that testify: spread over the batch, of different visitors, none that the server drops or that has a twin."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_importer.delivery.dropped import make_drops
from log_importer.delivery.witnesses import choose
from log_importer.model import Request
from log_importer.model.rows import Requests
from log_importer.translation.bot_rules import judges
from tests.delivery.server.common import to
from tests.fault_server import Posted, Told, serve, told_json

NOON = 1_791_201_600.0
KEY = 0x9E3779B97F4A7C15


def hit(
    number: int, visitor: int | None = None, time: float = 0.0, url: str = "", cip: str = "", more: str = ""
) -> Request:  # fmt: skip
    """A hit of a visitor and second of its own, unless another is given."""
    visitor = number if visitor is None else visitor
    url = quote(url or f"http://h.example/{number}", safe="/")
    query = f"?idsite=1&rec=1&url={url}&cip={cip or f'10.0.{visitor // 256}.{visitor % 256}'}{more}"
    key = (visitor + 1) * KEY % (1 << 64)
    return Request(0, number, number * 100, NOON + (time or number), key, 1, 1, query.encode())


def chosen(
    hits: list[Request], before: dict[int, float] | None = None, drops: Callable[[bytes], object] = lambda _: False,
    most: int = 6,
) -> list[int]:  # fmt: skip
    """The numbers of the witnesses."""
    return [one.number for one in choose(Requests.of(hits), before or {}, lambda q: bool(drops(q)), most)]


def test_witnesses_are_of_different_visitors_from_all_over_the_batch() -> None:
    numbers = chosen([hit(number) for number in range(2000)])
    assert len(numbers) == 6
    assert min(numbers) < 400 < 1600 < max(numbers)
    assert chosen([hit(number) for number in range(3)]) == [0, 2, 1]
    assert chosen([]) == []


def test_no_two_are_of_one_visitor_or_one_address() -> None:
    assert len(chosen([hit(number, visitor=7) for number in range(9)])) == 1
    assert len(chosen([hit(number, cip="10.9.9.9") for number in range(9)])) == 1


def test_none_has_a_twin_in_the_batch_or_before_it() -> None:
    twins = [hit(1, visitor=1, time=5.2), hit(2, visitor=1, time=5.9), hit(3, visitor=2, time=5.5)]
    assert chosen(twins) == [3]
    alone = [hit(3, visitor=2, time=5.5), hit(4, visitor=3, time=9)]
    assert sorted(chosen(alone, {alone[0].visitor: NOON + 4.9, alone[1].visitor: NOON + 8})) == [3, 4]
    assert chosen(alone, {alone[0].visitor: NOON + 5.1}) == [4]
    assert chosen(alone, {alone[0].visitor: NOON + 700.0}) == [4]


def test_what_was_in_doubt_before_may_have_come_with_an_earlier_batch() -> None:
    assert sorted(chosen([hit(1)._replace(doubts=1), hit(2), hit(3), hit(4)._replace(doubts=1)])) == [2, 3]
    doubted = [hit(1)._replace(doubts=1)]
    assert chosen(doubted) == []
    assert choose(Requests.of(doubted), {}, lambda _: False, doubted=True) == (Requests.of(doubted)[0],)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=40))
def test_a_witness_is_the_only_hit_of_its_visitor_and_second(hits: list[tuple[int, int]]) -> None:
    rows = [hit(number, visitor, time + 1.0) for number, (visitor, time) in enumerate(hits)]
    numbers = chosen(rows)
    assert all(hits.count(hits[number]) == 1 for number in numbers)
    able = {visitor for visitor, time in hits if hits.count((visitor, time)) == 1}
    assert len(numbers) == len(able)


@pytest.mark.parametrize(
    "more", ["&search=x", "&idgoal=1", "&link=http%3A//x", "&ping=1", "&recMode=1", "&c_n=x"]
)  # fmt: skip
def test_what_is_no_page_view_or_download_is_none(more: str) -> None:
    assert chosen([hit(1, more=more), hit(2)]) == [2]


@pytest.mark.parametrize(
    "worse",
    [
        hit(1, more="&urlref=https%3A//spam.example/"), hit(1, more="&urlref=-"),
        hit(1, url="http://h.example/a?b=1"), hit(1, url="http://h.example/%C3%A9"), hit(1, more="&e_c=a&e_a=b"),
        hit(1, url="http://h.example/" + "a" * 700),
    ],
)  # fmt: skip
def test_those_that_are_found_surely_come_first(worse: Request) -> None:
    good = [hit(number) for number in range(2, 8)]
    assert 1 not in chosen([worse, *good])
    assert chosen([worse, good[0]]) == [2, 1]


def test_a_referrer_of_the_same_host_does_no_harm() -> None:
    own = hit(1, more="&urlref=http%3A//h.example/before")
    assert chosen([own, hit(2, more="&urlref=http%3A//h.example.evil.example/")]) == [1, 2]


def test_what_may_be_dropped_is_never_chosen() -> None:
    assert chosen([hit(number) for number in range(9)], drops=lambda query: b"/4&" not in query) == [4]


def test_one_in_many_is_found_where_most_cannot_testify() -> None:
    hits = [hit(number, more="" if number % 37 == 5 else "&search=x") for number in range(2000)]
    assert chosen(hits)


def test_what_a_server_drops_in_silence_is_no_witness() -> None:
    site = {
        "idsite": 1, "main_url": "http://h.example", "excluded_ips": "10.1.0.0/16,10.2.3.*,192.0.2.9,2001:db8::/32",
        "excluded_user_agents": "WatchDog,/^probe[0-9]+$/i,/(broken/", "excluded_referrers": "spam.example",
        "exclude_unknown_urls": "1",
    }  # fmt: skip
    told = {
        "SitesManager.getSiteFromId": site, "SitesManager.getSiteUrlsFromId": ["http://other.example"],
        "SitesManager.getExcludedIpsGlobal": {"value": "198.51.100.0/24"},
        "SitesManager.getExcludedUserAgentsGlobal": {"value": ""},
    }  # fmt: skip

    def matomo(posted: Posted) -> Told:
        method, about = posted.call["method"], posted.call.get("idSite", "1")
        return (
            told_json(told[method])
            if method in told and about == "1"
            else told_json({"result": "error", "message": "no"}, 401)
        )

    verdicts = judges()
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0"
    with serve(matomo) as server, to(server) as one:
        drops = make_drops(one.api, verdicts.is_bot, verdicts.search_engine)

        def dropped(agent: str = firefox, **values: str) -> bool:
            hit_ = {"idsite": "1", "url": "http://www.h.example/a", "cip": "203.0.113.1", "ua": agent} | values
            return drops(("?rec=1" + "".join(f"&{name}={quote(value)}" for name, value in hit_.items())).encode())

        assert not dropped()
        assert not dropped(url="http://other.example/", urlref="http://good.example/")
        assert not dropped(cip="10.2.4.1")
        assert dropped(url="http://third.example/")
        for address in ("10.1.2.3", "10.2.3.4", "192.0.2.9", "2001:db8::1", "198.51.100.7", "66.249.80.1"):
            assert dropped(cip=address)
        for agent in ("Big watchdog/1", "Probe12", "Googlebot/2.1"):
            assert dropped(agent)
        assert not dropped("Googlebot/2.1", bots="1")
        assert dropped(urlref="https://www.spam.example/x")
        assert not dropped("WatchDog", idsite="2")
        assert len(server.posted) == 6, "each is asked once"


def test_a_server_that_tells_nothing_leaves_the_known_bots() -> None:
    verdicts = judges()
    with serve(lambda _: Told(403, b"<html>")) as server, to(server) as one:
        drops = make_drops(one.api, verdicts.is_bot, verdicts.search_engine)
        assert drops(b"?idsite=1&ua=Googlebot%2F2.1")
        assert not drops(b"?idsite=1&ua=Mozilla%2F5.0&cip=10.1.2.3")
