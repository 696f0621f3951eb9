"""`status`: what it tells of lines that were posted and never answered."""

import json
from pathlib import Path

from tests.conftest import Run
from tests.fault_server import Posted, Told, good, serve
from tests.faults.common import log
from tests.faults.test_asking import begin


def test_lines_that_were_posted_and_never_answered_are_listed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(log(range(30)))
    posts = list[Posted]()

    def script(posted: Posted) -> Told:
        if b'"requests"' in posted.body and b"ping=1" not in posted.body:
            posts.append(posted)
            if len(posts) == 2:
                process.kill()
        return good(posted)

    with serve(script) as server:
        process = begin(tmp_path, server.url, "--recorder-max-payload-size", 10, "--recorders", 1, "a.log")
        process.communicate(timeout=180)
    (job,) = json.loads(run("status", "--json", "--state-dir", "state").out)["jobs"]
    (source,) = job["sources"]
    assert len(source["unanswered"]) == len(posts[1].queries) > 0
    assert (
        "posted and never answered, the next import of the source decides: "
        in run("status", "--state-dir", "state").out
    )
