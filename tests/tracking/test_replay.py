"""A tracker's own access log, sent again: every hit with the parameters that it had."""

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from log_importer.receiver import Receiver
from log_importer.receiver.access import Grant, Level
from log_importer.receiver.settings import SiteSetup
from log_importer.translation.bot_rules import judges
from tests.conftest import TOKENS, Run

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
PAGE = "https://www.example.org/page?x=1"


def line(target: str, *, status: int = 200, method: str = "GET", second: int = 0, referrer: str = PAGE) -> str:
    return (
        f'192.0.2.1 - - [10/Oct/2025:10:00:{second:02} +0000] "{method} {target} HTTP/1.1" {status} 43 "{referrer}" '
        f'"{AGENT}"\n'
    )


def explained(run: Run, folder: Path, log: str, *arguments: str) -> list[dict[str, Any]]:
    (folder / "a.log").write_text(log)
    done = run("explain", "--replay-tracking", *arguments, "a.log")
    assert (done.code, done.err) == (0, "")
    return [json.loads(row) for row in done.out.splitlines()]


def sent(run: Run, folder: Path, query: str, *arguments: str) -> dict[str, str]:
    (row,) = explained(run, folder, line(f"/matomo.php?{query}"), *arguments)
    request: dict[str, str] = row["request"]
    return request


def test_a_hit_is_sent_with_its_own_parameters(run: Run, tmp_path: Path) -> None:
    query = (
        "idsite=7&rec=1&action_name=Caf%C3%A9%20%26%20more&url=https%3A%2F%2Fwww.example.org%2Fa%3Fb%3D1&_id=af344a398df83874"
        "&rand=12&urlref=&h=12&m=1&s=3&pf_net=5&ec_items=%5B%5B%22sku%22%5D%5D&a[b][]=v&a[b][]=w&token_auth=secret&send_image=0"
    )  # fmt: skip
    (row,) = explained(run, tmp_path, line(f"/matomo.php?{query}"))
    assert row["outcome"] == "tracked"
    assert "secret" not in json.dumps(row), "a token in a log is nobody's business"
    assert row["request"] == {
        "idsite": "7", "rec": "1", "apiv": "1", "dp": "1", "cdt": "2025-10-10 10:00:00", "cip": "192.0.2.1",
        "ua": AGENT, "url": "https://www.example.org/a?b=1", "action_name": "Café & more",
        "_id": "af344a398df83874", "rand": "12",
        "h": "12", "m": "1", "s": "3", "pf_net": "5",
        "ec_items": '[["sku"]]', "a[b][]": "w",
    }  # fmt: skip


def test_what_the_query_says_comes_before_what_the_line_says(run: Run, tmp_path: Path) -> None:
    own = sent(
        run, tmp_path,
        "idsite=7&rec=1&cip=198.51.100.9&cdt=2025-09-01%2012:00:00&ua=Own&urlref=http%3A%2F%2Fr.example%2F&uid=anna&lang=fr",
    )  # fmt: skip
    assert [own[name] for name in ("cip", "cdt", "ua", "urlref", "uid", "lang", "url")] == [
        "198.51.100.9", "2025-09-01 12:00:00", "Own", "http://r.example/", "anna", "fr", PAGE,
    ]  # fmt: skip
    none = sent(run, tmp_path, "idsite=7&rec=1&cip=a.example&cdt=2025-13-01%2012:00:00&url=http%3A%2F%2Fa.example")
    assert [none[name] for name in ("cip", "cdt", "ua", "urlref")] == ["192.0.2.1", "2025-10-10 10:00:00", AGENT, PAGE]


def test_what_is_no_hit_on_the_tracker_is_skipped(run: Run, tmp_path: Path) -> None:
    log = "".join(
        line(target, **options) for target, options in (
            ("/piwik.php?idsite=1&rec=1", {}), ("/deep/matomo.php?idsite=1&rec=1", {"status": 500}),
            ("/matomo.php", {"method": "POST"}), ("/index.php?idsite=1&rec=1", {}), ("/matomo.php?idsite=1", {}),
            ("/matomo.php?idsite=x&rec=1", {}), ("/matomo.php?rec=1", {}), ("/matomo.php?idsite=1&rec=0", {}),
        )
    )  # fmt: skip
    reasons = [row.get("reason") for row in explained(run, tmp_path, log)]
    assert reasons == [None, None, *["replay"] * 6]
    named = explained(run, tmp_path, log, "--replay-tracking-expected-tracker-file", "index.php")
    assert [row.get("reason") for row in named] == ["replay"] * 3 + [None] + ["replay"] * 4


def test_dates_are_shifted_together_and_what_is_private_goes(run: Run, tmp_path: Path) -> None:
    query = (
        "idsite=1&rec=1&cip=198.51.100.9&uid=anna&_idts=1000000000&_viewts=x"
        "&url=http%3A%2F%2Fa.example%2F%3Fsid%3D1%26b%3D2&urlref=http%3A%2F%2Fb.example%2F%3Fsid%3D1"
    )
    options = ("--add-to-date", "3600", "--anonymize-ip", "1", "--no-user-id", "--drop-query-parameter", "sid")
    one = sent(run, tmp_path, query, *options)
    assert [one.get(name) for name in ("cdt", "_idts", "_viewts", "cip", "uid", "url", "urlref")] == [
        "2025-10-10 11:00:00", "1000003600", "x", "198.51.100.0", None, "http://a.example/?b=2", "http://b.example/",
    ]  # fmt: skip


def test_rules_hold_for_replayed_hits_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        '[[rule]]\nset = { action_name = "T {query.action_name}", cip = "198.51.100.1", idsite = 4 }\n'
        '[[rule]]\nmatch = { "query.ping" = "1" }\nskip = "heartbeat"\n'
    )
    log = line("/matomo.php?idsite=1&rec=1&action_name=a") + line("/matomo.php?idsite=1&rec=1&ping=1")
    one, two = explained(run, tmp_path, log, "--config", "s.toml")
    assert [one["request"][name] for name in ("action_name", "cip", "idsite")] == ["T a", "198.51.100.1", "4"]
    assert two["reason"] == "heartbeat"


def test_what_a_browser_sent_is_stored_as_the_tracker_stored_it(run: Run, tmp_path: Path) -> None:
    """Sites by the numbers in the hits; those that there are not are skipped, and do no harm."""
    title = "odd & = # ; % + \" ' \\ < é 日本 \U0001f600"
    log = "".join(
        line(
            f"/matomo.php?idsite={idsite}&rec=1&url={quote(PAGE, safe='')}&action_name={quote(title, safe='')}",
            second=n,
        )
        for n, idsite in enumerate((1, 3, 9, 3))
    )
    (tmp_path / "a.log").write_text(log)
    verdicts = judges()
    sites = (SiteSetup(1, "http://one.example"), SiteSetup(3, "http://three.example"))
    with Receiver(
        tmp_path / "db", is_bot=verdicts.is_bot, search_engine=verdicts.search_engine,
        grants={TOKENS.admin: Grant(Level.ADMIN, frozenset({1, 3}))}, sites=sites,
    ) as receiver:  # fmt: skip
        options = ("--url", receiver.url, "--state-dir", "state", "--json", "--replay-tracking")
        done = run("import", *options, "a.log", LOG_IMPORTER_TOKEN_AUTH=TOKENS.admin)
    assert (done.code, done.summary["tracked"], done.summary["skipped"]) == (0, 3, {"no-site": 1})
    assert (
        "has no site 9. Hits for it are skipped, as no-site." in done.err.replace(" It says: ", "")
        or "site 9" in done.err
    )
    with contextlib.closing(sqlite3.connect(tmp_path / "db")) as store:
        rows = store.execute(
            "SELECT visit.idsite, url, title FROM action JOIN visit USING (idvisit) ORDER BY 1, idaction"
        ).fetchall()  # fmt: skip
    assert rows == [(1, PAGE, title), (3, PAGE, title), (3, PAGE, title)]
