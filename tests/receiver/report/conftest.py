"""A browser, a store that a real log was imported into, and what went wrong in the browser meanwhile."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from log_importer.receiver import Receiver
from log_importer.receiver.embedded import open_receiver
from tests.conftest import ROOT, command, environment, missing

WAIT = 20_000
"""Milliseconds for the page to show something, on a machine that is busy."""
_AXE = ROOT / ".axe" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; Playwright's own is not to be had everywhere."""
    path = shutil.which("chromium")
    if path is None:
        missing("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def looked_at(
    browser: Browser, address: str, *, width: int = 1400, height: int = 900, theme: str = "light"
) -> Iterator[Page]:
    """The page once it shows its figures; its console must stay empty, and nothing may leave this machine."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if theme == "dark" else "light"
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(f"{error} {error.stack}"))
    page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
    own = address.split("/report")[0]
    page.on("request", lambda asked: said.extend(elsewhere(asked.url, own)))
    try:
        page.goto(address)
        page.wait_for_selector("html[data-shown]", timeout=WAIT)
        counted = "() => !document.getElementById('status').textContent.includes('still to be counted')"
        page.wait_for_function(counted, timeout=WAIT)
        yield page
        assert said == []
    finally:
        context.close()


def sticking_out(page: Page) -> list[str]:
    """What is wider than the page: it would have to be scrolled, or be cut off."""
    script = """() => [document.documentElement, ...document.querySelectorAll("body *")]
        .filter(one => one.getBoundingClientRect().right > innerWidth + 1 || one.scrollWidth > innerWidth + 1)
        .map(one => `${one.tagName} ${one.className} ${one.textContent.slice(0, 40)}`)"""
    found: list[str] = page.evaluate(script)
    return found


def elsewhere(address: str, own: str) -> list[str]:
    """The address, where it is none of the page itself."""
    return [] if address.startswith((own, "blob:")) else [f"asked {address}"]


def imported(folder: Path, *arguments: object) -> Path:
    """The state folder that an import with these arguments leaves."""
    state = folder / "state"
    subprocess.run(
        command("import", "--local", "--state-dir", state, *arguments), cwd=folder, env=environment(folder),
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return state


@contextmanager
def served(state: Path) -> Iterator[Receiver]:
    """The receiver on what was imported."""
    with open_receiver(state) as receiver:
        yield receiver


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which looks for what keeps people from using a page."""
    if not _AXE.exists():
        missing("axe-core: npm install --prefix .axe axe-core")
    return _AXE.read_text()
