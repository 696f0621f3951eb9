"""Ledger and tally kept together: what is written down is counted, and only then."""

from collections.abc import Iterable, Sequence

from log_importer.ledger.ledger import Ledger
from log_importer.model import Outcome, Request
from log_importer.runs.tally import Tally


class Account:
    """The journal of a run's posts."""

    def __init__(self, ledger: Ledger, tally: Tally) -> None:
        self._ledger = ledger
        self._tally = tally
        self.intend = ledger.intend
        self.release = ledger.release
        self.unanswered = ledger.unanswered
        self.batch_in_doubt = ledger.batch_in_doubt

    def doubt(self, requests: Sequence[Request]) -> None:
        """The intent stays in the ledger without a receipt; that is what doubt is."""
        self._tally.doubt(requests)

    def absent(self, batch: int, requests: Sequence[Request]) -> None:
        """The server has nothing of a batch of an earlier run."""
        self._ledger.release(batch)
        self._tally.doubt_no_longer(requests)

    def settle(self, outcomes: Iterable[Outcome], batch: int | None = None) -> None:
        """Written down, then counted."""
        outcomes = list(outcomes)
        self._ledger.settle(outcomes, batch)
        for outcome in outcomes:
            self._tally.settle(outcome)
