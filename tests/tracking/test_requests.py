"""A hit -> its tracking request, and a bulk body: what the server reads back is what the log said."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_importer.model import Hit, Site
from log_importer.tracking.bulk import BulkReply, body, parse_reply
from log_importer.tracking.encoding import cut_url, percent
from log_importer.tracking.requests import Encoder, Tracking

SITE = Site(7, "https://www.example.org")
PLAIN = Hit(datetime(2026, 3, 1, 9, 5, 7, tzinfo=UTC).timestamp() + 0.9, "192.0.2.1", "/a")


def parameters(hit: Hit, tracking: Tracking = Tracking(), site: Site = SITE) -> dict[str, str]:  # noqa: B008 - a value
    query, _, _ = Encoder(tracking).encode(hit, site, "", {})
    assert query[0] == "?"
    pairs = parse_qsl(query[1:], keep_blank_values=True, strict_parsing=True)
    assert len(pairs) == len(dict(pairs)), "no parameter is sent twice"
    return dict(pairs)


def test_the_parameters_that_are_always_sent() -> None:
    assert parameters(PLAIN) == {
        "idsite": "7",
        "rec": "1",
        "apiv": "1",
        "dp": "1",
        "url": "https://www.example.org/a",
        "cip": "192.0.2.1",
        "cdt": "2026-03-01 09:05:07",
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"query": "b=c d&e=é"}, {"url": "https://www.example.org/a?b=c d&e=é"}),
        ({"query": ""}, {"url": "https://www.example.org/a?"}),
        ({"referrer": "https://search.example/?q=ü&x=1"}, {"urlref": "https://search.example/?q=ü&x=1"}),
        ({"user_agent": 'M "x" & = # ; % +'}, {"ua": 'M "x" & = # ; % +'}),
        ({"accept_language": "fr-CH,fr;q=0.9"}, {"lang": "fr-CH,fr;q=0.9"}),
        ({"user_id": "anna"}, {"uid": "anna"}),
        ({"duration": 1.687}, {"gt_ms": "1687", "pf_srv": "1687"}),
        ({"duration": 0.0004}, {"gt_ms": "0", "pf_srv": "0"}),
        ({"bytes_sent": 0}, {"bw_bytes": "0"}),
        ({"path": "/x/a.PDF"}, {"download": "https://www.example.org/x/a.PDF"}),
        ({"path": "/v1.2/page"}, {"url": "https://www.example.org/v1.2/page"}),
        ({"host": "SHOP.example.org:443"}, {"url": "https://shop.example.org/a"}),
        ({"host": "shop.example.org:8443", "scheme": "http"}, {"url": "http://shop.example.org:8443/a"}),
        ({"path": "*"}, {"url": "https://www.example.org/*"}),
        ({"path": ""}, {"url": "https://www.example.org/"}),
        (
            {"status": 404, "referrer": "http://r/ a"},
            {"action_name": "404/URL = https%3A%2F%2Fwww.example.org%2Fa/From = http%3A%2F%2Fr%2F%20a"},
        ),
        ({"status": 302}, {"action_name": "302/URL = https%3A%2F%2Fwww.example.org%2Fa"}),
        (
            {"event_category": "rtmp", "event_action": "play", "event_name": "intro"},
            {"e_c": "rtmp", "e_a": "play", "e_n": "intro"},
        ),
    ],
)
def test_what_the_log_has_is_sent(fields: dict[str, object], expected: dict[str, str]) -> None:
    found = parameters(PLAIN._replace(**fields))  # type: ignore[arg-type]
    assert found | {"urlref": found.get("urlref")} == found | expected | {
        "urlref": expected.get("urlref", found.get("urlref"))
    }
    assert {name: found.get(name) for name in expected} == expected


def test_a_304_and_an_error_are_no_download() -> None:
    assert "action_name" not in parameters(PLAIN._replace(status=304))
    assert "download" not in parameters(PLAIN._replace(status=404, path="/a.pdf"))


def test_static_files_are_downloads_where_they_are_wanted() -> None:
    assert "download" not in parameters(PLAIN._replace(path="/a.css"))
    assert (
        parameters(PLAIN._replace(path="/a.css"), Tracking(static=True))["download"] == "https://www.example.org/a.css"
    )


def test_flags_that_change_every_request() -> None:
    found = parameters(PLAIN, Tracking(bots=True, reverse_dns=True, log_hostname="http://named.example"))
    assert (found["bots"], found["dp"], found["url"]) == ("1", "0", "http://named.example/a")


def test_a_long_address_is_cut_on_a_character_and_counted() -> None:
    hit = PLAIN._replace(query="x" * 2000)
    query, _, cut = Encoder(Tracking()).encode(hit, SITE, "", {})
    assert (len(dict(parse_qsl(query[1:]))["url"]), cut) == (1024, True)


@pytest.mark.parametrize(
    ("tail", "kept"),
    [("%C3%A9z", 0), ("%41z", 3), ("a%C3%A9", 1), ("abc%C3%A9", 3), ("%E2%82%AC", 0), ("aé", 2)],
)
def test_a_cut_never_leaves_half_a_character(tail: str, kept: int) -> None:
    start = "h" * (1024 - 4)
    assert cut_url(start + tail + "y" * 50) in {start + tail[:kept], start + (tail + "y" * 50)[:4]}
    cut = cut_url(start + tail + "y" * 50)
    assert not cut.endswith(("%", "%C", "%C3", "%E2", "%E2%82"))


@given(
    st.text(alphabet=st.characters(exclude_categories=[]))
    | st.binary().map(lambda b: b.decode("utf-8", "surrogateescape"))
)
def test_any_text_comes_back_byte_for_byte(text: str) -> None:
    encoded = percent(text)
    assert encoded.isascii()
    assert not set(encoded) & set("&=#;: \"'<>\\?")
    (_, back), *_ = parse_qsl(f"x={encoded}", keep_blank_values=True, errors="surrogateescape")
    try:
        sent = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        sent = text.encode("utf-8", "replace")
    assert back.encode("utf-8", "surrogateescape") == sent


def test_no_more_stands_for_itself_than_should() -> None:
    assert percent("/a (b),c_d.e~f-g") == "/a+(b),c_d.e~f-g"
    assert percent("a: b;c") == "a%3A+b%3Bc"
    assert percent("a: b;c+{é}") == "a%3A+b%3Bc%2B%7B%C3%A9%7D"
    assert percent("a: b;c+{d}") == "a%3A+b%3Bc%2B%7Bd%7D"


def test_a_bulk_body_is_json_with_the_queries_as_they_are() -> None:
    document = orjson.loads(body([b"?a=1", b"?b=%22"], 'to"ken'))
    assert document == {"requests": ["?a=1", "?b=%22"], "token_auth": 'to"ken'}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b'{"status":"success","tracked":2,"invalid":1,"invalid_indices":[1]}', BulkReply(True, 2, 1, (1,))),
        (b'{"status":"success","tracked":0,"invalid":2}', BulkReply(True, 0, 2, None)),
        (b'{"status":"error","tracked":1,"invalid":0}', BulkReply(False, 1, 0, None)),
        (b'{"status":"success","tracked":2,"inva', None),
        (b'Warning: x {"status":"success","tracked":2,"invalid":0}', None),
        (b'{"status":"success","tracked":true,"invalid":0}', None),
        (b'{"status":"success","tracked":-1,"invalid":0}', None),
        (b'{"status":"success","tracked":"2","invalid":0}', None),
        (b'{"status":"success","tracked":2,"invalid":0,"invalid_indices":{"0":1}}', None),
        (b"[]", None),
        (b"", None),
        (b"<html>", None),
    ],
)
def test_a_reply_counts_only_when_it_is_whole(reply: bytes, expected: BulkReply | None) -> None:
    assert parse_reply(reply) == expected
