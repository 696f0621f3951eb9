"""Logs on web servers, with ranges and without, whole, growing, replaced and cut off."""

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.faults.common import log, marks, rows
from tests.sources.remote.conftest import Imported
from tests.sources.remote.web import Page, Web

MANY = 4000  # lines: some hundred KB, so that more than one range is asked for
NOISY = 9000  # lines that are over 1 MB when compressed, so that some more are


@pytest.mark.parametrize(
    ("how", "compress"),
    [
        ({}, bytes),
        ({}, gzip.compress),
        ({"ranges": False}, gzip.compress),
        ({"ranges": False, "says_ranges": False}, bytes),
        ({"says_ranges": False}, bytes),
        ({"ranges": False, "length": False}, bytes),
        ({"ranges": False, "length": False, "etag": False}, gzip.compress),
        ({"etag": False}, bytes),
    ],
)
def test_a_log_is_read_however_its_server_gives_it(
    how: dict[str, bool], compress: Callable[[bytes], bytes], imported: Imported, web: Web, tmp_path: Path
) -> None:
    page = web.pages["/a.log"] = Page(compress(log(range(MANY))), **how)  # type: ignore[arg-type]
    assert imported(f"{web.url}/a.log")["tracked"] == MANY
    assert imported(f"{web.url}/a.log")["lines"] == 0
    page.data = compress(log(range(MANY + 10)))
    assert imported(f"{web.url}/a.log")["tracked"] == 10
    assert rows(tmp_path / "state" / "receiver.sqlite3") == dict.fromkeys(marks(range(MANY + 10)), 1)


@pytest.mark.parametrize(
    "page",
    [
        Page(log(range(50))),
        Page(log(range(50)), etag=False, modified="Sun, 01 Mar 2026 10:00:00 GMT"),
        Page(log(range(50)), ranges=False),
        Page(log(range(50)), ranges=False, length=False),
        Page(gzip.compress(log(range(50))), encoding="gzip"),
    ],
)
def test_what_is_as_it_was_is_not_read_again(page: Page, imported: Imported, web: Web) -> None:
    web.pages["/a.log"] = page
    imported(f"{web.url}/a.log")
    page.gets = 0
    assert imported(f"{web.url}/a.log")["known_lines"] == 50
    assert page.gets <= (not page.length or bool(page.encoding)), "fsspec looks for a size, and reads nothing"


def test_a_question_mark_begins_a_query_and_a_star_is_a_star(imported: Imported, web: Web) -> None:
    web.pages["/a*.log"] = Page(log(range(50)))
    assert imported(f"{web.url}/a*.log?day=[1]*")["tracked"] == 50
    assert any("/a*.log?day=" in asked for asked in web.asked)


def test_a_compressed_log_that_is_called_encoded_is_read_as_it_lies(imported: Imported, web: Web) -> None:
    whole = gzip.compress(log(range(MANY)))
    page = web.pages["/a.log.gz"] = Page(whole[: len(whole) // 2], encoding="gzip")
    first = imported(f"{web.url}/a.log.gz", code=1)["tracked"]
    page.data = whole
    rest = imported(f"{web.url}/a.log.gz")["tracked"]
    assert isinstance(first, int)
    assert 0 < first < MANY
    assert rest == MANY - first


def test_a_log_that_grows_while_it_is_read_is_whole(imported: Imported, web: Web) -> None:
    page = web.pages["/a.log"] = Page(log(range(MANY)))

    def grow(count: int) -> None:
        page.data = log(range(MANY + count))

    page.before = grow
    first = imported(f"{web.url}/a.log")["tracked"]
    page.before = int
    second = imported(f"{web.url}/a.log")["tracked"]
    assert isinstance(first, int)
    assert isinstance(second, int)
    assert first >= MANY
    assert first + second == page.data.count(b"\n")


def noise(seed: int) -> bytes:
    """A log that no compression makes much smaller."""
    chance = random.Random(seed)
    lines = log(range(NOISY)).splitlines(keepends=True)
    return b"".join(
        line.replace(b'"-"', f'"http://x.example/{chance.randbytes(150).hex()}"'.encode()) for line in lines
    )


@pytest.mark.parametrize("longer", [False, True])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_log_that_is_replaced_while_it_is_read_is_incomplete_and_sorted_out_later(
    compress: Callable[[bytes], bytes], longer: bool, run: Run, imported: Imported, web: Web
) -> None:
    page = web.pages["/a.log"] = Page(compress(noise(1)))
    size = len(page.data)

    def replace(count: int) -> None:
        if count == 4:  # one is for the look at its format
            page.data = compress(noise(2)) * 2 if longer else compress(noise(2))[:size].ljust(size, b"\n")

    page.before = replace
    done = run("import", "--local", "--state-dir", "state", f"{web.url}/a.log")
    assert done.code == 1, done.err
    assert "it was replaced while it was read" in done.out + done.err
    page.before, page.data = int, compress(noise(2))
    again = imported(f"{web.url}/a.log")
    assert again["lines"] == NOISY, "it is another log, and all of it is read"
    assert imported(f"{web.url}/a.log")["lines"] == 0


def test_a_connection_that_breaks_off_is_said_and_the_rest_comes_next_time(
    run: Run, imported: Imported, web: Web
) -> None:
    page = web.pages["/a.log"] = Page(log(range(MANY)), broken_at=100_000)
    page.ranges = False
    done = run(
        "import", "--local", "--state-dir", "state", "--json", f"{web.url}/a.log", "--log-format-name", "combined"
    )
    assert done.code == 3, done.err
    assert "reading stopped at byte" in done.err
    assert "the connection failed or broke off" in done.err
    page.broken_at = 0
    rest = imported(f"{web.url}/a.log")["tracked"]
    assert isinstance(rest, int)
    assert done.summary["tracked"] + rest == MANY


def test_a_redirect_is_followed(imported: Imported, web: Web) -> None:
    web.pages["/now.log"] = Page(b"", status=302, location="/then.log", etag=False)
    web.pages["/then.log"] = Page(log(range(50)))
    assert imported(f"{web.url}/now.log")["tracked"] == 50


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (403, "access is refused (403). Check the URL and its signature"),
        (404, "there is no such object. Check the name."),
        (500, "the server answered 500."),
    ],
)
def test_a_refusal_is_one_sentence(status: int, sentence: str, run: Run, web: Web) -> None:
    web.pages["/a.log"] = Page(b"", status=status)
    done = run("import", "--local", f"{web.url}/a.log")
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert f"{web.url}/a.log: cannot be read: {sentence}" in done.err


def test_explain_and_detect_and_a_dry_run_take_a_url(run: Run, web: Web) -> None:
    web.pages["/a.log"] = Page(log(range(50)))
    url = f"{web.url}/a.log"
    assert run("explain", url).out.count('"outcome":"tracked"') == 50
    assert run("formats", "detect", url).out == f"{url}: combined\n"
    assert run("import", "--local", "--dry-run", "--json", url).summary["pending"] == 50


def test_what_is_secret_in_a_url_is_used_and_never_shown(run: Run, web: Web, tmp_path: Path) -> None:
    web.pages["/a.log"] = Page(log(range(50)) + b"nothing\n")
    address = web.url.removeprefix("http://")
    query = "day=3&X-Amz-Signature=5ecret&X-Amz-Credential=5ecret"
    done = run(
        "import", "--local", "--state-dir", "state", "--rejects", "rejects", f"http://me:5ecret@{address}/a.log?{query}"
    )
    assert done.code == 0, done.err
    assert f"{web.url}/a.log?day=3" in done.out
    assert any(f"/a.log?{query}" in asked for asked in web.asked)
    missing = run("import", "--local", f"http://me:5ecret@{address}/b.log?{query}")
    status = run("status", "--state-dir", "state")
    explained = run("explain", f"http://me:5ecret@{address}/a.log?{query}")
    assert "5ecret" not in done.out + done.err + missing.err + status.out + explained.out + explained.err
    kept = [file for file in (tmp_path / "state").rglob("*") if file.is_file()] + [tmp_path / "rejects"]
    assert [file for file in kept if b"5ecret" in file.read_bytes()] == []
