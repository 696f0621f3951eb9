"""An answer -> what it means for the batch and what to do: the server's word is the truth, and only a whole one."""

from log_importer.model import Answer, Receipt, Remedy, Verdict
from log_importer.tracking.bulk import BulkReply, parse_reply
from log_importer.visible import visible

_STOP = {
    400: "The server calls the posts wrong (status 400); check --url, and that the BulkTracking plugin is active.",
    401: "The server wants a login (status 401); check the token and the web server's own password.",
    403: "The server forbids posts to the tracker (status 403); check the web server's rules.",
    404: "There is no tracker at that address (status 404); check --url and --tracker-endpoint-path.",
}


def judge(answer: Answer, sent: int, *, tracked_before: bool) -> Receipt:
    """The receipt for a batch of `sent` requests.

    `tracked_before`: earlier requests of its sites were tracked in this run, so the token is good.
    """
    if answer.status is None:
        return _unanswered(answer)
    reply = None if answer.cut else parse_reply(answer.body)
    if answer.status == 200:
        return (
            _in_doubt(answer)
            if reply is None and not _is_sql_error(answer)
            else _ok(answer, reply, sent, tracked_before)
        )
    return _other_status(answer, answer.status, reply)


def _unanswered(answer: Answer) -> Receipt:
    if answer.tls:
        return Receipt(Verdict.NOT_STORED, Remedy.STOP, reason=answer.error)
    if answer.body_sent:
        return Receipt(Verdict.IN_DOUBT, Remedy.RETRY, reason=answer.error)
    return Receipt(Verdict.NOT_STORED, Remedy.RETRY, reason=answer.error)


def _ok(answer: Answer, reply: BulkReply | None, sent: int, tracked_before: bool) -> Receipt:
    if reply is None:  # Matomo's page for a database that went away: the batch was rolled back
        return Receipt(Verdict.NOT_STORED, Remedy.RETRY, reason=f"The server's database failed: {_beginning(answer)}.")
    counted = reply.tracked + reply.invalid
    if not reply.success or counted > sent:
        return Receipt(
            Verdict.IN_DOUBT, Remedy.RETRY, reason=f"The server's counts make no sense: {_beginning(answer)}."
        )
    if not counted:
        return Receipt(
            Verdict.NOTHING, Remedy.RETRY, reason="The server tracks nothing; is tracking switched off there?"
        )
    if reply.invalid == sent and not tracked_before:
        reason = f"The server refused all {sent} requests as invalid: the token, its rights, or the site is wrong."
        return Receipt(Verdict.ALL_REFUSED, Remedy.STOP, invalid=sent, reason=reason)
    receipt = Receipt(
        Verdict.STORED if counted == sent else Verdict.PARTIAL,
        tracked=reply.tracked,
        invalid=reply.invalid,
        invalid_indices=reply.invalid_indices,
        reason="" if counted == sent else "The server dropped requests without a word; it is overloaded.",
    )
    if reply.invalid and reply.invalid_indices is None:
        reason = "The server counts invalid requests but only tells a superuser's token which they are."
        return Receipt(receipt.verdict, tracked=reply.tracked, invalid=reply.invalid, reason=receipt.reason or reason)
    return receipt


def _other_status(answer: Answer, status: int, reply: BulkReply | None) -> Receipt:
    said = f"status {status}, {_beginning(answer)}"
    if 300 <= status < 400:
        reason = f"The server redirects posts to {visible(answer.location) or 'nowhere'}; give that address as --url."
        return Receipt(Verdict.NOT_STORED, Remedy.STOP, reason=reason)
    if status == 413:
        return Receipt(Verdict.NOT_STORED, Remedy.SPLIT, reason="The server calls the post too large (status 413).")
    if (status == 400 or status >= 500) and reply is not None and not reply.success:
        reason = f"The server failed on the batch and stored none of it ({said})."
        remedy = Remedy.SPLIT if status == 400 or reply.tracked or reply.invalid else Remedy.RETRY
        return Receipt(Verdict.NOT_STORED, remedy, reason=reason, retry_after=answer.retry_after)
    if status in _STOP:
        return Receipt(Verdict.NOT_STORED, Remedy.STOP, reason=_STOP[status])
    if status in (408, 429, 503):
        reason = f"The server is busy ({said})."
        return Receipt(Verdict.NOT_STORED, Remedy.RETRY, reason=reason, retry_after=answer.retry_after)
    return _in_doubt(answer)


def _in_doubt(answer: Answer) -> Receipt:
    what = "cut short" if answer.cut else "no reply of a tracker"
    reason = f"The answer is {what}: status {answer.status}, {_beginning(answer)}."
    return Receipt(Verdict.IN_DOUBT, Remedy.RETRY, reason=reason, retry_after=answer.retry_after)


def _is_sql_error(answer: Answer) -> bool:
    return answer.body.lstrip().startswith(b"Error:SQLSTATE")


def _beginning(answer: Answer) -> str:
    return f"'{visible(answer.body.strip(), 80)}'" if answer.body.strip() else "with no text"
