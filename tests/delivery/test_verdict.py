"""Every row of the table of answers."""

import orjson
import pytest

from log_importer.delivery.verdict import judge
from log_importer.model import Answer, Receipt, Remedy, Verdict


def reply(status: int = 200, word: str = "success", **counts: object) -> Answer:
    return Answer(status, "application/json", orjson.dumps({"status": word, **counts}))


HTML = b"<!doctype html><title>Welcome</title>"

ROWS: list[tuple[Answer, bool, Verdict, Remedy, int, int]] = [
    # answer to 3 requests, tracked before, verdict, remedy, tracked, invalid
    (reply(tracked=3, invalid=0, invalid_indices=[]), False, Verdict.STORED, Remedy.NONE, 3, 0),
    (reply(tracked=2, invalid=1, invalid_indices=[1]), False, Verdict.STORED, Remedy.NONE, 2, 1),
    (reply(tracked=2, invalid=1), False, Verdict.STORED, Remedy.NONE, 2, 1),
    (reply(tracked=0, invalid=3), False, Verdict.ALL_REFUSED, Remedy.STOP, 0, 3),
    (reply(tracked=0, invalid=3), True, Verdict.STORED, Remedy.NONE, 0, 3),
    (reply(tracked=2, invalid=0), False, Verdict.PARTIAL, Remedy.NONE, 2, 0),
    (reply(tracked=0, invalid=0), False, Verdict.NOTHING, Remedy.RETRY, 0, 0),
    (reply(tracked=4, invalid=0), False, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (reply(word="error", tracked=3, invalid=0), False, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (Answer(None, error="No.", body_sent=False), False, Verdict.NOT_STORED, Remedy.RETRY, 0, 0),
    (Answer(None, error="No.", body_sent=False, tls=True), False, Verdict.NOT_STORED, Remedy.STOP, 0, 0),
    (Answer(None, error="It timed out."), False, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (Answer(301, location="http://other/"), False, Verdict.NOT_STORED, Remedy.STOP, 0, 0),
    (Answer(308, location="http://other/"), False, Verdict.NOT_STORED, Remedy.STOP, 0, 0),
    (reply(tracked=1, invalid=1), False, Verdict.PARTIAL, Remedy.NONE, 1, 1),
    (reply(tracked=0, invalid=1), False, Verdict.PARTIAL, Remedy.NONE, 0, 1),
    (reply(tracked=3, invalid=1), False, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (Answer(None, error="The proxy refuses.", body_sent=False), True, Verdict.NOT_STORED, Remedy.RETRY, 0, 0),
    (Answer(302), True, Verdict.NOT_STORED, Remedy.STOP, 0, 0),
    (Answer(400, body=HTML), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (reply(400, "success", tracked=3, invalid=0), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(405), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(407), False, Verdict.NOT_STORED, Remedy.STOP, 0, 0),
    (Answer(418), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(425), False, Verdict.NOT_STORED, Remedy.RETRY, 0, 0),
    (Answer(413, body=HTML, cut=True, error="It broke."), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(500, body=reply(word="error", tracked=1, invalid=0).body, cut=True), False,
     Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (reply(500, "success", tracked=3, invalid=0), False, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (reply(503, "error", tracked=0, invalid=0), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (reply(500, "error", tracked=0, invalid=1), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(524, body=HTML), False, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (Answer(200, body=b"<br />Warning: x" + reply(tracked=3, invalid=0).body), True,
     Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (Answer(200, body=b'{"status":"success","tracked":"3","invalid":0}'), True, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (Answer(200), True, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (reply(400, "error", tracked=0, invalid=0), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(401), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(403), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(404, body=HTML), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(408), False, Verdict.NOT_STORED, Remedy.RETRY, 0, 0),
    (Answer(413, body=HTML), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(429, retry_after=7), False, Verdict.NOT_STORED, Remedy.RETRY, 0, 0),
    (Answer(503, body=HTML), False, Verdict.NOT_STORED, Remedy.RETRY, 0, 0),
    (reply(500, "error", tracked=1, invalid=0), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (reply(500, "error", tracked=0, invalid=0), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(500, body=HTML), False, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (Answer(502, body=HTML), False, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (Answer(504, body=HTML), False, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (Answer(200, body=b"Error:SQLSTATE[HY000]: General error: 2006"), False, Verdict.NOT_STORED, Remedy.RETRY, 0, 0),
    (Answer(200, body=HTML), False, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (Answer(200, body=b'{"status":"success","tracked":3,'), False, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (Answer(200, body=reply(tracked=3, invalid=0).body, cut=True), False, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
    (Answer(501, body=HTML), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(493), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(200, body=b"<html><title>Request Rejected</title>"), False, Verdict.NOT_STORED, Remedy.SPLIT, 0, 0),
    (Answer(204), False, Verdict.IN_DOUBT, Remedy.RETRY, 0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "before", "verdict", "remedy", "tracked", "invalid"), ROWS)
def test_an_answer_has_its_verdict(
    answer: Answer, before: bool, verdict: Verdict, remedy: Remedy, tracked: int, invalid: int
) -> None:
    receipt = judge(answer, 3, tracked_before=before)
    assert (receipt.verdict, receipt.remedy, receipt.tracked, receipt.invalid) == (verdict, remedy, tracked, invalid)
    if receipt.remedy is not Remedy.NONE or receipt.verdict is not Verdict.STORED:
        assert receipt.reason.endswith((".", "?")), "people are told why"


def test_only_a_stored_verdict_counts_anything_as_tracked() -> None:
    counting = {judge(answer, 3, tracked_before=before).verdict for answer, before, *_, tracked, _ in ROWS if tracked}
    assert counting == {Verdict.STORED, Verdict.PARTIAL}


def test_the_wait_that_the_server_asks_for_is_in_the_receipt() -> None:
    assert judge(Answer(429, retry_after=7), 3, tracked_before=False).retry_after == 7


def test_which_were_invalid_is_known_only_where_it_was_told() -> None:
    told = judge(reply(tracked=2, invalid=1, invalid_indices=[1]), 3, tracked_before=False)
    untold: Receipt = judge(reply(tracked=2, invalid=1), 3, tracked_before=False)
    assert (told.invalid_indices, untold.invalid_indices) == ((1,), None)


@pytest.mark.parametrize("indices", [[0, 1], [1, 1], [3], [], [-1], None])
def test_indices_that_do_not_fit_are_as_good_as_none(indices: list[int] | None) -> None:
    receipt = judge(reply(tracked=2, invalid=1, invalid_indices=indices), 3, tracked_before=False)
    assert receipt.invalid_indices is None
    assert receipt.verdict is (Verdict.STORED if indices != [-1] else Verdict.IN_DOUBT)
    assert receipt.reason


def test_a_reply_that_names_one_request_twice_names_none() -> None:
    receipt = judge(reply(tracked=1, invalid=2, invalid_indices=[1, 1]), 3, tracked_before=False)
    assert (receipt.invalid, receipt.invalid_indices) == (2, None)


WITHOUT_TRANSACTIONS = [
    (reply(500, "error", tracked=1, invalid=0), Verdict.IN_DOUBT),
    (reply(400, "error", tracked=1, invalid=0), Verdict.IN_DOUBT),
    (reply(500, "error", tracked=0, invalid=0), Verdict.NOT_STORED),
    (Answer(200, body=b"Error:SQLSTATE[HY000]: General error: 2006"), Verdict.IN_DOUBT),
    (Answer(413), Verdict.NOT_STORED),
    (reply(tracked=3, invalid=0), Verdict.STORED),
]


@pytest.mark.parametrize(("answer", "verdict"), WITHOUT_TRANSACTIONS)
def test_a_server_without_transactions_keeps_what_it_tracked_before_it_failed(answer: Answer, verdict: Verdict) -> None:
    assert judge(answer, 3, tracked_before=True, transactions=False).verdict is verdict


def test_nothing_that_a_terminal_would_act_on_is_in_a_reason() -> None:
    evil = b"\x1b[2J\xc2\x9b\xe2\x80\xae" * 50
    for status in (200, 302, 400, 405, 429, 500, 502, 503):
        receipt = judge(Answer(status, body=evil, location=evil.decode()), 3, tracked_before=True)
        assert receipt.reason.isprintable()
        assert len(receipt.reason) < 2000
