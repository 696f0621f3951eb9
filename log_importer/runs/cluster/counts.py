"""The counts of a lane as they stand in its record, and those of all lanes together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from log_importer.runs.cluster.portion import Portion
from log_importer.runs.tally import SourceCounts, Tally

_NUMBERS = ("tracked", "maybe_twice")
_REASONS = ("refused", "set_aside")


def new_tally(portions: Sequence[Portion]) -> Tally:
    """A tally with the run's sources, in their order."""
    tally = Tally()
    for one in portions:
        tally.add_source(one.source.name, one.format)
    return tally


def add_doubts(tally: Tally, held: Iterable[Mapping[str, Any]], unanswered: Mapping[int, int]) -> None:
    """Adds what is in doubt: requests that are held as such, and by source how many were posted without an answer."""
    for one in held:
        tally.sources[one["source"]].in_doubt += one["bucket"] == "in_doubt"
    for index, lines in unanswered.items():
        tally.sources[index].in_doubt += lines


def as_json(tally: Tally) -> dict[str, Any]:
    """What was settled, without what is in doubt: that follows from what is held, and what is open."""
    sources = {}
    for index, one in enumerate(tally.sources):
        found: dict[str, Any] = {name: getattr(one, name) for name in _NUMBERS if getattr(one, name)}
        found |= {name: dict(getattr(one, name)) for name in _REASONS if getattr(one, name)}
        if found or one.first_troubled:
            sources[str(index)] = found | {"first_troubled": one.first_troubled}
    days = [[site, day, tracked] for (site, day), tracked in tally.days.items()]
    return {"sources": sources, "days": days, "newest": tally.newest}


def add(tally: Tally, written: dict[str, Any]) -> None:
    """Adds what `as_json` wrote, of a tally with the same sources."""
    for index, found in written["sources"].items():
        counts = tally.sources[int(index)]
        for name in _NUMBERS:
            setattr(counts, name, getattr(counts, name) + found.get(name, 0))
        for name in _REASONS:
            getattr(counts, name).update(found.get(name, {}))
        tally.sources[int(index)] = counts.joined(SourceCounts(counts.source, first_troubled=found["first_troubled"]))
    tally.days.update(Counter({(site, day): tracked for site, day, tracked in written["days"]}))
    tally.newest = max(tally.newest, written["newest"])
