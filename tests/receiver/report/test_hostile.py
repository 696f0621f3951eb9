"""Whatever clients write into a log: nothing of it runs, leaves the machine or breaks the layout."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page

from tests.conftest import Run
from tests.receiver.report.conftest import imported, looked_at, served, sticking_out

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
WHEN = "[01/Mar/2026:10:00:00 +0000]"
TEXTS = (
    "<script>document.title='ran'</script>", "\"><img src=x onerror=document.title='ran'>",
    "</script><script>alert(1)</script>",
    "<!--<script>", "javascript:alert(1)", "\x1b[31mred\x1b[0m", "\u202eevil\u2066", "&lt;b&gt;&#60;", "{{7*7}}",
    "'+alert(1)+'",
    "x" * 10_000, "é" * 300, "\u2028\u2029", "=cmd|'/C calc'!A0", "__proto__", "constructor",
)  # fmt: skip


def log(folder: Path) -> Path:
    """A log in which each hostile text is once a path, a referrer, a campaign, a keyword, a file and a user agent."""
    lines = []
    for number, text in enumerate(TEXTS):
        raw = text.replace('"', "%22").replace(" ", "%20")
        for path in (f"/{raw}", f"/?q={raw}", f"/?utm_campaign={raw}", f"/{raw}.pdf", "/"):
            for agent in (AGENT, f"{AGENT} {text.replace(chr(34), '')}"[:8000]):
                referrer = f"http://{number}.example/{raw}"
                lines.append(f'192.0.2.{number} - - {WHEN} "GET {path} HTTP/1.1" 200 5 "{referrer}" "{agent}"')
        lines.append(f"no line of this format {text}")
        lines.append(f'192.0.2.9 - - {WHEN} "GET /{raw} HTTP/1.1" 404 5 "-" "{AGENT}"')
    file = folder / "<img src=x onerror=document.title='ran'>.log"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    return imported(folder, "--log-format-name", "combined", log(folder))


@contextmanager
def either(kind: str, state: Path, run: Run, tmp_path: Path, browser: Browser, width: int) -> Iterator[Page]:
    """The report, served or as a file."""
    if kind == "page":
        with served(state) as receiver, looked_at(browser, receiver.report, width=width) as page:
            yield page
        return
    assert run("report", "-o", "report.html", "--state-dir", state).code == 0
    with looked_at(browser, f"file://{tmp_path}/report.html", width=width) as page:
        yield page


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("kind", ["page", "file"])
def test_nothing_runs_and_nothing_sticks_out(
    kind: str, width: int, state: Path, run: Run, tmp_path: Path, browser: Browser
) -> None:
    with either(kind, state, run, tmp_path, browser, width) as page:
        for more in page.locator(".more:visible").all():
            more.click()
        for summary in page.locator("summary").all():
            summary.click()
        text = page.text_content("main") or ""
        for wanted in ("<script>document.title='ran'</script>", "\\x1b[31mred", "\\u202eevil\\u2066", "{{7*7}}"):
            assert wanted in text
        assert not {"\x1b", "\u202e", "\u2066", "\u2028"} & set(text)
        assert page.title() == "Report · log-importer"
        assert page.locator("img, iframe, main script, main a").count() == 0
        assert sticking_out(page) == []
        assert "stopped" in text, "where the format stopped is told"


def test_the_page_may_do_nothing_but_show_itself(state: Path) -> None:
    with served(state) as receiver:
        for path in ("/report", "/report/page/all.js", "/report/data", "/report/table/pages", "/report/page/none"):
            answer = requests.get(receiver.url + path, timeout=10)
            assert answer.headers["Content-Security-Policy"] == (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            )
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"
            assert "Access-Control-Allow-Origin" not in answer.headers
        page = requests.get(f"{receiver.url}/report", timeout=10).text
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page
        assert "//" not in page.replace("<!DOCTYPE html>", ""), "it names no other place"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:{}", 200), ("127.0.0.1:{}", 200), ("[::1]:{}", 200),
        ("evil.example", 421), ("evil.example:{}", 421), ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:{}", 421), ("", 421),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/report", "/report/data", "/report/table/pages", "/report/page/all.js"])
def test_a_name_that_leads_here_by_a_trick_is_told_nothing(path: str, host: str, status: int, state: Path) -> None:
    with served(state) as receiver:
        header = host.format(receiver.url.rpartition(":")[2])
        answer = requests.get(receiver.url + path, headers={"Host": header}, timeout=10)
        assert answer.status_code == status
        assert ("192.0.2" in answer.text) <= (status == 200)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/report/data?idsite=x", 400), ("/report/data?from=yesterday", 400), ("/report/data?to=2026-13-01", 400),
        ("/report/data?idsite=99", 200), ("/report/table/passwords", 400), ("/report/page/..%2fpage.py", 404),
        ("/report/page/../guard.py", 404), ("/report/data?from=2030-01-01", 200),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_in_a_sentence(path: str, status: int, state: Path) -> None:
    with served(state) as receiver:
        answer = requests.get(receiver.url + path, timeout=10)
        assert answer.status_code == status
        if status == 400:
            assert answer.json()["error"].endswith(".")


def test_the_file_holds_its_figures_where_nothing_ends_them(state: Path, run: Run, tmp_path: Path) -> None:
    assert run("report", "-o", "report.html", "--state-dir", state).code == 0
    page = (tmp_path / "report.html").read_text()
    data = page.partition('<script type="application/json" id="report-data">')[2].partition("</script>")[0]
    assert "<" not in data
    assert json.loads(data)["totals"]["visits"] > 0
    assert "script-src 'sha256-" in page
    assert "unsafe" not in page.partition("</head>")[0].partition("<style>")[0]
