"""What users want in, out and changed: each option with the meaning that they expect, seen in `explain`."""

import contextlib
import json
import sqlite3
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
DAYS = [f"{day}/Oct/2025:13:55:36 +0200" for day in range(10, 14)]
LINES = [
    f'192.0.2.1 www.example.org anna [{DAYS[0]}] "GET /Docs/A?b=1&Secret=2 HTTP/1.1" 200 12 "-" "{AGENT}"',
    f'198.51.100.9 shop.example.org:8080 - [{DAYS[1]}] "GET /b;c=1 HTTP/1.1" 200 12 "-" "{AGENT} Kiosk"',
    f'2001:db8:1:2:3::1 www.example.org - [{DAYS[2]}] "GET /file.zip HTTP/1.1" 404 12 "-" "{AGENT}"',
    f'192.0.2.200 - - [{DAYS[3]}] "GET /file.dat HTTP/1.1" 200 12 "-" "{AGENT}"',
]  # fmt: skip
TRACKED = [None, None, "status-error", None]


def explained(run: Run, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    (folder / "a.log").write_text("\n".join(LINES) + "\n")
    done = run("explain", *arguments, "a.log")
    assert done.code == 0, done
    return [json.loads(row) for row in done.out.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "reasons"),
    [
        ([], TRACKED),
        (["--hostname", "*.example.org"], [None, None, "status-error", "host"]),
        (["--hostname", "WWW.*", "--hostname", "shop.example.org"], [None, None, "status-error", "host"]),
        (["--include-host", "shop.example.org"], ["host", None, "host", "host"]),
        (["--exclude-host", "www.example.org"], ["host", None, "host", None]),
        (["--exclude-host", "named.example", "--log-hostname", "named.example"], [None, None, "status-error", "host"]),
        (["--include-path", "/Docs/*"], [None, "path", "path", "path"]),
        (["--exclude-path", "/docs/*", "--exclude-path", "*.dat"], [None, None, "status-error", "path"]),
        (["--exclude-path", "/Docs/A"], ["path", None, "status-error", None]),
        (["--useragent-exclude", "kIOSK"], [None, "user-agent", "status-error", None]),
        (["--exclude-ip", "192.0.2.0/24"], ["ip", None, "status-error", "ip"]),
        (["--exclude-ip", "2001:db8::/32", "--enable-http-errors"], [None, None, "ip", None]),
        (["--exclude-older-than", "2025-10-11 11:55:36 +0000"], ["date", None, "status-error", None]),
        (["--exclude-newer-than", "2025-10-11 11:55:36 +0000"], [None, None, "date", "date"]),
        (["--exclude-newer-than", "2025-10-12", "--timezone", "Europe/Paris"], [None, None, "date", "date"]),
        (["--method", "post"], ["method"] * 4),
        (["--method", "get,head", "--method", "POST"], TRACKED),
        (["--status", "200,3xx"], [None, None, "status-error", None]),
        (["--status", "4XX", "--enable-http-errors"], ["status", "status", None, "status"]),
        (["--skip", "2"], ["skip", "skip", "status-error", None]),
        (["--skip", "99"], ["skip"] * 4),
        (["--add-to-date", "-86400", "--exclude-older-than", "2025-10-10"], ["date", None, "status-error", None]),
    ],
)  # fmt: skip
def test_what_is_left_out_is_counted_under_its_name(
    arguments: list[str], reasons: list[str | None], run: Run, tmp_path: Path
) -> None:
    rows = explained(run, tmp_path, *arguments)
    assert [row.get("reason") for row in rows] == reasons
    assert [row["outcome"] for row in rows] == ["skipped" if reason else "tracked" for reason in reasons]


@pytest.mark.parametrize(
    ("arguments", "row", "parameter", "value"),
    [
        (["--strip-query-string"], 0, "url", "http://www.example.org/Docs/A"),
        (["--query-string-delimiter", ";"], 1, "url", "http://shop.example.org/b?c=1"),
        (["--drop-query-parameter", "Secret"], 0, "url", "http://www.example.org/Docs/A?b=1"),
        (["--drop-query-parameter", "Secret", "--force-lowercase-path"], 0, "url", "http://www.example.org/docs/a?b=1"),
        (["--drop-query-parameter", "b", "--drop-query-parameter", "Secret"], 0, "url", "http://www.example.org/Docs/A"),
        (["--request-suffix", "pk_campaign=old"], 1, "url", "http://shop.example.org/b;c=1?pk_campaign=old"),
        (["--request-suffix", "&x=1"], 0, "url", "http://www.example.org/Docs/A?b=1&Secret=2&x=1"),
        (["--enable-http-errors", "--title-category-delimiter", "|"], 2, "action_name",
         "404|URL = http%3A%2F%2Fwww.example.org%2Ffile.zip"),
        (["--add-to-date", "3600.5"], 0, "cdt", "2025-10-10 12:55:36"),
        (["--anonymize-ip", "1"], 0, "cip", "192.0.2.0"),
        (["--anonymize-ip", "2", "--enable-http-errors"], 2, "cip", "2001:db8:1::"),
        (["--no-user-id"], 0, "uid", None),
        (["--dimension", "3=status", "--dimension", "12=time"], 0, "dimension3", "200"),
        (["--dimension", "3=host"], 3, "dimension3", None),
        (["--visitor-id", "ip+ua"], 0, "cid", "IP_AND_AGENT"),
        (["--add-download-extensions", "DAT,.foo"], 3, "download", "http://localhost/file.dat"),
        (["--download-extensions", "dat", "--enable-http-errors"], 3, "download", "http://localhost/file.dat"),
    ],
)  # fmt: skip
def test_what_is_changed_is_what_is_sent(
    arguments: list[str], row: int, parameter: str, value: str | None, run: Run, tmp_path: Path
) -> None:
    found = explained(run, tmp_path, *arguments)[row]["request"].get(parameter)
    assert found == (value if value != "IP_AND_AGENT" else sha256(f"192.0.2.1\n{AGENT}".encode()).hexdigest()[:16])


def test_an_extension_that_is_not_wanted_is_no_download(run: Run, tmp_path: Path) -> None:
    rows = explained(run, tmp_path, "--download-extensions", "dat", "--enable-http-errors")
    assert rows[2]["reason"] == "download"


@pytest.mark.parametrize("arguments", [["--anonymize-ip", "4", "--no-user-id"], ["--drop-query-parameter", "Secret"]])
def test_what_is_masked_is_seen_nowhere(arguments: list[str], run: Run, tmp_path: Path) -> None:
    rows = json.dumps(explained(run, tmp_path, *arguments, "--exclude-path", "/b*"))
    gone = ("Secret",) if "Secret" in arguments else ("192.0.2", "198.51", "2001:db8", "anna")
    assert [text for text in gone if text in rows] == []


def test_a_list_can_stand_in_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "paths").write_text("# of the old site\n/Docs/*\n\n  /file.dat  \n")
    rows = explained(run, tmp_path, "--exclude-path-from", "paths", "--exclude-path", "/b*")
    assert [row.get("reason") for row in rows] == ["path", "path", "status-error", "path"]


def test_another_choice_is_for_new_lines_and_for_a_job_with_a_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("\n".join(LINES) + "\n")
    base = ("import", "--local", "--state-dir", "state", "--json")
    first = run(*base, "--include-path", "/Docs/*", "a.log").summary
    second = run(*base, "--exclude-path", "/Docs/*", "a.log").summary
    third = run(*base, "--job", "rest", "--exclude-path", "/Docs/*", "a.log").summary
    assert (first["tracked"], second["tracked"], second["known_lines"], third["tracked"]) == (1, 0, 4, 2)


def test_who_has_an_identity_is_one_visitor_wherever_he_is(run: Run, tmp_path: Path) -> None:
    """A user, or a visitor with Matomo's cookie, who changes address and browser between his hits."""
    fields = (
        "#Fields: date time c-ip cs-username cs-method cs-uri-stem sc-status sc-win32-status cs(User-Agent) cs(Cookie)"
    )
    rows = [fields]
    for number in range(400):
        minute, second = divmod(number, 60)
        agent = f"Mozilla/5.0+(X11;+Linux+x86_64;+rv:{120 + number % 9}.0)+Gecko/20100101+Firefox/{120 + number % 9}.0"
        user = "anna" if number % 2 else "-"
        cookie = "-" if number % 2 else "a=b;+_pk_id.1.1fff=aF344a398df83874.1760104536.;+c=d"
        rows.append(
            f"2025-10-10 10:{minute:02}:{second:02} 192.0.2.{number % 13} {user} GET /{number} 200 0 {agent} {cookie}"
        )
    (tmp_path / "a.log").write_text("\n".join(rows) + "\n")
    done = run("import", "--local", "--state-dir", "state", "--json", "--recorder-max-payload-size", 20, "a.log")
    assert done.summary["tracked"] == 400
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "receiver.sqlite3")) as store:
        visits = store.execute("SELECT user_id, actions FROM visit ORDER BY user_id").fetchall()
        order = store.execute("SELECT idvisit, url FROM action ORDER BY idaction").fetchall()
    assert visits == [(None, 200), ("anna", 200)]
    for visit in {row[0] for row in order}:
        numbers = [int(url.rsplit("/", 1)[1]) for of, url in order if of == visit]
        assert numbers == sorted(numbers), "nobody overtakes himself"


def test_a_made_visitor_id_is_the_same_everywhere_and_masked_with_the_address(run: Run, tmp_path: Path) -> None:
    made = [
        {row["request"]["cid"] for row in explained(run, tmp_path, "--visitor-id", "ip+ua", *more) if "request" in row}
        for more in ([], [], ["--anonymize-ip", "4"])
    ]
    assert made[0] == made[1]
    assert len(made[0]) == 3
    assert made[0].isdisjoint(made[2])
    assert len(made[2]) == 2, "two have the same browser"


WRONG = {
    "--dimension x=host": "--dimension: 'x=host' is no NUMBER=FIELD.",
    "--dimension 1=hosts": "--dimension: '1=hosts' is no NUMBER=FIELD.",
    "--status 6xx": "--status: '6xx' is no status.",
    "--exclude-ip foo": "--exclude-ip: 'foo' is no address or network.",
    "--exclude-older-than foo": "--exclude-older-than: 'foo' is no date.",
    "--exclude-path-from /nope": "--exclude-path-from: /nope cannot be read: no such file or directory.",
    "--query-string-delimiter=": "--query-string-delimiter is empty.",
    "--anonymize-ip 5": "--anonymize-ip",
    "--skip -1": "--skip",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_what_cannot_be_is_a_sentence(arguments: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LINES[0] + "\n")
    done = run("explain", *arguments.split(" "), "a.log")
    assert (done.code, done.out) == (2, "")
    assert WRONG[arguments] in done.err
    assert done.err.count("\n") == 1
