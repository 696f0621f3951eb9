"""Sites by the hosts of a log: the user's table, the server's own list, the fallback, new sites and their cap."""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from log_importer.receiver import Receiver
from log_importer.receiver.access import Grant, Level
from log_importer.receiver.settings import SiteSetup
from tests.conftest import TOKENS, Done, Run
from tests.fault_server import Posted, Told, counted, serve, told_json

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SITES = (
    SiteSetup(1, "https://www.one.example"), SiteSetup(2, "http://two.example"), SiteSetup(3, "http://three.example"),
)  # fmt: skip


def line(host: str, number: int = 0, path: str = "/a") -> str:
    clock = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
    return f'{host} 192.0.2.{number % 250} - - [10/Oct/2025:{clock} +0000] "GET {path} HTTP/1.1" 200 12 "-" "{AGENT}"\n'


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    from log_importer.translation.bot_rules import judges

    verdicts = judges()
    everywhere = frozenset({1, 2, 3})
    grants = {
        TOKENS.superuser: Grant(Level.SUPERUSER), TOKENS.admin: Grant(Level.ADMIN, everywhere),
        TOKENS.write: Grant(Level.WRITE, everywhere), TOKENS.view: Grant(Level.VIEW, everywhere),
    }  # fmt: skip
    with Receiver(
        tmp_path / "db", is_bot=verdicts.is_bot, search_engine=verdicts.search_engine, grants=grants, sites=SITES
    ) as started:
        yield started


@pytest.fixture
def imported(receiver: Receiver, run: Run, tmp_path: Path) -> Callable[..., Done]:
    def go(log: str, *more: object, token: str = TOKENS.superuser, json: bool = True) -> Done:
        (tmp_path / "a.log").write_text(log)
        options = ("--url", receiver.url, "--state-dir", "state", *(["--json"] if json else []))
        return run("import", *options, *more, "a.log", LOG_IMPORTER_TOKEN_AUTH=token)

    return go


def stored(folder: Path) -> list[tuple[int, str]]:
    with contextlib.closing(sqlite3.connect(folder / "db")) as store:
        return store.execute(
            "SELECT visit.idsite, url FROM action JOIN visit USING (idvisit) ORDER BY 1, 2"
        ).fetchall()  # fmt: skip


def sites(folder: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(folder / "db")) as store:
        return [url for (url,) in store.execute("SELECT main_url FROM site ORDER BY idsite")]


LOG = (
    line("one.example") + line("WWW.ONE.example.", 1) + line("two.example:8080", 2, "/b") + line("x.other.example", 3)
    + line("other.example", 4)
)  # fmt: skip


@pytest.mark.parametrize("token", [TOKENS.superuser, TOKENS.admin, TOKENS.write])
def test_each_host_finds_its_site_on_the_server(imported: Callable[..., Done], token: str, tmp_path: Path) -> None:
    done = imported(LOG, token=token)
    assert (done.code, done.err) == (0, "")
    assert (done.summary["tracked"], done.summary["skipped"]) == (3, {"no-site": 2})
    assert done.summary["hosts_without_site"] == {"x.other.example": 1, "other.example": 1}
    # Scheme and host come from the log; where it does not say how, the site's main URL does.
    assert stored(tmp_path) == [
        (1, "https://one.example/a"), (1, "https://www.one.example/a"), (2, "http://two.example/b"),
    ]  # fmt: skip
    assert done.summary["sites"].keys() == {"1", "2"}


def test_the_users_table_comes_first_and_the_fallback_last(imported: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('[sites]\n"one.example" = 3\n"*.other.example" = 2\n')
    done = imported(LOG, "--config", "s.toml", "--site", "two.example=1", "--idsite-fallback", 3)
    assert (done.code, done.err, done.summary["tracked"]) == (0, "", 5)
    assert stored(tmp_path) == [
        (1, "https://two.example/b"), (1, "https://www.one.example/a"), (2, "http://x.other.example/a"),
        (3, "http://one.example/a"), (3, "http://other.example/a"),
    ]  # fmt: skip


def test_a_rule_can_name_the_site(imported: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('[[rule]]\nmatch = { host = "*other.example" }\nset = { idsite = 3 }\n')
    done = imported(LOG, "--config", "s.toml")
    assert (done.code, done.summary["tracked"]) == (0, 5)
    assert [idsite for idsite, _ in stored(tmp_path)] == [1, 1, 2, 3, 3]


def test_sites_are_made_for_new_hosts_and_found_again(imported: Callable[..., Done], tmp_path: Path) -> None:
    done = imported(LOG, "--add-sites-new-hosts")
    assert (done.code, done.summary["tracked"]) == (0, 5)
    assert done.summary["created_sites"] == {"x.other.example": 4, "other.example": 5}
    assert sites(tmp_path)[3:] == ["http://x.other.example", "http://other.example"]
    again = imported(LOG + line("x.other.example", 9), "--add-sites-new-hosts", "--max-new-sites", 0)
    assert (again.summary["tracked"], again.summary["created_sites"]) == (1, {})


HOSTILE = [
    "*.example.org", "a b.example", "a..example", "-a.example", "a-.example", "x" * 64 + ".example", "a." * 130 + "org",
    "203.0.113.5", "[2001:db8::1]", "2001:db8::1", "localhost", "a_b.example", "http://", "'or'1'='1", "../../etc",
    "<script>", "%00.example", "a.example/../b", "ex\u00e4mple.org", "a.b\x1b[31m.example", "a.123", "..",
    "a,b.example", "a.example;rm", "${jndi:ldap://x}",
]  # fmt: skip


def test_whoever_asks_a_web_server_cannot_make_sites_without_end(imported: Callable[..., Done], tmp_path: Path) -> None:
    """Names that are none make no site, and of those that are one, no more than the cap."""
    bad = "".join(json.dumps({"ts": number, "host": host}) + "\n" for number, host in enumerate(HOSTILE))
    good = "".join(json.dumps({"ts": 100 + number, "host": f"h{number}.example"}) + "\n" for number in range(40))
    records = [
        json.dumps({
            "time": f"2025-10-10T10:00:{number % 60:02}Z", "ip": "192.0.2.1", "path": "/a",
            "host": json.loads(row)["host"],
        })
        for number, row in enumerate((bad + good).splitlines())
    ]  # fmt: skip
    keys = [word for key in ("time=time", "client_ip=ip", "path=path", "host=host") for word in ("--json-field", key)]
    done = imported("\n".join(records) + "\n", "--add-sites-new-hosts", *keys)
    assert done.code == 0
    made = sites(tmp_path)[3:]
    assert made == [f"http://h{number}.example" for number in range(10)]
    assert done.err.count("10 sites were made, and no more are") == 1
    assert done.summary["tracked"] == 10
    assert done.summary["skipped"] == {"no-site": len(HOSTILE) + 30}


def test_bad_names_go_to_the_fallback_and_good_ones_get_sites(imported: Callable[..., Done], tmp_path: Path) -> None:
    log = line("new.example") + line("203.0.113.5", 1) + line("also.example", 2)
    done = imported(log, "--add-sites-new-hosts", "--max-new-sites", 1, "--idsite-fallback", 2)
    assert (done.code, done.summary["tracked"]) == (0, 3)
    assert stored(tmp_path) == [
        (2, "http://203.0.113.5/a"), (2, "http://also.example/a"), (4, "http://new.example/a"),
    ]  # fmt: skip


@pytest.mark.parametrize("workers", [0, 2])
def test_many_hosts_in_many_chunks_lose_nothing(
    workers: int, imported: Callable[..., Done], tmp_path: Path
) -> None:  # fmt: skip
    hosts = ["one.example", "two.example", *(f"scan{number}.example" for number in range(300)), "three.example"]
    log = "".join(line(hosts[number * 7 % len(hosts)], number, f"/{number}") for number in range(30_000))
    done = imported(log, "--workers", workers)
    wanted = sum(hosts[number * 7 % len(hosts)].split(".")[0] in ("one", "two", "three") for number in range(30_000))
    assert (done.code, done.summary["tracked"]) == (0, wanted)
    assert done.summary["lines"] == 30_000 == wanted + done.summary["skipped"]["no-site"]
    assert len(stored(tmp_path)) == wanted


def test_each_host_is_asked_for_once(run: Run, tmp_path: Path) -> None:
    asked: list[str] = []

    def script(posted: Posted) -> Told:
        if "/index.php" not in posted.path:
            return counted(len(posted.queries))
        form = posted.call
        if form["method"] != "SitesManager.getSitesIdFromSiteUrl":
            return told_json({"idsite": 1, "main_url": "http://site.example", "value": "5.2.0"})
        asked.append(form["url"])
        return told_json([{"idsite": 1}, {"idsite": "7"}] if form["url"] == "two.example" else [])

    (tmp_path / "a.log").write_text(LOG * 3)
    (tmp_path / "b.log").write_text(LOG)
    with serve() as server:
        server.script = script
        options = ("--url", server.url, "--state-dir", "state", "--json", "a.log", "b.log")
        done = run("import", *options, LOG_IMPORTER_TOKEN_AUTH=TOKENS.admin)
    assert sorted(asked) == ["one.example", "other.example", "two.example", "www.one.example", "x.other.example"]
    assert "two.example: belongs to site 1, and to 7 too; --site two.example=ID decides." in done.err


def failing(imported: Callable[..., Done], folder: Path, code: int, words: str, *more: object, **options: Any) -> None:
    done = imported(LOG, *more, json=False, **options)
    assert done.code == code, done
    assert words in done.err, done.err
    assert stored(folder) == []


def test_what_fails_is_named_before_anything_is_sent(imported: Callable[..., Done], tmp_path: Path) -> None:
    failing(imported, tmp_path, 4, "does not accept the token.", token="f" * 32)
    failing(imported, tmp_path, 4, "may look at site 1 but not import into it.", token=TOKENS.view)
    failing(imported, tmp_path, 4, "has no site 9.", "--idsite-fallback", 9)
    failing(imported, tmp_path, 4, "has no site 8.", "--site", "nobody.example=8")
    failing(imported, tmp_path, 2, "--site: 'x' is no HOST=ID.", "--site", "x")
    failing(imported, tmp_path, 2, "--idsite and --site both say the site.", "--site", "a.example=1", "--idsite", 1)


def test_only_a_superuser_can_make_sites(imported: Callable[..., Done], tmp_path: Path) -> None:
    done = imported(line("new.example"), "--add-sites-new-hosts", token=TOKENS.admin, json=False)
    assert done.code == 4
    assert "makes no site for new.example." in done.err
    assert "Only a superuser's token may" in done.err
    assert stored(tmp_path) == []


def test_a_log_without_hosts_needs_a_site(imported: Callable[..., Done], tmp_path: Path) -> None:
    log = line("").lstrip()
    failing(
        lambda _log, *more, **options: imported(log, *more, **options), tmp_path, 2,
        "a.log: no line of the format combined names its host",
    )  # fmt: skip
    assert imported(log, "--log-hostname", "two.example").summary["tracked"] == 1


def test_the_embedded_receiver_has_sites_by_host_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LOG)
    done = run("import", "--local", "--add-sites-new-hosts", "--state-dir", "state", "a.log")
    assert done.code == 0
    assert "Site 2 was made for one.example" in done.out
    done = run("import", "--local", "--idsite-fallback", 1, "--state-dir", "state2", "--json", "a.log")
    assert done.summary["tracked"] == 5


def test_what_has_no_site_is_told_with_its_cure(imported: Callable[..., Done]) -> None:
    done = imported(LOG + line("<x>", 8), json=False)
    assert (
        "Hosts without a site: x.other.example 1, other.example 1, others, or none that is a host's name 1" in done.out
    )
    assert "  Give them one in Matomo or with --site, and import their lines with --include-host." in done.out


def test_explain_goes_by_the_table_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LOG)
    done = run("explain", "--site", "*.other.example=4", "--site", "one.example=2", "a.log")
    rows = [json.loads(row) for row in done.out.splitlines()]
    assert [row.get("reason") or row["request"]["idsite"] for row in rows] == ["2", *["no-site"] * 2, "4", "no-site"]


def test_what_was_set_aside_is_retried_on_its_own_site(run: Run, tmp_path: Path) -> None:
    failing = True

    def script(posted: Posted) -> Told:
        if "/index.php" not in posted.path:
            bad = failing and any("two.example" in query for query in posted.queries)
            return (
                told_json({"status": "error", "tracked": 0, "invalid": 0}, 500) if bad else counted(len(posted.queries))
            )
        form = posted.call
        known = {"one.example": 1, "two.example": 2}.get(form.get("url", ""))
        if form["method"] == "SitesManager.getSitesIdFromSiteUrl":
            return told_json([{"idsite": known}] if known else [])
        return told_json({"idsite": 1, "main_url": "http://site.example", "value": "5.2.0"})

    (tmp_path / "a.log").write_text(LOG)
    with serve() as server:
        server.script = script
        options = ("--url", server.url, "--state-dir", "state", "--json", "--retry-delay", 0.01)
        first = run("import", *options, "a.log", LOG_IMPORTER_TOKEN_AUTH=TOKENS.admin)
        assert (first.code, first.summary["tracked"], first.summary["set_aside"]) == (1, 1, 1)
        failing = False
        server.posted.clear()
        again = run("retry", *options, LOG_IMPORTER_TOKEN_AUTH=TOKENS.admin)
        assert (again.code, again.summary["tracked"]) == (0, 1)
        assert [query[:10] for posted in server.bulk for query in posted.queries] == ["?idsite=2&"]
    status = run("status", "--state-dir", "state")
    assert "sites by host" in status.out
