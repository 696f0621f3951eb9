"""`retry`: where it sends what was held."""

from pathlib import Path

from tests.conftest import TOKENS, Run
from tests.fault_server import Posted, Told, good, serve
from tests.faults.common import log, send


def test_each_job_is_retried_at_its_own_endpoint(run: Run, tmp_path: Path) -> None:
    def firewall(posted: Posted) -> Told:
        hits = b'"requests"' in posted.body and b"ping=1" not in posted.body
        return Told(403, b"<title>Request Rejected</title>") if hits else good(posted)

    (tmp_path / "a.log").write_bytes(log(range(1)))
    (tmp_path / "b.log").write_bytes(log(range(1, 2)))
    with serve(firewall) as server:
        for job, name, more in (("old", "a.log", ("--tracker-endpoint-path", "matomo.php")), ("new", "b.log", ())):
            done = send(run, server.url, "--job", job, *more, name)
            assert done.summary["set_aside"] == 1, done
        server.script, before = good, len(server.bulk)
        assert run("retry", "--state-dir", "state", LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser).code == 0
        sent = [posted.path.partition("?")[0] for posted in server.bulk[before:]]
    assert sorted(sent) == ["/matomo.php", "/piwik.php"]
