"""Where a cluster's progress lies: with the destination; what an older version kept there goes on, or is refused."""

import shutil
from pathlib import Path

import pytest

from log_importer.model.errors import StateError
from log_importer.runs.cluster.run import Run
from log_importer.runs.cluster.state import place_of
from log_importer.settings import Settings
from log_importer.settings.arguments import make_settings
from log_importer.sources.shared_folder import open_shared
from log_importer.sources.state_folder import job_hash
from tests.data.ledgers.write import URL
from tests.runs.test_destination import DATA

OLD = sorted((DATA / "467f3a2" / "jobs").glob("*.sqlite3"))


def told(folder: Path, **more: object) -> Settings:
    given = {"url": URL, "idsite": 1, "token_auth": "0" * 32, "spark": "local", "shared_dir": str(folder)} | more
    return make_settings(given, terminal=False)


def put(folder: Path, ledger: Path) -> str:
    """The progress of an older version's job in the shared folder; its place."""
    to = folder / ledger.stem / "ledger.sqlite3"
    to.parent.mkdir(parents=True)
    shutil.copy(ledger, to)
    return str(to.parent)


def test_whatever_is_chosen_the_place_is_one(tmp_path: Path) -> None:
    settings = told(tmp_path)
    place = place_of(settings)
    assert place == f"{tmp_path}/{job_hash(settings.job_key)}"
    assert {place_of(told(tmp_path, exclude_ip=("192.0.2.7",))), place_of(told(tmp_path, timezone="Asia/Tokyo"))} == {
        place
    }
    assert place not in {
        place_of(told(tmp_path, **other)) for other in ({"idsite": 2}, {"job": "a"}, {"url": "http://b"})
    }


def test_the_folder_of_an_older_version_goes_on_and_two_of_them_are_refused(tmp_path: Path) -> None:
    (local, *_), mine = (
        [one for one in OLD if (b"embedded" in one.read_bytes()) == embedded] for embedded in (True, False)
    )
    put(tmp_path, local)
    own = f"{tmp_path}/{job_hash(told(tmp_path).job_key)}"
    assert place_of(told(tmp_path)) == own
    first = put(tmp_path, mine[0])
    assert place_of(told(tmp_path)) == place_of(told(tmp_path, status=("2xx",))) == first
    assert place_of(told(tmp_path, idsite=2)) not in (first, own)
    put(tmp_path, mine[1])
    with pytest.raises(
        StateError, match=r"progress of an older version .*site 1, --enable-http-errors.*nothing was sent"
    ):
        place_of(told(tmp_path))
    assert place_of(told(tmp_path, job="anew")).startswith(str(tmp_path))


def test_an_unfinished_first_run_of_an_older_version_is_refused(tmp_path: Path) -> None:
    shared = open_shared(f"{tmp_path}/0123456789abcdef")
    with Run(shared, "another destination") as run:
        run.begin("key", [], 4, 0.0)
    assert place_of(told(tmp_path)).endswith(job_hash(told(tmp_path).job_key))
    with Run(shared) as run:  # which says nothing of it
        run.begin("key", [], 4, 0.0)
    with pytest.raises(StateError, match=r"an unfinished run in .*0123456789abcdef"):
        place_of(told(tmp_path))
