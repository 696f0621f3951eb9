"""How soon the report's page shows its figures, and how soon a filter changes them, over a million actions.

    .venv/bin/python -m bench.report [ACTIONS]

The store is written with SQL, as the receiver would have left it (bench/report_store.py): two sites, 120 days, 250,000
visits, 20,000 addresses, 2,000 user agents. It is counted once, as an idle receiver does in the background, and that is
timed too. Then a real browser opens the page and chooses each filter, of days that nobody had asked for. A time ends
when the change is painted.
"""

import shutil
import statistics
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from bench.report_store import fill
from log_importer.receiver.embedded import open_receiver, receiver_database
from log_importer.receiver.report.counting import count_all
from log_importer.sources.state_folder import open_state

ROUNDS = 5
FILTERS = {
    "a site": ("1", "2026-01-02", ""), "a month": ("", "2026-02-01", "2026-02-28"),
    "30 days": ("", "2026-03-17", "2026-04-15"),
    "a site, 75 days": ("2", "2026-01-20", "2026-04-05"), "a day": ("", "2026-03-03", "2026-03-03"),
    "all but a few days": ("", "2026-01-02", ""),
}  # fmt: skip
_PAINTED = """new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => {painted = performance.now();})))
    .observe(document, {attributes: true, attributeFilter: ["data-shown"], subtree: true}); let painted = 0;
    window.paintedAt = () => painted;"""
_CHOOSE = """([site, from, to]) => new Promise((resolve) => {
    const began = performance.now();
    for (const [id, value] of [["site", site], ["from", from], ["to", to]]) document.getElementById(id).value = value;
    document.getElementById("to").dispatchEvent(new Event("change"));
    const look = () => window.paintedAt() > began ? resolve(window.paintedAt() - began) : setTimeout(look, 1);
    look();
})"""


def main(actions: int) -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory() as folder:
        state = open_state(Path(folder) / "state")
        store = receiver_database(state)
        began = time.perf_counter()
        visits = fill(store, actions)
        print(
            f"report: {actions:,} actions in {visits:,} visits, written with SQL in {time.perf_counter() - began:.0f} s"
        )
        began = time.perf_counter()
        count_all(store)
        seconds = time.perf_counter() - began
        print(f"  counted once in {seconds:.0f} s, {actions / seconds:,.0f} actions a second")
        with open_receiver(state) as receiver, sync_playwright() as playwright:
            receiver.use_leisure()
            time.sleep(4)  # as one that runs already has had
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            first = []
            for _ in range(ROUNDS):
                page = browser.new_page()
                page.add_init_script(_PAINTED)
                first.append(opened(page, receiver.report))
                if len(first) < ROUNDS:
                    page.close()
            told("first paint with all figures", first, 1000)
            every = []
            for name, chosen in FILTERS.items():
                times = []
                for number in range(ROUNDS):
                    page.evaluate(_CHOOSE, ["", "2026-01-31", "2026-02-01"])  # from another filter, so that it changes
                    times.append(float(page.evaluate(_CHOOSE, list(later(chosen, number)))))
                told(f"filter, {name}", times, 300)
                every += times
            told("filter, all of these", every, 300)
            browser.close()


def later(chosen: tuple[str, str, str], days: int) -> tuple[str, str, str]:
    """The same filter some days later, so that nobody has asked for that yet; "" stays."""
    moved = [str(date.fromisoformat(day) + timedelta(days=days)) if day else "" for day in chosen[1:]]
    return chosen[0], moved[0], moved[1]


def opened(page: Page, address: str) -> float:
    """Milliseconds from asking for the page to its figures on the screen."""
    page.goto(address)
    page.wait_for_function("() => window.paintedAt() > 0", timeout=60_000)
    return float(page.evaluate("window.paintedAt()"))


def told(what: str, times: list[float], wanted: int) -> None:
    """Prints the median and the ends."""
    print(f"  {what}: {statistics.median(times):.0f} ms ({min(times):.0f} to {max(times):.0f}; wanted: under {wanted})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
