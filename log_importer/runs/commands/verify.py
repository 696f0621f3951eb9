"""`verify`: what was tracked, by site and day, against what the server holds."""

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from log_importer.ledger.view import View, view
from log_importer.model.errors import ServerRefused
from log_importer.model.visible import visible, visible_json
from log_importer.model.zones import shifted
from log_importer.runs.job import one_job, server_for
from log_importer.runs.posting import server_of
from log_importer.settings.arguments import make_settings
from log_importer.sources.state_folder import ledgers, open_state

_MOST_DAYS = 60
"""Days of a site that are asked for; of more, as many from all over."""
_PAGE, _MOST_PAGES = 500, 40
"""Visits in an answer, and answers for one day."""
_MOST_ACTIONS = 500
"""A Matomo tells no more actions of one visit."""
_PATIENCE = 60.0
"""Seconds for one answer."""
_METHOD = "Live.getLastVisitsDetails"


@dataclass
class _Site:
    """A site, and its days by its own clock."""

    tracked: Mapping[str, int]  # date -> lines, of the days that were asked for
    timezone: str
    of_days: int  # how many there are
    held: Counter[str] = field(default_factory=Counter)  # date -> actions that the server told of
    not_all: set[str] = field(default_factory=set)  # dates of which it told not all

    def verdict(self, day: str) -> str:
        """agree, more, less, or unknown where the server did not tell all and what it told is less."""
        held, tracked = self.held[day], self.tracked[day]
        if held < tracked:
            return "unknown" if day in self.not_all else "less"
        return "agree" if held == tracked else "more"


def verify(given: Mapping[str, Any]) -> int:
    """Prints how each day agrees; the exit code, 1 where the server has less, or it cannot be told.

    Raises `UsageError`, `ServerRefused` and `ServerUnreachable`.
    """
    state = open_state(given["state_dir"])
    job = one_job([view(path) for path in ledgers(state)], given["job"], str(state))
    options = {**given, "idsite": int(job.about["idsite"]) or None, "local": not job.url}
    options["url"] = given["url"] or job.url or None
    options["endpoint"] = given["endpoint"] or job.about["endpoint"] or None
    settings = make_settings(options, terminal=True)
    with (
        server_for(settings, state) as (url, token, _),
        contextlib.closing(server_of(settings, url, token)) as server,
    ):
        api = server.asking(_PATIENCE)
        sites = {site: _ask(api, site, days, job.zones.get(site, "UTC")) for site, days in job.days.items()}
    undated = sum(map(job.undated, job.sources))
    bad = any(one.verdict(day) in ("less", "unknown") for one in sites.values() for day in one.tracked)
    code = 1 if bad or undated or not sites else 0
    if settings.json:
        sys.stdout.write(visible_json(_document(job, sites, undated, code), indent=True).decode() + "\n")
    else:
        sys.stdout.write("\n".join(_text(job, sites, undated)) + "\n")
    return code


def _ask(api: Callable[..., Any], site: int, days: Mapping[str, int], timezone: str) -> _Site:
    chosen = _spread(list(days), _MOST_DAYS)
    found = _Site({day: days[day] for day in chosen}, timezone, len(days))
    # A visit is told with the day of its last action, so the end of a day may stand with the next one.
    for day in sorted({*chosen, *(shifted(day, 1) for day in chosen)}):
        for visit in _visits(api, site, day, found):
            _count(visit, found)
    return found


def _visits(api: Callable[..., Any], site: int, day: str, found: _Site) -> Iterator[Mapping[str, Any]]:
    for page in range(_MOST_PAGES):
        some = api(
            _METHOD, idSite=str(site), period="day", date=day, filter_limit=str(_PAGE),
            filter_offset=str(page * _PAGE),
        )  # fmt: skip
        if not isinstance(some, list):
            raise _cannot(site)
        yield from some
        if len(some) < _PAGE:
            return
    found.not_all |= {day, shifted(day, -1)}


def _count(visit: Mapping[str, Any], found: _Site) -> None:
    try:
        # The site's clock, as if it were UTC.
        days = [f"{datetime.fromtimestamp(int(one['timestamp']), UTC):%Y-%m-%d}" for one in visit["actionDetails"]]
    except (LookupError, TypeError, ValueError):
        raise _cannot(visit.get("idSite", 0)) from None
    found.held.update(days)
    if len(days) >= _MOST_ACTIONS:
        found.not_all |= {*days, *(shifted(day, 1) for day in days)}


def _cannot(site: object) -> ServerRefused:
    return ServerRefused(f"Site {site} cannot be asked which visits it has: the answer is not that of a Matomo.")


def _spread(days: Sequence[str], most: int) -> Sequence[str]:
    return days if len(days) <= most else [days[number * len(days) // most] for number in range(most)]


def _document(job: View, sites: Mapping[int, _Site], undated: int, code: int) -> dict[str, Any]:
    return {
        "job": job.about["job"],
        "server": job.url,
        "sites": {
            str(site): {
                "timezone": one.timezone, "of_days": one.of_days,
                "days": {
                    day: {"tracked": lines, "server": one.held[day], "verdict": one.verdict(day)}
                    for day, lines in one.tracked.items()
                },
            }
            for site, one in sites.items()
        },
        "undated": undated,
        "exit_code": code,
    }  # fmt: skip


_ADVICE = {
    "less": (
        "Less: a server drops bots, excluded addresses and spam without a word, or visits were deleted there; "
        "to send a day again, see log-importer undo."
    ),
    "more": "More: other trackers count on this site too, or logs were imported twice; see log-importer undo.",
    "unknown": "Unknown: the server tells too few of the visits of such a day to compare.",
}


def _text(job: View, sites: Mapping[int, _Site], undated: int) -> Iterator[str]:
    yield f"Job {visible(job.about['job'])}"
    seen = Counter[str]()
    for site, one in sites.items():
        verdicts = {day: one.verdict(day) for day in one.tracked}
        seen.update(verdicts.values())
        sampled = f", {len(one.tracked)} of {one.of_days} days" if len(one.tracked) < one.of_days else ""
        counts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts.values()).most_common())
        yield f"  site {site}, {visible(one.timezone, 60)}{sampled}: {counts}"
        for day, verdict in verdicts.items():
            if verdict != "agree":
                yield f"    {day}  tracked {one.tracked[day]:,}, the server has {one.held[day]:,}: {verdict}"
    if not sites:
        yield "  Nothing that was tracked has a day on record."
    if undated:
        yield f"  {undated:,} lines were tracked by an older version, or on a cluster, which kept no days."
    yield from (_ADVICE[verdict] for verdict in _ADVICE if seen[verdict])
