"""The report's page in a real browser: its numbers are the store's, at any width, in both themes, while they change."""

import json
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page

from log_importer.receiver import Receiver
from tests.conftest import ROOT, command, environment, missing
from tests.receiver.report.conftest import WAIT, imported, looked_at, served, sticking_out

TOTALS = {
    "visits": "SELECT count(*) FROM visit", "visitors": "SELECT count(DISTINCT idsite || visitor) FROM visit",
    "actions": "SELECT count(*) FROM action", "downloads": "SELECT count(*) FROM action WHERE type = 'download'",
    "searches": "SELECT count(*) FROM action WHERE type = 'search'",
    "conversions": "SELECT count(*) FROM action WHERE type IN ('goal', 'order')",
}  # fmt: skip
TABLES = {
    "pages": "SELECT url, count(*) FROM action WHERE type = 'view' GROUP BY 1",
    "entries": "SELECT coalesce(entry_url, ''), count(*) FROM visit GROUP BY 1",
    "downloads": "SELECT url, count(*) FROM action WHERE type = 'download' GROUP BY 1",
    "searches": "SELECT search_keyword, count(*) FROM action WHERE type = 'search' GROUP BY 1",
    "search_engines": "SELECT referrer_name, count(*) FROM visit WHERE referrer_type = 'search' GROUP BY 1",
    "websites": "SELECT referrer_name, count(*) FROM visit WHERE referrer_type = 'website' GROUP BY 1",
    "campaigns": "SELECT referrer_name, count(*) FROM visit WHERE referrer_type = 'campaign' GROUP BY 1",
}  # fmt: skip


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an import of a real log leaves, and some hits on a second site."""
    log = ROOT.parent / "shared" / "data" / "apache-combined-10k.log.gz"
    if not log.exists():
        missing(f"../shared/data/{log.name}")
    state = imported(tmp_path_factory.mktemp("page"), log)
    with served(state) as receiver:
        receiver.store.add_site("two.example", "http://two.example")
        hits = [
            f"?idsite=2&rec=1&cdt=2015-05-18+10:00:{n:02}&cip=192.0.2.{n}&url=http://two.example/{n % 3}&search={word}"
            for n, word in enumerate(("lamp", "%3D1%2B1", "-desk", "%40sum", "%2Btable", "lamp", "a%22b,c") * 3)
        ]
        body = {"requests": hits, "token_auth": receiver.token}
        assert requests.post(f"{receiver.url}/matomo.php", json=body, timeout=10).json()["tracked"] == 21
    return state


@pytest.fixture(scope="module")
def receiver(state: Path) -> Iterator[Receiver]:
    with served(state) as running:
        yield running


def rows(state: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(state / "receiver.sqlite3")) as database:
        return database.execute(sql).fetchall()


def totals(page: Page) -> dict[str, int]:
    """The large numbers that the page shows."""
    return {
        name: int(page.inner_text(f"#total-{name} dd span").replace(",", "")) for name in TOTALS
    }  # fmt: skip


def shown(page: Page, name: str) -> list[tuple[str, int]]:
    """The rows of a table that the page shows: whole label and number."""
    script = "rows => rows.map(row => [row.cells[0].title, Number(row.cells[1].textContent.replaceAll(',', ''))])"
    found = page.eval_on_selector_all(f"#panel-{name} tbody tr", script)
    return [(label, number) for label, number in found]


def largest(counts: list[Any]) -> list[int]:
    return sorted((number for _, number in counts), reverse=True)[:10]


_CUT_OFF = """async sections => {
    const found = [];
    for (const section of sections) {
        section.scrollIntoView();  // one that is not seen is not laid out
        for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
        const end = section.getBoundingClientRect().bottom + 0.5;
        const all = [...section.querySelectorAll(".panel")];
        const panels = all.filter((one) => one.getBoundingClientRect().bottom > end);
        found.push(...panels.map((panel) => panel.innerText));
    }
    return found;
}"""
"""Panels that go on below their section, which shows no more of them."""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1400])
def test_it_shows_what_sql_gives_at_any_width_in_both_themes(
    width: int, theme: str, state: Path, receiver: Receiver, browser: Browser
) -> None:
    with looked_at(browser, receiver.report, width=width, theme=theme) as page:
        assert totals(page) == {name: rows(state, sql)[0][0] for name, sql in TOTALS.items()}
        for name, sql in TABLES.items():
            counts = dict(rows(state, sql))
            table = shown(page, name)
            assert [number for _, number in table] == largest(list(counts.items())), name
            assert {label: counts[label] for label, _ in table} == dict(table), name
        assert sticking_out(page) == []
        assert page.eval_on_selector_all("main > section", _CUT_OFF) == []
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall("[0-9]+", background)[:3])) < 200) == (theme == "dark")
        painted = """canvas => new Set(new Uint32Array(canvas.getContext("2d")
            .getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""
        assert all(page.eval_on_selector(f"{chart} canvas", painted) > 10 for chart in ("#by-day", "#by-hour"))


def test_the_account_of_the_import_is_there(state: Path, receiver: Receiver, browser: Browser) -> None:
    account = json.loads(next((state / "receiver-runs").glob("*.json")).read_bytes())
    with looked_at(browser, receiver.report) as page:
        listed = dict(
            zip(
                page.locator(".buckets dt").all_text_contents(),
                page.locator(".buckets dd").all_text_contents(),
                strict=True,
            )
        )
        assert listed == {"lines read": "10,000", "tracked": "1,792", "skipped": "8,207", "rejected": "1"}
        assert dict(shown(page, "bots")) == dict(list(account["bots"].items())[:10])
        assert shown(page, "statuses") == [("404", 205), ("403", 2), ("416", 2), ("500", 2)]
        summary = page.locator("summary:has-text('unreadable')")
        assert summary.text_content() == "unreadable rejected: it cannot be read by the source's format"
        summary.click()
        sample = page.locator("details[data-reason=unreadable] li")
        assert "line 8,899" in sample.inner_text()
        assert "The line ends too soon." in sample.inner_text()


def test_a_filter_by_site_or_days_changes_all_numbers(state: Path, receiver: Receiver, browser: Browser) -> None:
    def wait(before: str) -> str:
        page.wait_for_function("before => document.documentElement.dataset.shown !== before", arg=before)
        return str(page.evaluate("document.documentElement.dataset.shown"))

    with looked_at(browser, receiver.report) as page:
        at = page.evaluate("document.documentElement.dataset.shown")
        page.select_option("#site", "2")
        at = wait(at)
        assert totals(page) == {
            "visits": 21, "visitors": 21, "actions": 21, "downloads": 0, "searches": 21, "conversions": 0,
        }  # fmt: skip
        page.select_option("#site", "1")
        at = wait(at)
        page.fill("#from", "2015-05-18")
        page.dispatch_event("#from", "change")
        at = wait(at)
        page.fill("#to", "2015-05-19")
        page.dispatch_event("#to", "change")
        at = wait(at)
        days = "idsite = 1 AND date(first_action_time) IN ('2015-05-18', '2015-05-19')"
        assert totals(page)["visits"] == rows(state, f"SELECT count(*) FROM visit WHERE {days}")[0][0]
        entries = dict(rows(state, f"SELECT coalesce(entry_url, ''), count(*) FROM visit WHERE {days} GROUP BY 1"))
        assert {label: entries[label] for label, _ in shown(page, "entries")} == dict(shown(page, "entries"))
        assert page.evaluate("location.search") == "?idsite=1&from=2015-05-18&to=2015-05-19"
        page.click("[data-days='1']")
        wait(at)
        assert (page.input_value("#from"), page.input_value("#to")) == ("2015-05-20", "2015-05-20")
        last = "idsite = 1 AND date(time) = '2015-05-20'"
        assert totals(page)["actions"] == rows(state, f"SELECT count(*) FROM action WHERE {last}")[0][0]
    with looked_at(browser, f"{receiver.report}?idsite=2") as page:
        assert totals(page)["visits"] == 21, "the address says what is chosen"


def saved(page: Page, name: str) -> str:
    with page.expect_download() as waited:
        page.click(f"button[aria-label='{name}']")
    return Path(waited.value.path()).read_text()


def test_a_table_is_saved_whole_and_no_cell_of_it_is_a_formula(
    state: Path, receiver: Receiver, browser: Browser
) -> None:
    pages = dict(rows(state, TABLES["pages"]))
    assert len(pages) > 100
    with looked_at(browser, receiver.report) as page:
        found = json.loads(saved(page, "Pages as JSON"))
        assert {row["page"]: row["views"] for row in found} == pages
        lines = saved(page, "Pages as CSV").splitlines()
        assert lines[0] == "page,views"
        assert len(lines) == len(pages) + 1
        assert sorted(saved(page, "Site searches as CSV").splitlines()) == [
            '"a""b,c",3', "'+table,3", "'-desk,3", "'=1+1,3", "'@sum,3", "keyword,searches", "lamp,6",
        ]  # fmt: skip
        days = saved(page, "By day as CSV").splitlines()
        assert days[0] == "Day,Actions,Visits,Visitors"
        assert sum(int(line.split(",")[2]) for line in days[1:]) == rows(state, TOTALS["visits"])[0][0]


def test_all_of_it_can_be_had_by_keyboard(receiver: Receiver, browser: Browser) -> None:
    with looked_at(browser, receiver.report, width=360) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the figures"
        reached = set()
        for _ in range(120):
            page.keyboard.press("Tab")
            script = "(one => [one.id, one.getAttribute('aria-label'), one.textContent])(document.activeElement)"
            reached |= set(filter(None, page.evaluate(script)))
        wanted = {"theme", "site", "from", "to", "7 days", "Pages as CSV", "Browsers as JSON", "Figures"}
        assert wanted - reached == set()
        page.focus("#panel-pages .more")
        page.keyboard.press("Enter")
        assert page.locator("#panel-pages tbody tr").count() == 50
        page.focus("#theme")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        page.reload()
        page.wait_for_selector("html[data-shown]", timeout=WAIT)
        assert page.evaluate("document.documentElement.dataset.theme") == "dark", "it is remembered"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(theme: str, receiver: Receiver, browser: Browser, axe: str) -> None:
    with looked_at(browser, receiver.report, height=7000, theme=theme) as page:  # what is not seen is not judged
        for summary in page.locator("summary").all():
            summary.click()
        page.evaluate(axe)
        found = page.evaluate("axe.run().then(result => result.violations)")
        serious = [
            (one["id"], [node["target"] for node in one["nodes"]][:3])
            for one in found if one["impact"] in ("serious", "critical")
        ]  # fmt: skip
        assert serious == []


LINE = '192.0.2.{0} - - [01/Mar/2026:10:{0:02}:00 +0000] "GET /page/{0} HTTP/1.1" 200 5 "-" "Mozilla/5.0 Firefox/140"\n'


def test_it_follows_a_running_import(browser: Browser, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("import", "--preview", "--state-dir", "s", "--flush-after", 0.5, "-"), cwd=tmp_path,
        env=environment(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        told = process.stderr.readline().decode()
        address = re.findall(r"http://127\.0\.0\.1:[0-9]+/report", told)[0]
        with looked_at(browser, address) as page:
            assert totals(page)["visits"] == 0
            for first, last in ((1, 4), (4, 9)):
                os.write(process.stdin.fileno(), "".join(LINE.format(n) for n in range(first, last)).encode())
                visits = "expected => document.querySelector('#total-visits dd span').textContent === expected"
                page.wait_for_function(visits, arg=str(last - 1), timeout=WAIT)
            page.wait_for_function(
                "() => document.getElementById('status').textContent.includes('8 lines read, 8 tracked')", timeout=WAIT
            )
            process.stdin.close()
            page.wait_for_function(
                "() => document.getElementById('import-note').textContent.includes('has ended')", timeout=WAIT
            )
            assert (page.text_content(".buckets") or "") == "lines read8tracked8skipped0rejected0"
        stays = process.stderr.readline().decode()
        while "until Ctrl-C" not in stays:
            stays = process.stderr.readline().decode()
        assert f"the report stays at {address} until Ctrl-C" in stays
    finally:
        process.send_signal(signal.SIGINT)
        code, rest = process.wait(20), process.stderr.read().decode()
        process.stderr.close()
        assert process.stdout is not None
        out = process.stdout.read().decode()
        process.stdout.close()
    assert (code, "Traceback" in rest) == (0, False), rest
    assert "tracked                8" in out
