"""Objects are imported as files are: the same rows, and by content nothing twice."""

import bz2
import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.conftest import SAMPLES, Run
from tests.faults.common import log, marks, rows
from tests.sources.remote.conftest import Imported
from tests.sources.remote.s3 import S3

_COUNTS = ("lines", "tracked", "skipped", "rejected", "known_lines", "pending")


def stored(state: Path) -> list[tuple[object, ...]]:
    """What the receiver holds of each action and its visit, but for the ids drawn by chance."""
    query = """
        SELECT action.time, type, url, title, action.referrer_url, ip, user_agent, visit.actions, referrer_type
        FROM action JOIN visit USING (idvisit) ORDER BY 1, 2, 3, 6, 7
    """
    with closing(sqlite3.connect(state / "receiver.sqlite3")) as database:
        return list(database.execute(query))


def test_files_and_objects_become_the_same_rows(imported: Imported, s3: S3, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for number, sample in enumerate(sorted(SAMPLES.glob("*.log"))):
        data = sample.read_bytes()
        if number % 3 == 1:
            sample, data = Path(f"{sample.name}.gz"), gzip.compress(data)
        (folder / sample.name).write_bytes(data)
        s3.put(f"day/{sample.name}", data)
    (folder / "README.md").write_text("none")
    s3.put("day/README.md", b"none")
    s3.put("day/.hidden.log", b"none")
    s3.put("day/", b"")
    s3.put("day/deeper/other.log", log(range(5)))
    local = imported(folder, state="local")
    remote = imported(s3.url("day/"), state="remote")
    assert [local[name] for name in _COUNTS] == [remote[name] for name in _COUNTS]
    assert stored(tmp_path / "local") == stored(tmp_path / "remote") != []


def test_a_second_run_sends_nothing_and_reads_no_object(imported: Imported, s3: S3) -> None:
    for name in ("a.log", "b.log"):
        s3.put(f"day/{name}", log(range(20) if name == "a.log" else range(20, 40)))
    assert imported(s3.url("day/"))["tracked"] == 40
    before = len(s3.asked())
    again = imported(s3.url("day/*.log"))
    assert (again["tracked"], again["lines"], again["known_lines"]) == (0, 0, 40)
    objects = [asked for asked in s3.asked()[before:] if asked.endswith(".log")]
    assert objects == [], "what is listed as it was is asked for nothing"


def test_what_was_renamed_or_copied_or_compressed_is_known(imported: Imported, s3: S3, tmp_path: Path) -> None:
    data = log(range(400))
    s3.put("a.log", data)
    assert imported(s3.url("a.log"))["tracked"] == 400
    s3.rename("a.log", "a.log.1")
    assert imported(s3.url("a.log.1"))["lines"] == 0
    s3.put("a.log.2.gz", gzip.compress(data))
    assert imported(s3.url("a.log.2.gz"))["lines"] == 0
    s3.put("copy.bz2", bz2.compress(data))
    assert imported(s3.url(), s3.url("*"))["lines"] == 0
    (tmp_path / "down.log").write_bytes(data)
    assert imported("down.log")["lines"] == 0
    assert set(rows(tmp_path / "state" / "receiver.sqlite3").values()) == {1}


def test_a_file_that_was_moved_into_a_store_goes_on_there(imported: Imported, s3: S3, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(100)))
    assert imported("a.log")["tracked"] == 100
    (tmp_path / "a.log").unlink()
    s3.put("a.log.gz", gzip.compress(log(range(150))))
    grown = imported(s3.url("a.log.gz"))
    assert (grown["tracked"], grown["known_lines"]) == (50, 100)


def test_an_object_that_grew_goes_on_where_it_was(imported: Imported, s3: S3, tmp_path: Path) -> None:
    s3.put("a.log", log(range(5000)))
    assert imported(s3.url("a.log"))["tracked"] == 5000
    s3.put("a.log", log(range(7000)))
    assert imported(s3.url("a.log"))["tracked"] == 2000
    assert rows(tmp_path / "state" / "receiver.sqlite3") == dict.fromkeys(marks(range(7000)), 1)


def test_another_log_of_the_same_name_begins_anew(imported: Imported, s3: S3) -> None:
    s3.put("a.log", log(range(300)))
    assert imported(s3.url("a.log"))["tracked"] == 300
    s3.put("a.log", log(range(1000, 1200)))
    assert imported(s3.url("a.log"))["tracked"] == 200


def test_objects_that_overlap_are_merged_by_time(imported: Imported, s3: S3, tmp_path: Path) -> None:
    for part in range(4):
        s3.put(f"{part}.log", log(range(part, 4000, 4)))
        (tmp_path / f"{part}.log").write_bytes(log(range(part, 4000, 4)))
    remote = imported(s3.url("*.log"), state="remote")
    imported(*(f"{part}.log" for part in range(4)), state="local")
    assert (remote["tracked"], remote["late"]) == (4000, 0)
    assert stored(tmp_path / "local") == stored(tmp_path / "remote")


def test_a_truncated_object_is_incomplete(imported: Imported, s3: S3) -> None:
    whole = gzip.compress(log(range(3000)))
    s3.put("a.log.gz", whole[: len(whole) // 2])
    first = imported(s3.url("a.log.gz"), code=1)
    assert imported(s3.url("a.log.gz"), code=1)["tracked"] == 0
    s3.put("a.log.gz", whole)
    rest = imported(s3.url("a.log.gz"))
    assert isinstance(first["tracked"], int)
    assert first["tracked"] > 0
    assert rest["tracked"] == 3000 - first["tracked"]


def test_an_empty_object_is_fine(imported: Imported, s3: S3) -> None:
    s3.put("empty.log", b"")
    assert imported(s3.url("empty.log"))["lines"] == 0


def test_status_and_the_next_job_know_an_object_by_its_url(run: Run, s3: S3) -> None:
    url = s3.put("a.log", log(range(10)))
    arguments = ("import", "--local", "--state-dir", "state", "--json")
    run(*arguments, "--job", "first", url, **s3.env)
    listed = run("status", "--state-dir", "state", "--json").summary
    assert f"'{url}'" in str(listed)
    second = run(*arguments, "--job", "second", url, **s3.env)
    assert f"{url}: imported before, under the job 'first'" in second.err
