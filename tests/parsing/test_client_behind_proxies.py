"""The client behind proxies: of the addresses that they saw, the right-most that is none of ours."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
LOG_FORMAT = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{X-Forwarded-For}i"'
TRUSTED = ("--trusted-proxies", "10.0.0.0/8", "--trusted-proxies", "2001:db8::/32")


@pytest.mark.parametrize(
    ("peer", "seen", "trusted", "client"),
    [
        ("10.0.0.1", "198.51.100.7", (), "198.51.100.7"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.7", (), "198.51.100.7"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.7", TRUSTED, "198.51.100.7"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.7, 10.9.9.9", TRUSTED, "198.51.100.7"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.7, 10.9.9.9", (), "10.9.9.9"),
        ("203.0.113.9", "198.51.100.7", TRUSTED, "203.0.113.9"),  # whoever came by another way wrote it himself
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", TRUSTED, "10.0.0.3"),
        ("10.0.0.1", "-", TRUSTED, "10.0.0.1"),
        ("10.0.0.1", "unknown, 10.0.0.2", TRUSTED, "10.0.0.2"),
        ("10.0.0.1", "198.51.100.7, junk", TRUSTED, "10.0.0.1"),
        ("2001:db8::1", "[2001:470::5]:4711", TRUSTED, "2001:470::5"),
        ("10.0.0.1", "198.51.100.7:4711", (), "198.51.100.7"),
        ("-", "198.51.100.7", TRUSTED, "198.51.100.7"),
        ("unix:", "198.51.100.7", (), "198.51.100.7"),
    ],
)
def test_the_client_is_the_last_who_is_no_proxy(
    peer: str, seen: str, trusted: tuple[str, ...], client: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_text(
        f'{peer} - - [10/Oct/2025:10:00:00 +0000] "GET /a HTTP/1.1" 200 12 "-" "{AGENT}" "{seen}"\n'
    )
    done = run("explain", "--log-format", LOG_FORMAT, "--client-ip-from", "forwarded_for", *trusted, "a.log")
    (row,) = map(json.loads, done.out.splitlines())
    assert row["request"]["cip"] == client


def test_any_column_can_hold_the_addresses(run: Run, tmp_path: Path) -> None:
    record = {"t": "2025-10-10T10:00:00Z", "ip": "10.0.0.1", "uri": "/a", "cf": {"connecting-ip": "198.51.100.7"}}
    (tmp_path / "a.log").write_text(json.dumps(record) + "\n")
    keys = [word for key in ("time=t", "client_ip=ip", "path=uri") for word in ("--json-field", key)]
    done = run("explain", *keys, "--client-ip-from", "cf/connecting-ip", "a.log")
    assert json.loads(done.out)["request"]["cip"] == "198.51.100.7"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--trusted-proxies", "10.0.0.0/8"], "--trusted-proxies is given, but no --client-ip-from."),
        (["--client-ip-from", "forwarded_for", "--trusted-proxies", "x"], "--trusted-proxies: 'x' is no address"),
    ],
)
def test_half_of_it_is_a_sentence(options: list[str], sentence: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("")
    done = run("explain", *options, "a.log")
    assert done.code == 2
    assert sentence in done.err
