"""A bucket for each test, and a web server."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import Run
from tests.sources.remote.s3 import S3
from tests.sources.remote.web import Web, web_server


@pytest.fixture
def s3(s3_server: tuple[str, Path]) -> S3:
    """A bucket of its own."""
    return S3(*s3_server, f"bucket-{uuid4().hex[:12]}")


@pytest.fixture
def here(s3: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The same, for code that reads it in this process."""
    for name, value in s3.env.items():
        monkeypatch.setitem(os.environ, name, value)
    return s3


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


Imported = Callable[..., dict[str, object]]


@pytest.fixture
def imported(run: Run, s3: S3) -> Imported:
    """Imports sources into the embedded receiver of the test; the summary, which has to end with `code`."""
    go = partial(run, **s3.env)

    def summary(*sources: object, code: int = 0, state: str = "state") -> dict[str, object]:
        done = go("import", "--local", "--state-dir", state, "--json", *sources)
        assert done.code == code, done.err
        found: dict[str, object] = done.summary
        return found

    return summary
