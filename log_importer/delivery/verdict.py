"""An answer -> what it means for the batch and what to do: the server's word is the truth, and only a whole one."""

from log_importer.model import Answer, Receipt, Remedy, Verdict
from log_importer.model.visible import visible
from log_importer.tracking.bulk import BulkReply, parse_reply

_REFUSED = {
    401: "The server wants a login (status 401); check the token and the web server's own password.",
    403: "The server forbids posts to the tracker (status 403); check the web server's rules.",
    404: "There is no tracker at that address (status 404); check --url and --tracker-endpoint-path.",
    407: "The proxy on the way to the server wants a login (status 407); give it in HTTPS_PROXY or HTTP_PROXY.",
}
_FIREWALL_PAGES = (b"Request Rejected", b"The requested URL was rejected", b"Incapsula incident ID")
"""What the pages of F5's and Imperva's firewalls say, which have the status 200."""
BUSY = (408, 425, 429, 503)


def judge(answer: Answer, sent: int, *, tracked_before: bool, transactions: bool = True) -> Receipt:
    """The receipt for a batch of `sent` requests.

    `tracked_before`: earlier requests of its sites were tracked in this run, so the token is good.
    `transactions`: the server stores a batch whole or not at all, as Matomo does unless it is told not to.
    """
    if answer.status is None:
        return _unanswered(answer)
    reply = None if answer.cut else parse_reply(answer.body)
    if answer.status == 200 and reply is not None:
        return _counted(answer, reply, sent, tracked_before)
    if answer.status == 200 and answer.body.lstrip().startswith(b"Error:SQLSTATE"):
        # Matomo's page for a database that went away: the batch was rolled back.
        reason = f"The server's database failed: {_beginning(answer)}."
        return _not_stored(Remedy.RETRY, reason) if transactions else _in_doubt(answer, reason)
    if reply is not None and not reply.success and (answer.status == 400 or answer.status >= 500):
        return _failed(answer, reply, transactions)
    return _by_status(answer, answer.status)


def _unanswered(answer: Answer) -> Receipt:
    if answer.tls:
        return _not_stored(Remedy.STOP, answer.error)
    if answer.body_sent:
        return _in_doubt(answer, answer.error)
    return _not_stored(Remedy.RETRY, answer.error)


def _counted(answer: Answer, reply: BulkReply, sent: int, tracked_before: bool) -> Receipt:
    counted = reply.tracked + reply.invalid
    if not reply.success or counted > sent:
        return _in_doubt(answer, f"The server's counts make no sense: {_beginning(answer)}.")
    if not counted:
        reason = "The server tracks nothing; is tracking switched off there?"
        return Receipt(Verdict.NOTHING, Remedy.RETRY, reason=reason)
    if reply.invalid == sent and not tracked_before:
        reason = f"The server refused all {sent} requests as invalid: the token, its rights, or the site is wrong."
        return Receipt(Verdict.ALL_REFUSED, Remedy.STOP, invalid=sent, reason=reason)
    reason = ""
    indices = _indices(reply, sent)
    if counted < sent:
        reason = f"The server dropped {sent - counted} of {sent} requests without a word; it is overloaded."
    elif reply.invalid and indices is None:
        reason = "The server counts invalid requests but only tells a superuser's token which they are."
    return Receipt(
        Verdict.STORED if counted == sent else Verdict.PARTIAL,
        tracked=reply.tracked,
        invalid=reply.invalid,
        invalid_indices=indices,
        reason=reason,
    )


def _indices(reply: BulkReply, sent: int) -> tuple[int, ...] | None:
    """Which requests were invalid, where the server names as many different ones as it counts."""
    indices = reply.invalid_indices
    if indices is None or len(set(indices)) != reply.invalid or len(indices) != reply.invalid:
        return None
    return indices if all(index < sent for index in indices) else None


def _failed(answer: Answer, reply: BulkReply, transactions: bool) -> Receipt:
    """Matomo's own word that the batch failed. It was rolled back, whatever `tracked` says."""
    said = f"(status {answer.status}, {_beginning(answer)})"
    if reply.tracked and not transactions:
        return _in_doubt(answer, f"The server failed in mid-batch and stores without transactions {said}.")
    # It stumbled over one of them, or its database is away; the poster finds out.
    reason = f"The server failed on the batch and stored none of it {said}."
    return _not_stored(Remedy.SPLIT, reason, answer.retry_after)


def _by_status(answer: Answer, status: int) -> Receipt:
    said = f"status {status}, {_beginning(answer)}"
    if 300 <= status < 400:
        reason = f"The server redirects posts to {visible(answer.location) or 'nowhere'}; give that address as --url."
        return _not_stored(Remedy.STOP, reason)
    if status == 413:
        return _not_stored(Remedy.SPLIT, "The server calls the post too large (status 413).")
    if any(words in answer.body for words in _FIREWALL_PAGES):
        return _not_stored(Remedy.SPLIT, f"A firewall refuses the post ({said}).", final=True)
    if status == 400:  # the check before the first batch was answered, so it is something in this one
        return _not_stored(Remedy.SPLIT, f"The server calls the post wrong ({said}).")
    if status in BUSY:
        return _not_stored(Remedy.RETRY, f"The server is busy ({said}).", answer.retry_after)
    if status == 407:
        return _not_stored(Remedy.STOP, _REFUSED[status])
    if 400 < status < 500 or status == 501:  # of all posts, or of this one: a ping tells
        reason = _REFUSED.get(status, f"The server refuses the post ({said}).")
        return _not_stored(Remedy.SPLIT, reason, final=True)
    if answer.cut:
        return _in_doubt(answer, f"The answer was cut short: {said}.")
    return _in_doubt(answer, f"The answer is no reply of a tracker: {said}.")


def _not_stored(remedy: Remedy, reason: str, retry_after: float | None = None, *, final: bool = False) -> Receipt:
    return Receipt(Verdict.NOT_STORED, remedy, reason=reason, retry_after=retry_after, final=final)


def _in_doubt(answer: Answer, reason: str) -> Receipt:
    return Receipt(Verdict.IN_DOUBT, Remedy.RETRY, reason=reason, retry_after=answer.retry_after)


def _beginning(answer: Answer) -> str:
    return repr(visible(answer.body.strip(), 80)) if answer.body.strip() else "with no text"
