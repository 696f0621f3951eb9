"""The bulk body byte for byte, and a reply read strictly."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_importer.tracking.bulk import MAX_BODY, BulkReply, body, parse_reply

TOKEN = "33dc3f2536d3025974cccb4b4d2d98f4"


def test_the_body_is_the_queries_as_they_are_and_the_token() -> None:
    assert body([b"?idsite=1&rec=1", b"?a=%22%C3%A9"], TOKEN) == (
        b'{"requests":["?idsite=1&rec=1","?a=%22%C3%A9"],"token_auth":"33dc3f2536d3025974cccb4b4d2d98f4"}'
    )


def test_what_a_token_holds_is_escaped() -> None:
    assert orjson.loads(body([b"?a"], 'a"\\\né')) == {"requests": ["?a"], "token_auth": 'a"\\\né'}


@given(st.lists(st.text(st.sampled_from("abc?&=%0123456789ABCDEF+-._~"), min_size=1), min_size=1), st.text())
def test_the_body_is_json_that_gives_the_queries_back(queries: list[str], token: str) -> None:
    document = orjson.loads(body([query.encode() for query in queries], token))
    assert document == {"requests": queries, "token_auth": token}


def test_a_body_stays_under_what_a_stock_nginx_takes() -> None:
    assert MAX_BODY == 921_600
    assert MAX_BODY < 1 << 20


REPLIES = [
    (b'{"status":"success","tracked":2,"invalid":0,"invalid_indices":[]}', BulkReply(True, 2, 0, ())),
    (b'{"status":"success","tracked":2,"invalid":1,"invalid_indices":[1]}', BulkReply(True, 2, 1, (1,))),
    (b'{"status":"success","tracked":0,"invalid":2}', BulkReply(True, 0, 2, None)),
    (b'{"status":"success","tracked":0,"invalid":2,"invalid_indices":null}', BulkReply(True, 0, 2, None)),
    (b' {"status":"error","tracked":1,"invalid":0,"message":"x"}\n', BulkReply(False, 1, 0, None)),
]
NONE = [
    b"", b" ", b"null", b"[]", b"3", b'"success"', b"{}", b"<html>", b"\xff\xfe{", b"GIF89a",
    b'\xef\xbb\xbf{"status":"success","tracked":1,"invalid":0}',
    b'<br />Warning{"status":"success","tracked":1,"invalid":0}',
    b'{"status":"success","tracked":1,"invalid":0}<br />', b'{"status":"success","tracked":1,"invalid":0',
    b'{"status":"success","tracked":1}', b'{"status":"success","invalid":0}', b'{"tracked":1,"invalid":0}',
    b'{"status":"ok","tracked":1,"invalid":0}', b'{"status":true,"tracked":1,"invalid":0}',
    b'{"status":[],"tracked":1,"invalid":0}',
    b'{"status":"success","tracked":-1,"invalid":0}', b'{"status":"success","tracked":1.0,"invalid":0}',
    b'{"status":"success","tracked":"1","invalid":0}', b'{"status":"success","tracked":true,"invalid":0}',
    b'{"status":"success","tracked":null,"invalid":0}', b'{"status":"success","tracked":1,"invalid":[]}',
    b'{"status":"success","tracked":99999999999999999999999,"invalid":0}',
    b'{"status":"success","tracked":1,"invalid":1,"invalid_indices":{"0":1}}',
    b'{"status":"success","tracked":1,"invalid":1,"invalid_indices":["1"]}',
    b'{"status":"success","tracked":1,"invalid":1,"invalid_indices":[-1]}',
    b'{"status":"success","tracked":1,"invalid":1,"invalid_indices":[true]}',
    b"[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize(("text", "reply"), REPLIES)
def test_a_reply_is_read(text: bytes, reply: BulkReply) -> None:
    assert parse_reply(text) == reply


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_whole_reply_is_none(text: bytes) -> None:
    assert parse_reply(text) is None
