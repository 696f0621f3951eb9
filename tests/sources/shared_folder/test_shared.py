"""Folders that several machines write to: on a file system, and in a real S3 store."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from log_importer.model.errors import StateError, UsageError
from log_importer.sources.shared_folder import Shared, check_shared, open_shared
from log_importer.sources.shared_folder.folder import Folder
from log_importer.sources.shared_folder.leased import Leased, LeaseLost
from tests.sources.remote.s3 import S3


@pytest.fixture(params=["folder", "s3"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    if request.param == "folder":
        yield open_shared(str(tmp_path / "shared"))
    else:
        here: S3 = request.getfixturevalue("here")
        yield open_shared(here.url("shared"))


def test_an_object_is_made_once_and_replaced_whole(shared: Shared) -> None:
    assert (shared.read("a/b"), shared.names("a"), shared.names("")) == (None, [], [])
    assert [shared.create("a/b", b"1"), shared.create("a/b", b"2"), shared.create("a/c", b"")] == [True, False, True]
    assert (shared.read("a/b"), shared.read("a/c"), shared.names("a")) == (b"1", b"", ["b", "c"])
    shared.replace("a/b", b"3" * 100_000)
    assert shared.read("a/b") == b"3" * 100_000
    shared.delete("a/b")
    shared.delete("a/b")
    assert (shared.read("a/b"), shared.names("a"), shared.names("")) == (None, ["c"], ["a"])


def test_a_place_is_tried_and_left_as_it_was(shared: Shared) -> None:
    check_shared(shared)
    assert shared.names("") == []


def test_of_many_who_make_an_object_at_once_one_does(shared: Shared) -> None:
    made: list[bool] = []
    start = threading.Barrier(8)

    def make(number: int) -> None:
        start.wait()
        made.extend(shared.create(f"x/{place}", b"%d" % number) for place in range(5))

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), sum(made)) == (40, 5)


def test_a_folder_is_tried_by_many_at_once(tmp_path: Path) -> None:
    """A job begins on several machines at the same time, and none of them takes another's trial for its own."""
    found: list[bool] = []

    def check() -> None:
        for _ in range(50):
            check_shared(open_shared(str(tmp_path)))
        found.append(True)

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert open_shared(str(tmp_path)).names("") == []


def test_a_place_where_an_object_can_be_made_twice_is_refused(tmp_path: Path) -> None:
    class Forgetful(Folder):
        def create(self, name: str, data: bytes) -> bool:
            self.replace(name, data)
            return True

    with pytest.raises(UsageError, match="can be made again"):
        check_shared(Forgetful(tmp_path))


def test_who_had_a_record_learns_at_the_next_write_that_another_has_it(shared: Shared) -> None:
    first, second = Leased(shared, "lanes/1"), Leased(shared, "lanes/1")
    assert first.latest() is None
    for state in (b"1", b"2", b"3"):
        first.write(state)
    assert (second.latest(), shared.names("lanes/1")) == (b"3", ["000000000003"])
    second.write(b"4")
    with pytest.raises(LeaseLost, match="another run of this job has taken over"):
        first.write(b"mine")
    assert second.latest() == b"4"
    for state in (b"5", b"6", b"7"):  # by now the number that the first would write is free again
        second.write(state)
    with pytest.raises(LeaseLost):
        first.write(b"mine")
    second.write(b"8")
    assert Leased(shared, "lanes/1").latest() == b"8"


def test_an_answer_that_is_lost_does_not_take_the_record_away(shared: Shared) -> None:
    record = Leased(shared, "r")
    record.write(b"mine 1")
    assert shared.create("r/000000000002", b"mine 2")  # it was made, and nobody heard of it
    record.write(b"mine 2")
    record.write(b"mine 3")
    assert record.latest() == b"mine 3"


def test_of_two_that_take_a_record_over_at_once_one_has_it(shared: Shared) -> None:
    Leased(shared, "r").write(b"0")
    for _ in range(5):
        both = [Leased(shared, "r"), Leased(shared, "r")]
        for one in both:
            one.latest()
        both[0].write(b"a")
        with pytest.raises(LeaseLost):
            both[1].write(b"b")


_WRITER = """
import sys
from log_importer.sources.shared_folder import open_shared
from log_importer.sources.shared_folder.leased import Leased
record = Leased(open_shared(sys.argv[1]), "r")
record.latest()
number = record.number
while True:
    number += 1
    record.write(b"%d " % number * 20_000)
    print(number, flush=True)
"""


def test_a_record_outlives_kill_9_whole(tmp_path: Path) -> None:
    written = 0
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert process.stdout is not None
        for _ in range(7):
            written = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate()
        written = max([written, *map(int, rest.split())])
        record = Leased(open_shared(str(tmp_path)), "r")
        data = record.latest()
        assert data is not None
        numbers = set(data.split())
        assert len(numbers) == 1
        assert int(numbers.pop()) >= written


def test_places_that_cannot_keep_two_machines_apart_are_refused(tmp_path: Path) -> None:
    for place in ("https://example.org/folder", "hdfs://host/folder", "ftp://example.org/x"):
        with pytest.raises(UsageError, match="cannot keep two machines apart"):
            open_shared(place)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StateError, match="cannot be used"):
        open_shared(str(tmp_path / "file" / "folder"))
