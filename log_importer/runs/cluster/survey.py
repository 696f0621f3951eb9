"""The first stage: the cluster reads all spans, and the driver hears what became of lines that are no requests."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from log_importer.model import Boundary, Site
from log_importer.model.errors import LogImporterError
from log_importer.runs.cluster.account import SpanAccount
from log_importer.runs.cluster.cluster import Cluster
from log_importer.runs.cluster.portion import Portion
from log_importer.runs.cluster.read import Key, Reading, read
from log_importer.runs.cluster.run import Run
from log_importer.runs.cluster.spans import Span, cut, headers, told
from log_importer.runs.hosts import Hosts
from log_importer.runs.interrupt import Interrupt
from log_importer.translation.plan import Plan

_HOSTS = 10_000
"""Hosts that are asked for at once, fewer than are remembered."""


@dataclass(slots=True)
class Found:
    """What the first stage found."""

    portions: Sequence[Portion]  # those that could be read
    accounts: list[SpanAccount]  # in the order of their spans
    rows: Any  # the sorted blocks, on the cluster
    lines_before: list[int] = field(default_factory=list)  # number of a span -> lines of its source before it
    ends: dict[int, Boundary] = field(default_factory=dict)  # index of a portion -> behind its last line

    def number(self) -> None:
        """Counts the lines of each source over its spans."""
        line = 0
        for account in self.accounts:
            source, after = account.span.source, account.ending.after
            line = self.portions[source].start.line - 1 if account.span.first else line
            self.lines_before.append(line)
            if account.span.first or after.line > 1:
                self.ends[source] = after._replace(line=after.line + line)
            line += account.ending.newlines


class Survey:
    """Reads until the sites of all hosts are known, and without sources that cannot be read."""

    def __init__(
        self, cluster: Cluster, plan: Plan, hosts: Hosts, run: Run, interrupt: Interrupt, senders: int, *, by_host: bool
    ) -> None:
        """`senders` tasks will send what is read; `by_host`: each host has its own site."""
        self._cluster = cluster
        self._plan = plan
        self._hosts = hosts
        self._run = run
        self._interrupt = interrupt
        self._senders = senders
        self._sites: dict[str, Site | None] | None = {} if by_host else None  # of the hosts that were asked for
        self.errors: list[LogImporterError] = []
        """Why sources were left out."""

    def read(self, portions: Sequence[Portion]) -> Found:
        """What the cluster finds. Raises `ClusterFailed`, and what asking for the sites of hosts may raise."""
        while True:
            found = self._interrupt.wait_for(partial(self._once, portions))
            broken = {one.span.source: one.error for one in found.accounts if one.error is not None}
            unknown = sorted({host for one in found.accounts for host in one.unknown_hosts})
            if broken:
                self.errors.extend(broken.values())
                portions = [one for index, one in enumerate(portions) if index not in broken]
                self._run.leave_out(portions)
            elif unknown:
                self._interrupt.wait_for(partial(self._learn, unknown))
            else:
                found.number()
                return found

    def _learn(self, hosts: Sequence[str]) -> None:
        for first in range(0, len(hosts), _HOSTS):
            some = hosts[first : first + _HOSTS]
            self._hosts.learn(some)
            if self._sites is not None:
                self._sites.update(self._hosts.travelling(some) or {})

    def _once(self, portions: Sequence[Portion]) -> Found:
        cluster, lanes, senders = self._cluster, self._run.lanes, self._senders
        spans = self._with_headers(cut(portions, cluster.span), portions)
        task = cluster.task(read, Reading(self._plan, portions, lanes, self._run.now, self._sites))
        rows = cluster.spread(spans).mapPartitions(task).repartitionAndSortWithinPartitions(
            senders + 1, partial(_part, lanes, senders)
        )  # fmt: skip
        accounts: list[SpanAccount] = cluster.run(rows, _values, [senders]) if spans else []
        return Found(portions, sorted(accounts, key=lambda one: one.span.number), rows)

    def _with_headers(self, spans: list[Span], portions: Sequence[Portion]) -> list[Span]:
        """Spans of W3C logs with the `#Fields:` line in force; those of logs in several are looked at for that."""
        several = {one.source for one in spans if portions[one.source].headers and not one.first}
        mine = [one for one in spans if one.source in several]
        if not mine:
            return spans
        rows = self._cluster.spread(mine)
        task = self._cluster.task(headers, (portions, self._plan.max_line_bytes))
        return told(spans, dict(self._cluster.run(rows, task, range(len(mine)))))


def _part(lanes: int, senders: int, key: Key) -> int:
    """The task that a lane belongs to; the accounts, which are in the lane after the last, have one of their own."""
    return senders if key[0] == lanes else key[0] % senders


def _values(rows: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    return (value for _, value in rows)
