"""What a run on a cluster takes of each source, from real files and a real ledger: what is new, and copies once."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from log_importer.ledger.ledger import Ledger
from log_importer.model import Boundary
from log_importer.model.errors import LogImporterError
from log_importer.runs.cluster.choose import choose
from log_importer.runs.cluster.portion import Portion
from log_importer.runs.reading.survey import look
from log_importer.runs.tally import Tally
from log_importer.settings import Settings
from log_importer.sources.fingerprint import fingerprint
from tests.oracle import lines
from tests.sources.remote.web import Page, Web, web_server


class Choosing:
    """Chooses of files in a folder, as often as wanted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = self._opened()
        self.known = Tally()
        self.errors: list[LogImporterError] = []

    def _opened(self) -> Ledger:
        return Ledger(self.folder / "ledger.sqlite3", {}, print)

    def __call__(self, *names: str, again: bool = False) -> dict[str, tuple[int, int | None]]:
        """Name -> first and last offset of each portion."""
        self.known = Tally()
        places = [name if "://" in name else str(self.folder / name) for name in names]
        inputs = look(Settings(sources=tuple(places), again=again), print, self.ledger)
        self.errors = list(inputs.errors)
        chosen = choose(inputs, self.ledger, self.known, self.errors, again=again)
        self.chosen = {one.place.rsplit("/", 1)[-1]: one for one in chosen}
        return {name: (one.start.offset, one.end) for name, one in self.chosen.items()}

    def done(self, one: Portion, end: int) -> None:
        """All of a portion up to `end` is done, as the books of a run enter it."""
        data = (self.folder / one.source.name).read_bytes()
        record = self.ledger.sources.known(one.record) or self.ledger.sources.add(one.place, one.format, one.start)
        self.ledger.sources.adopt(record, one.place, one.disk, one.head_length, one.head)
        self.ledger.read_as(0, record)
        line = data[:end].count(b"\n") + 1
        self.ledger.enter(0, Boundary(end, line, "", fingerprint(data[max(0, end - 256) : end])), (), ())
        self.ledger.finish(0, one.disk if end == len(data) else None, "")
        self.ledger.close(0)
        self.ledger = self._opened()

    def lines_known(self) -> dict[str, int]:
        return {one.source.rsplit("/", 1)[-1]: one.known_lines for one in self.known.sources}


@pytest.fixture
def choosing(tmp_path: Path) -> Iterator[Choosing]:
    found = Choosing(tmp_path)
    yield found
    found.ledger.close(0)


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as found:
        yield found


def test_of_a_log_that_grew_the_rest_is_taken_and_again_all_of_it(choosing: Choosing) -> None:
    log = choosing.folder / "a.log"
    log.write_bytes(before := lines(range(100)))
    assert choosing("a.log") == {"a.log": (0, len(before))}
    choosing.done(choosing.chosen["a.log"], len(before))
    assert choosing("a.log") == {}
    assert choosing.lines_known() == {"a.log": 100}
    log.write_bytes(grown := lines(range(150)))
    assert choosing("a.log") == {"a.log": (len(before), len(grown))}
    assert choosing.chosen["a.log"].known_lines == 100
    assert choosing("a.log", again=True) == {"a.log": (0, len(grown))}


def test_a_rotated_and_compressed_log_is_known_by_what_it_holds(choosing: Choosing) -> None:
    (choosing.folder / "a.log").write_bytes(before := lines(range(100)))
    choosing("a.log")
    choosing.done(choosing.chosen["a.log"], len(before))
    (choosing.folder / "a.log.1.gz").write_bytes(gzip.compress(before))
    (choosing.folder / "a.log").write_bytes(new := lines(range(100, 120)))
    assert choosing("a.log", "a.log.1.gz") == {"a.log": (0, len(new)), "a.log.1.gz": (len(before), None)}
    assert {name: one.known_lines for name, one in choosing.chosen.items()} == {"a.log": 0, "a.log.1.gz": 100}


def test_of_copies_the_longest_is_taken_and_the_lines_of_the_others_are_known(choosing: Choosing) -> None:
    whole = lines(range(100))
    files = {
        "a.log": lines(range(60)), "b.log": whole, "c.log.gz": gzip.compress(whole), "half.log": whole[:-30],
        "other.log": lines(range(60)) + lines(range(200, 210)), "another.log": lines(range(1, 61)),
    }  # fmt: skip
    for name, data in files.items():
        (choosing.folder / name).write_bytes(data)
    chosen = choosing(*files)
    longest = ({"b.log": (0, len(whole))}, {"c.log.gz": (0, None)})
    rest = {name: (0, len(files[name])) for name in ("other.log", "another.log")}
    assert chosen in ({**one, **rest} for one in longest)
    known = choosing.lines_known()
    assert [known.pop(name, 100) for name in ("b.log", "c.log.gz")] == [100, 100]
    assert known == {"a.log": 60, "half.log": 100}


def test_a_source_that_cannot_be_read_beside_its_copy_is_told_of_and_the_copy_is_taken(
    choosing: Choosing, web: Web
) -> None:
    (choosing.folder / "a.log").write_bytes(whole := lines(range(100)))
    page = web.pages["/b.log"] = Page(whole)
    chosen = choosing("a.log", f"{web.url}/b.log")
    assert list(chosen.values()) == [(0, len(whole))]
    assert sum(choosing.lines_known().values()) == 100
    gets = page.gets
    assert gets > 2

    for last in range(1, gets + 1):

        def refuse(number: int, last: int = last) -> None:
            page.status = 200 if number < last else 403

        page.before, page.gets, page.status = refuse, 0, 200
        chosen = choosing("a.log", f"{web.url}/b.log")
        assert [str(error).count("/b.log") for error in choosing.errors] == [1]
        assert chosen == {"a.log": (0, len(whole))}, "whichever question it is that is refused"
