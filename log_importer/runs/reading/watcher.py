"""`import --follow`: the chunks of files that grow, are rotated, emptied, compressed and replaced, in order of arrival.

What a file is, its content tells and never its name, as in any other run; here files that are read already are open
meanwhile, so that what is written to a file after it was renamed is read too, and before what is in its successor.
"""

import contextlib
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from log_importer.ledger.ledger import Ledger
from log_importer.ledger.record import Record
from log_importer.model import BEGINNING, Chunk
from log_importer.model.errors import LogImporterError, SourceError
from log_importer.runs.output.progress import Progress
from log_importer.runs.reading.chunks_in_order import Inputs, Wait, check_patterns
from log_importer.runs.reading.probe import Probe
from log_importer.runs.reading.recognise import Recognised, identify, keep_copy, keep_end, keep_head, skip_to_end, take
from log_importer.runs.reading.spooling import Spent
from log_importer.runs.reading.watched_file import Followed, OpenFiles, Place
from log_importer.runs.reading.watched_names import Names, Seen
from log_importer.runs.tally import Tally
from log_importer.settings import Settings
from log_importer.sources.chunks import Chunker
from log_importer.sources.decompress import ENDS_EARLY
from log_importer.sources.find import Source, lies_at
from log_importer.sources.fingerprint import HEAD
from log_importer.sources.rotated import generation, log_of
from log_importer.sources.spool import Spool
from log_importer.sources.stream import Stream

_SHORTEST, _LONGEST = 0.02, 0.25
"""Seconds between two looks at the files, while lines come and when none do."""
_LATE = 60.0
"""Seconds of silence after which a file that was rotated is done: its writer has let go of it."""
_ABANDONED = 3600.0
"""Seconds of silence after which a file is let go that has no name any more and no successor."""
CAUGHT_UP = "caught_up"
"""What the ledger calls the time at which all that was followed had been read, in seconds since 1970 UTC."""
_KEPT = 60.0
"""Seconds between two times that it is written down."""
_ENOUGH = 8192
"""Bytes of a log that tell its format, or that it has none."""
_OPEN = 100
"""Files kept open at once, as far as they are not under way."""


def _signature(source: Source) -> tuple[int, int]:
    """What changes when a file is written to."""
    return source.size or 0, source.mtime_ns


def _age(found: Seen) -> tuple[int, tuple[bool, int, str]]:
    """Sorts files oldest first."""
    return found.source.mtime_ns, generation(found.source.name)


@contextlib.contextmanager
def follow(
    settings: Settings,
    inputs: Inputs,
    ledger: Ledger,
    tally: Tally,
    errors: list[LogImporterError],
    progress: Progress,
    pause: Callable[[float], bool],
    say: Callable[[str], None],
    spool: Spool | None = None,
) -> Iterator["Follower"]:
    """What follows the sources of the settings, or `spool`. Raises `SourceError` where one could never appear."""
    since = ledger.about.get(CAUGHT_UP)
    sources = settings.sources if spool is None else (spool.pattern,)
    began = float(since) if since else ledger.read_since
    names = Names(sources, settings.encoding, settings.max_decompress_memory, began)
    assert inputs.probe is not None
    follower = Follower(
        names, inputs.probe, ledger, tally, errors, progress, settings.max_line_bytes, pause, say, settings.from_now,
        spool,
    )  # fmt: skip
    try:
        yield follower
    finally:
        follower.close()


class Follower:
    """Reads files as they grow, until it is told to stop."""

    def __init__(
        self,
        names: Names,
        probe: Callable[[Source], Probe],
        ledger: Ledger,
        tally: Tally,
        errors: list[LogImporterError],
        progress: Progress,
        max_line_bytes: int,
        pause: Callable[[float], bool],
        say: Callable[[str], None],
        from_now: bool,
        spool: Spool | None = None,
    ) -> None:
        """`pause` waits so many seconds and says whether to stop; with `from_now` what lies there is left out.

        What is followed is what `spool` writes, where there is one.
        """
        self._spool = spool
        self._spent = Spent(spool, ledger) if spool is not None else None
        self._names = names
        self._probe = probe
        self._ledger = ledger
        self._tally = tally
        self._errors = errors
        self._progress = progress
        self._max_line_bytes = max_line_bytes
        self._pause = pause
        self._say = say
        self._from_now = from_now
        self._known_names = ledger.sources.names  # before this run finds any of them elsewhere
        self.room: Callable[[], bool] = lambda: True
        """Whether more may be read; while it may not, files are watched and opened, so that none is missed."""
        self._open = OpenFiles()
        self._seen: dict[Place, tuple[int, int]] = {}  # size and time of files that held nothing new
        # Files that hold what was read of a source, and are open no more; as they lay then, for a place is used again.
        self._read: dict[Place, tuple[Record, tuple[int, int]]] = {}
        self._incomplete: dict[str, int] = {}  # name of a file that ended too soon -> its index
        self._formats: dict[str, tuple[str, bool]] = {}  # name -> the format that was read there last
        self._others: list[Source] = []  # files that may hold more of what one of them holds
        self._first = True
        self._kept = 0.0

    def chunks(self) -> Iterator[Chunk | Wait]:
        """The chunks, and what to wait for between them; ends when it is told to stop, or the spool has ended."""
        pause = _SHORTEST
        while not self._pause(0):
            ended = self._spool is not None and self._spool.ended  # before the look: what comes between is missed
            if ended and self._spool is not None and self._spool.turn.wanted:
                return  # the next process sends the rest
            looked, deferred, silent = time.time(), False, True
            new = self._look()
            # What was open first: a file that was renamed is read to its end before the one that follows it.
            for item in self._read_all():
                silent = False
                yield item
            if new:
                yield Wait.PARSED
                self._others = [found.source for found in new]
                for found in new:
                    self._add(found)
                    if self._seen.get(found.source.place) != _signature(found.source):
                        deferred = True  # it has to wait, and so have those behind it
                        break
                if not deferred:  # what was rotated while the live file was opened comes before it
                    for found in self._look():
                        if not generation(found.source.name)[0]:
                            self._add(found)
                for item in self._read_all():
                    silent = False
                    yield item
            if not deferred and all(one.at_end for one in self._open):
                self._names.caught_up = looked
            yield Wait.QUIET
            if self._spent is not None:
                self._spent.remove()
            if ended and not new and not len(self._open):
                return
            if self._first and self._spool is None:
                for error in self._names.missing:
                    self._say(f"{error.what} It is waited for.")
            self._first = False
            if time.monotonic() - self._kept > _KEPT:
                self._keep_time()
            pause = min(_LONGEST, 2 * pause) if silent else _SHORTEST
            if self._pause(pause):
                return

    def close(self) -> None:
        """Closes all files, and keeps when all that is in them had been read. What waited to be sent is sent."""
        self._keep_time()
        if self._spent is not None:
            self._spent.remove()
        for one in self._open:
            one.close()

    def _keep_time(self) -> None:
        """What is written to from then on is looked for by the next run, wherever it lies then."""
        self._ledger.remember(**{CAUGHT_UP: repr(self._names.caught_up)})
        self._kept = time.monotonic()

    # What is there

    def _look(self) -> list[Seen]:
        """Sees where the open files lie now; those that are new or have changed, oldest first."""
        for one in self._open:
            if one.emptied:
                self._names.rotated(one.name)
                self._let_go(one)
        found: dict[Place, Seen] = {}
        for seen in self._names.look():
            found.setdefault(seen.source.place, seen)
        self._ledger.sources.lie({place: lies_at(seen.source.name) for place, seen in found.items()})
        for one in self._open:
            self._update(one, found)
        places = {one.place for one in self._open}
        new = [
            one for place, one in found.items()
            if place not in places and one.source.size and self._seen.get(place) != _signature(one.source)
        ]  # fmt: skip
        for place in self._seen.keys() - found.keys():
            del self._seen[place]
        self._forget_read(found)
        return sorted(new, key=_age)

    def _forget_read(self, found: dict[Place, Seen]) -> None:
        """Files that are open no more, and were written to or are gone, hold nothing that is known."""
        for place, (record, signature) in list(self._read.items()):
            here = found.get(place)
            if here is None or signature != _signature(here.source) or self._open.owner(record) is not None:
                del self._read[place]

    def _update(self, one: Followed, found: dict[Place, Seen]) -> None:
        """What has become of an open file."""
        here = found.get(one.place)
        one.named = here is not None and here.named
        if one.named and here is not None and one.name != here.source.name:
            one.name = one.stream.name = here.source.name
        one.replaced = not one.named and Path(one.name).exists()
        if one.stream.plain:
            one.stream.look_ahead()
        rotated = one.replaced or (here is not None and not here.named) or not generation(one.name)[0]
        if one.at_end and (
            (rotated and one.silent(_LATE))
            or (not one.named and one.silent(_ABANDONED))
        ):  # fmt: skip
            one.stream.follows = False  # its last line is whole without a newline too

    # What is new

    def _add(self, found: Seen) -> None:
        """Opens a file and sees what it is; it is read where it brings anything."""
        try:
            stream = Stream(found.source)
            try:
                disk = stream.disk
                if disk is None or disk[:2] != found.source.place:  # it was renamed since, and is seen at the next look
                    self._seen.pop(found.source.place, None)
                    stream.close()
                elif self._is_finished(found, stream) or not self._begin(found, stream):
                    stream.close()
            except BaseException:
                stream.close()
                raise
        except SourceError as error:
            self._seen[found.source.place] = _signature(found.source)
            self._note(error)

    def _is_finished(self, found: Seen, stream: Stream) -> bool:
        """Whether a file lies there as it did when all of it was done."""
        known = self._ledger.sources.finished(stream.disk) if stream.disk is not None else None
        if known is None or self._open.owner(known) is not None:
            return False
        self._read[found.source.place] = known, _signature(found.source)
        if self._first:
            index = self._tally.add_source(found.source.name, known.format)
            self._tally.sources[index].known_lines = known.end.line - 1
        self._seen[found.source.place] = _signature(found.source)
        if self._spool is not None and found.source.path is not None:
            self._spool.remove(found.source.path)
        return True

    def _begin(self, found: Seen, stream: Stream) -> bool:
        """Begins to read a file; whether there is anything to read."""
        self._seen[found.source.place] = _signature(found.source)
        head = stream.head()
        if not head and stream.damage not in ("", ENDS_EARLY) and found.source.name not in self._incomplete:
            index = self._incomplete[found.source.name] = self._tally.add_source(found.source.name, "")
            self._tally.sources[index].incomplete = stream.damage
        if not head or (stream.plain and b"\n" not in head and len(head) < HEAD and self._may_grow(found)):
            return False  # half a line, whose rest may come
        if self._spool is not None:
            return self._read_from(found, stream, identify(stream, self._ledger, named=found.source.name))
        for one in self._open:
            if one.holds(stream):
                keep_end(one.found.record, stream.position, stream.before, self._ledger)
                return False  # looked at again when it has changed, or when that one is read no further
        if any(one.is_replaced_by(stream) for one in self._open):
            self._seen.pop(found.source.place, None)
            return False  # it goes on where that one ends
        copy = next((one for one in self._open if self._is_older(one, found) and one.begins(stream)), None)
        if copy is not None and not copy.caught_up:
            self._seen.pop(found.source.place, None)
            return False  # what the copy has of it comes first
        self._open.see_who_is_there()
        known = identify(stream, self._ledger, self._open.before)
        end = copy.found.record.end if copy is not None else BEGINNING
        if copy is not None and (known is None or known.until.offset <= end.offset):
            fork = self._ledger.sources.add(found.source.name, copy.found.record.format, end)
            return self._read_from(found, stream, Recognised(fork, end, False, array("Q")))
        if known is not None and known.over:
            if self._open.owner(known.record) is None and keep_copy(known.record, stream, self._ledger):
                self._read[found.source.place] = known.record, _signature(found.source)
            return False
        if found.old and known is None and not self._began_since(found):
            return False
        if known is not None and not known.until.offset:
            known = None  # all that they share is that nothing was read of the other
        if known is not None and (owner := self._open.owner(known.record)) is not None:
            known = self._beside(found, stream, known, owner)
            if known is None:
                return False
        return self._read_from(found, stream, known)

    def _may_grow(self, found: Seen) -> bool:
        """Whether somebody is likely to write to a file still."""
        return time.time() - found.source.mtime_ns / 1e9 < _LATE and not self._complete(found.source.name)

    def _is_older(self, one: Followed, found: Seen) -> bool:
        """Whether an open file is of an earlier generation of a log than its live one, by their names."""
        name = found.source.name
        return generation(name)[0] and not generation(one.name)[0] and log_of(one.name) == name

    def _began_since(self, found: Seen) -> bool:
        """Whether a rotated file that looks old has nothing but new lines.

        logrotate gives what it compresses the time that the log had before its writer let go of it.
        """
        if not found.moved:
            return False
        began = self._probe(found.source).first_time
        return began is not None and began >= found.since - _LATE

    def _beside(self, found: Seen, stream: Stream, known: Recognised, owner: Followed) -> Recognised | None:
        """A file that goes on where `owner` does, which is open; what to read of it, if anything."""
        record = known.record
        if known.until != record.end:
            return known  # all that they share is how they begin
        if stream.go_to(known.until.offset + 1) is None:
            # It has no more than what was read, and its writer may still write to the other, also where that was
            # deleted. It is looked at again when it grows, or when the other is let go of.
            return None
        if owner.at_end and owner.deleted:
            self._let_go(owner)  # it was replaced by this one
            self._seen[found.source.place] = _signature(found.source)
            return known
        if owner.emptied or not owner.stream.plain:
            self._seen.pop(found.source.place, None)  # that is let go of next
            return None
        # It is no copy, or the other would have held it all: they only begin alike, as logs with a header do.
        fork = self._ledger.sources.add(str(found.source.path), record.format, known.until)
        return replace(known, record=fork)

    def _format(self, found: Seen, probe: Probe) -> tuple[str, bool]:
        """The format of a file; where too little is in it to tell, that of the one that lay there before."""
        name = self._names.family(found.source)
        if not probe.format and name in self._formats:
            return self._formats[name]
        self._formats[name] = (probe.format, probe.headers)
        return self._formats[name]

    def _read_from(self, found: Seen, stream: Stream, known: Recognised | None) -> bool:
        """Reads a file from where its source was left; from its beginning where it is a new one."""
        probe = self._probe(found.source)
        form, headers = self._format(found, probe)
        if not form and stream.plain and (found.source.size or 0) < _ENOUGH and self._may_grow(found):
            return False  # a line or two that nobody can read say nothing of those to come
        if probe.remark and form == probe.format:
            self._say(probe.remark)
        if known is None and self._from_now and self._first and self._names.new(found.source, self._known_names):
            known = skip_to_end(stream, self._ledger, form, headers, self._max_line_bytes)
        else:
            known = take(known, stream, self._ledger, form, self._others, grow=False)
        index = self._tally.add_source(found.source.name, form)
        if self._first:
            self._tally.sources[index].known_lines = known.known_lines
        self._ledger.read_as(index, known.record)
        chunker = Chunker(stream, self._max_line_bytes)
        known.begin(stream, chunker)
        head = stream.head()
        if stream.plain:
            stream.follow()
            if stream.head()[: len(head)] != head:  # it was emptied while we looked at it
                known.record.present = False
                self._seen.pop(found.source.place, None)
                return False
        read = chunker.chunks(index, form, headers, time.time)
        one = Followed(found.source.name, found.source.place, index, stream, known, read, found.named)
        self._open.add(one)
        if (earlier := self._incomplete.pop(found.source.name, None)) is not None:
            self._tally.sources[earlier].incomplete = ""  # it was still being written
        return True

    # What is read

    def _read_all(self) -> Iterator[Chunk]:
        for one in self._open:
            if one.stream.closed:
                continue
            if not self.room():
                return
            complete = self._complete(one.name)
            try:
                for chunk in one.chunks():
                    self._progress.read(one.index, one.stream.raw_position)
                    yield chunk
                    if self._pause(0) or not self.room():
                        return
                    counts = self._tally.sources[one.index]
                    check_patterns(counts.source, counts.rejected)
                if complete:
                    one.stream.follows = False
                    yield from one.chunks()  # its last line, where that has no end
                if one.over:
                    self._end(one)
            except SourceError as error:
                self._note(error)
                self._let_go(one)
        self._close_some()

    def _end(self, one: Followed) -> None:
        """No more comes of a file."""
        if one.emptied:
            self._let_go(one)
            self._names.rotated(one.name)
            return
        disk = one.stream.disk
        whole = disk is not None and disk.size == one.stream.raw_position
        self._ledger.finish(one.index, disk if whole else None, one.stream.damage, one.end)
        self._tally.sources[one.index].incomplete = one.stream.damage
        if one.stream.damage:
            self._incomplete[one.name] = one.index
        if one.stream.remark:
            self._say(one.stream.remark)
        if self._spent is not None:
            self._spent.add(Path(one.name), one.index, one.end)
        if disk is not None:
            self._seen[one.place] = (disk.size, disk.mtime_ns)
        if not one.deleted and disk is not None:
            self._read[one.place] = one.found.record, (disk.size, disk.mtime_ns)
        self._let_go(one, present=not one.deleted)

    def _let_go(self, one: Followed, *, present: bool = False) -> None:
        """A file is read no further; `present`: it still holds what was read."""
        if present:
            keep_head(one.stream, self._ledger, one.found.record)
        self._open.remove(one)
        one.found.record.present = present
        if not present:
            # Copies may bring what it does no longer; but not those that are known as files of what was read.
            self._seen = {
                place: seen
                for place, seen in self._seen.items()
                if place in self._read and self._read[place][1] == seen
            }

    def _complete(self, name: str) -> bool:
        """Whether it is a segment of the spool that nobody writes to any more; asked before it is read."""
        return self._spool is not None and self._spool.complete(Path(name))

    def _close_some(self) -> None:
        """Where very many are open, those that have been silent for long; they are opened again when they grow."""
        silent = [one for one in self._open if one.named and one.at_end and one.silent(_LATE)]
        for one in silent[: max(0, len(self._open) - _OPEN)]:
            disk = one.stream.disk
            if disk is not None and one.at_end:
                self._seen[one.place] = (disk.size, disk.mtime_ns)
                self._read[one.place] = one.found.record, (disk.size, disk.mtime_ns)
                self._let_go(one, present=True)

    def _note(self, error: SourceError) -> None:
        if str(error) not in map(str, self._errors):
            self._errors.append(error)
