"""What another job did of the same files, for the same site of what may be the same server: it would count twice."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from log_importer.delivery.server.same import may_be_same_server
from log_importer.ledger.database import from_column, read_database
from log_importer.ledger.ledger import Ledger
from log_importer.ledger.load import load_about
from log_importer.model.errors import SourceError, StateError, UsageError
from log_importer.runs.takeover import is_named, job_name
from log_importer.settings import Settings
from log_importer.sources.find import Source, lies_at
from log_importer.sources.fingerprint import fingerprint
from log_importer.sources.stream import Stream
from log_importer.translation.sharing import read_shard

_OPTIONS = "options"
"""What the ledger calls the options of the last run."""
_NONE = "not given"


class _Other(NamedTuple):
    """The ledger of another job."""

    about: Mapping[str, str]
    places: set[str]  # where its sources lay
    files: set[tuple[int, int]]  # device and inode of each
    heads: Mapping[int, set[bytes]]  # how many bytes are known of their beginnings -> the hashes of those


class _File:
    """A source that is to be read."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @cached_property
    def head(self) -> bytes:
        """Its beginning; b"" also where that cannot be read, which whoever reads it says."""
        try:
            with Stream(self._source) as stream:
                return stream.head()
        except (SourceError, OSError):
            return b""

    def is_in(self, other: _Other, place: str) -> bool:
        """Whether another job has read a source that lay here, or in this file, or, on this machine, begins alike."""
        if place in other.places or self._source.place in other.files:
            return True
        return not self._source.url and any(
            fingerprint(self.head[:length]) in heads
            for length, heads in other.heads.items()
            if length <= len(self.head)
        )


def check_elsewhere(
    ledger: Ledger, files: Iterable[Source], others: Iterable[Path], settings: Settings, say: Callable[[str], None]
) -> None:
    """Raises `UsageError` where another job did some of `files`, and the user does not say that it is meant.

    It is meant with `--job` or `--again`, and where both jobs know a source already: two with complementary
    selections read the same logs. Then one sentence says so. `others` are the ledgers of the other jobs.
    """
    looked_at = {lies_at(one.name): _File(one) for one in files if not one.stdin}
    read = [(path.stem, other) for path in others if looked_at and (other := _read(path)) is not None]
    read.sort(key=lambda one: is_named(one[0], one[1].about))  # a way out is to do as before, best without a name
    for name, other in read:
        found = sorted(
            place for place, file in looked_at.items()
            if file.is_in(other, place) and file.head and not ledger.sources.candidates(file.head, fingerprint)
        )  # fmt: skip
        if not found or not _is_same(ledger.about, other.about):
            continue
        more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
        where = f"{found[0]}{more}: imported before, under the job '{other.about['job']}'"
        if settings.job or settings.again or _share_a_source(ledger, other):
            say(f"{where}; this is another job, so what was sent there and is chosen here too is sent again.")
            continue
        raise UsageError(
            f"{where}, which may be the same server and site; nothing was sent, since it would count twice.",
            f"Import it as then ({_command(name, other.about)}); or, to really send it once more, give this import a "
            "name with --job; log-importer status shows what was done.",
        )


def _command(name: str, about: Mapping[str, str]) -> str:
    """The options that lead to a job, of which `name` is that of its ledger."""
    if is_named(name, about):
        return f"--job {job_name(about)}"
    site = about.get("idsite", "0")
    return (f"--url {about['url']}" if about.get("url") else "--local") + (f" --idsite {site}" if site != "0" else "")


def say_other_options(ledger: Ledger, settings: Settings, say: Callable[[str], None]) -> None:
    """Says which options are not those of the job's last run, since done lines stay as they are; and keeps these."""
    before = ledger.about.get(_OPTIONS)
    old, new = json.loads(before or "{}"), dict(settings.options)
    changed = [
        f"--{name}: {old.get(name, _NONE)} -> {new.get(name, _NONE)}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    if changed and before is not None and ledger.sources.names and not settings.again:
        say(
            f"Other options than in the last run of this job ({'; '.join(changed)}): lines that are done are not "
            "looked at again; to add what was left out then, give --job NAME and options that choose only that."
        )
    ledger.remember(**{_OPTIONS: json.dumps(new)})


def _share_a_source(ledger: Ledger, other: _Other) -> bool:
    return any(head in other.heads.get(length, ()) for length, head in ledger.sources.heads)


def _is_same(mine: Mapping[str, str], theirs: Mapping[str, str]) -> bool:
    """Whether two jobs may bring a line to the same site of the same server; "0" is the site of each host."""
    sites = {mine.get("idsite", "0"), theirs.get("idsite", "0")}
    if (len(sites) > 1 and "0" not in sites) or _other_share(mine.get("shard", ""), theirs.get("shard", "")):
        return False
    one, other = mine.get("url", ""), theirs.get("url", "")
    if one and other:
        return may_be_same_server(one, other)
    # Into the embedded receiver one looks before sending; a new database of its has nothing yet.
    return one == other and mine.get("receiver") == theirs.get("receiver")


def _other_share(one: str, other: str) -> bool:
    """Whether two jobs are different shares of the same whole."""
    first, second = read_shard(one), read_shard(other)
    return first is not None and second is not None and first.shares == second.shares and first != second


def _read(path: Path) -> _Other | None:
    """The ledger of another job; `None` where it cannot be read."""
    try:
        with closing(read_database(path)) as database:
            rows = database.execute("SELECT name, device, inode, head_length, head FROM source WHERE NOT stream")
            heads: dict[int, set[bytes]] = defaultdict(set)
            found = _Other(load_about(database), set(), set(), heads)
            for name, device, inode, length, head in rows:
                found.places.add(from_column(name))
                found.files.add((device, inode))
                if length:
                    heads[length].add(head)
            return found
    except (StateError, sqlite3.Error, ValueError):
        return None  # whoever uses that job will hear of it
