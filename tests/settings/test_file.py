"""The settings file: options by their names, beside flags and environment; its rules; and what it says when wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TOKENS, Run
from tests.fault_server import serve
from tests.oracle import lines

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def hit(target: str, *, status: int = 200, agent: str = AGENT, user: str = "-") -> str:
    return f'192.0.2.1 - {user} [10/Oct/2025:13:55:36 +0200] "GET {target} HTTP/1.1" {status} 12 "-" "{agent}"\n'


def explained(run: Run, folder: Path, settings: str, log: str, *arguments: str) -> list[dict[str, Any]]:
    (folder / "settings.toml").write_text(settings)
    (folder / "a.log").write_text(log)
    done = run("explain", "--config", "settings.toml", *arguments, "a.log")
    assert (done.code, done.err) == (0, "")
    return [json.loads(row) for row in done.out.splitlines()]


def test_flags_come_before_environment_before_file_before_defaults(run: Run, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        'log-hostname = "file.example"\nidsite = 3\nexclude-path = ["/a/*", "/b"]\nenable_bots = true\n'
        'url = "https://anna:secret@m.example/"\n'
    )
    arguments = ("import", "--config", "s.toml", "--idsite", "9", "--token-auth", "abc", "--show-settings")
    done = run(*arguments, LOG_IMPORTER_LOG_HOSTNAME="environment.example", LOG_IMPORTER_IDSITE="5")
    assert done.code == 0
    assert done.out.splitlines() == [
        'url = "https://m.example"  # settings file',
        'token-auth = "(hidden)"  # flag',
        "idsite = 9  # flag",
        'exclude-path = ["/a/*", "/b"]  # settings file',
        "enable-bots = true  # settings file",
        'log-hostname = "environment.example"  # environment',
    ]


def test_a_whole_import_can_stand_in_a_file(run: Run, tmp_path: Path) -> None:
    """Files in it are its neighbours, wherever the command is run."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "token").write_text(TOKENS.admin)
    (folder / "token").chmod(0o600)
    (tmp_path / "a.log").write_bytes(lines(range(20)))
    with serve() as server:
        (folder / "s.toml").write_text(f'url = "{server.url}"\nidsite = 1\ntoken-auth-file = "token"\njson = true\n')
        done = run("import", "a.log", LOG_IMPORTER_CONFIG="etc/s.toml")
        assert (done.code, done.summary["tracked"]) == (0, 20)


def test_options_of_other_commands_do_no_harm(run: Run, tmp_path: Path) -> None:
    rows = explained(run, tmp_path, 'url = "https://m.example"\nrecorders = 2\nenable-static = true\n', hit("/a.png"))
    assert rows[0]["request"]["download"] == "http://localhost/a.png"


RULES = """
[[rule]]
path = "/search"
set = { search = "{query.q}", search_cat = "docs", search_count = "{query.hits}" }

[[rule]]
match = { path = "/order/thanks*", "query.total" = "~ ^[0-9]" }
set = { idgoal = 3, revenue = "{query.total}" }

[[rule]]
match = { status = ["404", "5*"], user_agent = "~ (?i)kiosk" }
skip = "monitoring"

[[rule]]
match = { user_id = "" }
set = { "dimension4" = "nobody {{yet}}" }
"""


def test_rules_set_parameters_and_skip_hits(run: Run, tmp_path: Path) -> None:
    log = (
        hit("/search?q=caf%C3%A9+bar&hits=12", user="anna") + hit("/order/thanks?total=9.99", user="anna")
        + hit("/order/thanks?total=x", user="anna") + hit("/x", status=404, agent=f"{AGENT} KIOSK")
        + hit("/x", status=503) + hit("/x")
    )  # fmt: skip
    rows = explained(run, tmp_path, RULES, log, "--enable-http-errors")
    sent = [row.get("request", {}) for row in rows]
    assert [sent[0].get(name) for name in ("search", "search_cat", "search_count")] == ["café bar", "docs", "12"]
    assert [sent[1].get(name) for name in ("idgoal", "revenue")] == ["3", "9.99"]
    assert sent[2].keys().isdisjoint({"idgoal", "revenue"})
    assert (rows[3]["outcome"], rows[3]["reason"]) == ("skipped", "monitoring")
    assert rows[4]["outcome"] == "tracked"
    assert [row.get("dimension4") for row in sent] == [None, None, None, None, "nobody {yet}", "nobody {yet}"]


def test_a_rule_can_use_any_column_of_a_log(run: Run, tmp_path: Path) -> None:
    log = json.dumps({
        "ts": "2025-10-10T10:00:00Z", "ip": "192.0.2.1", "uri": "/a", "ua": AGENT, "app": {"hits": 7, "shop": "-"},
    })  # fmt: skip
    keys = ("time=ts", "client_ip=ip", "path=uri", "user_agent=ua")
    settings = '[[rule]]\nset = { search = "x", search_count = "{extra.app/hits}", search_cat = "{extra.app/shop}" }\n'
    options = [word for key in keys for word in ("--json-field", key)]
    (row,) = explained(run, tmp_path, settings, log + "\n", *options, "--dimension", "2=extra.app/hits")
    assert row["hit"]["extra"] == {"app/hits": "7"}
    sent = row["request"]
    assert [sent.get(name) for name in ("search_count", "search_cat", "dimension2")] == ["7", None, "7"]


def test_what_a_rule_sets_replaces_what_the_log_says(run: Run, tmp_path: Path) -> None:
    settings = """[[rule]]
set = { cip = "198.51.100.7", cdt = "{query.at}", ua = "Own/{query.v}", uid = "{query.u}", action_name = "T {path}", \
url = "https://other.example{path}", urlref = "https://r.example/", lang = "fr", bw_bytes = 5, cid = "{query.c}" }
"""
    log = hit("/file.pdf?at=1760000000&v=2&u=eve&c=AF344a398df83874", user="anna")
    (row,) = explained(run, tmp_path, settings, log)
    assert row["request"] == {
        "idsite": "1", "rec": "1", "apiv": "1", "dp": "1", "url": "https://other.example/file.pdf",
        "download": "https://other.example/file.pdf", "cip": "198.51.100.7", "cdt": "2025-10-09 08:53:20",
        "ua": "Own/2", "uid": "eve", "action_name": "T /file.pdf", "urlref": "https://r.example/", "lang": "fr",
        "bw_bytes": "5", "cid": "af344a398df83874", "_id": "af344a398df83874",
    }  # fmt: skip


def test_what_a_server_cannot_take_is_left_out_and_counted(run: Run, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        '[[rule]]\nset = { lat = "{query.lat}", long = "{query.long}", search = "{query.q}", '
        'search_count = "{query.n}" }'
    )
    (tmp_path / "a.log").write_text(
        hit("/a?lat=91&long=13.4&q=x&n=-1") + hit("/b?lat=abc&long=180.5") + hit("/c?lat=-90&long=-180&n=3")
    )
    done = run("import", "--local", "--config", "s.toml", "--state-dir", "state", "--json", "a.log")
    assert (done.code, done.summary["tracked"]) == (0, 3)
    assert done.summary["left_out"] == {"lat": 2, "long": 1, "search_count": 1}
    text = run("import", "--local", "--config", "s.toml", "--state-dir", "state", "--again", "a.log").out
    assert "left out" in text
    assert "lat 2, long 1, search_count 1" in text


def test_rules_see_what_is_not_sent_but_never_what_is_private(run: Run, tmp_path: Path) -> None:
    settings = """[[rule]]
match = { client_ip = "192.0.2.1", "query.q" = "*" }
set = { search = "{query.q} {client_ip} {query.secret}", search_cat = "{user_id}",\
 dimension1 = "{query.q}-{client_ip}" }
"""
    arguments = ("--strip-query-string", "--drop-query-parameter", "secret", "--anonymize-ip", "1", "--no-user-id")
    (row,) = explained(run, tmp_path, settings, hit("/a?q=x&secret=y", user="anna"), *arguments)
    assert row["request"]["url"] == "http://localhost/a"
    assert row["request"]["dimension1"] == "x-192.0.2.0"
    assert row["request"].keys().isdisjoint({"search", "search_cat"})


def test_a_bot_that_a_rule_makes_is_skipped_as_a_server_would(run: Run, tmp_path: Path) -> None:
    settings = '[[rule]]\nset = { ua = "{query.ua}", cdt = "{query.at}" }\n'
    log = hit("/a?ua=Googlebot/2.1") + hit("/a?at=4102444800") + hit("/a?at=2025-02-30%2010:00:00")
    rows = explained(run, tmp_path, settings, log)
    assert [row.get("reason") for row in rows] == ["bot", "time-future", None]


def test_a_pattern_that_takes_too_long_is_told_like_any_other(run: Run, tmp_path: Path) -> None:
    settings = "[[rule]]\nmatch = { path = '~ ^(/|a|aa)+$' }\nskip = \"as\"\n"
    (row,) = explained(run, tmp_path, settings, hit("/" + "a" * 60 + "!"))
    assert (row["outcome"], row["reason"]) == ("rejected", "pattern-time")


WRONG = {
    "idsite = 'x'": "settings.toml: idsite: 'x' is not a valid integer range",
    "idsite = 0": "settings.toml: idsite: 0 is not in the range x>=1",
    "idsite = true": "settings.toml: idsite: must not be true or false.",
    "idsite = [1]": "settings.toml: idsite: must be one value.",
    "enable-bots = 1": "settings.toml: enable-bots: must be true or false.",
    "exclude-path = [['/a']]": "settings.toml: exclude-path: must be a list of texts.",
    "idsit = 1": "settings.toml: idsit: there is no such setting.",
    "config = 'x'": "settings.toml: config: there is no such setting.",
    "idsite = ": "settings.toml: this is not TOML",
    "token-auth = 'abc'": "settings.toml: group or others can read its token-auth. Run: chmod 600 settings.toml",
    "; <?php": "settings.toml is Matomo's own configuration, which log-importer does not need.",
    "rule = 1": "settings.toml: rule: must be written as [[rule]].",
    "[[rule]]": "settings.toml: rule 1: needs either set or skip.",
    "[[rule]]\npath = '/'\nset = {search = 'x'}\nskip = 'a'": "settings.toml: rule 1: needs either set or skip.",
    "[[rule]]\npaths = '/'": "settings.toml: rule 1: paths: is no key of a rule; there are path, match, set, skip.",
    "[[rule]]\nskip = 'bot'": "settings.toml: rule 1: skip: 'bot' is a reason of log-importer's own",
    "[[rule]]\nskip = 'A b'": "settings.toml: rule 1: skip: must be a reason of small letters",
    "[[rule]]\nskip = 'a'\n[[rule]]\nset = {serch = 1}": "settings.toml: rule 2: set.serch: there is no such param",
    "[[rule]]\nset = {token_auth = 'x'}": "settings.toml: rule 1: set.token_auth: is sent with every request",
    "[[rule]]\nset = {search = '{querry.q}'}": "settings.toml: rule 1: set.search: {querry.q}: there is no such field",
    "[[rule]]\nset = {search = '{query.}'}": "settings.toml: rule 1: set.search: {query.}: there is no such field",
    "[[rule]]\nset = {search = '{query.q'}": "settings.toml: rule 1: set.search: its braces do not fit",
    "[[rule]]\nset = {lat = 91}": "settings.toml: rule 1: set.lat: must be a number from -90 to 90, not '91'.",
    "[[rule]]\nset = {country = 'usa'}": "settings.toml: rule 1: set.country: must be a country's two letters, not",
    "[[rule]]\nset = {_id = '12'}": "settings.toml: rule 1: set._id: must be 16 hexadecimal digits, not '12'.",
    "[[rule]]\nset = {cdt = '2026-02-30 00:00:00'}": "settings.toml: rule 1: set.cdt: must be a date and time in UTC",
    "[[rule]]\nset = {idsite = '{query.s}'}": "settings.toml: rule 1: set.idsite: must be a site's number",
    "[[rule]]\nset = {search = ['x']}": "settings.toml: rule 1: set.search: must be a text or a number.",
    "[[rule]]\nskip = 'a'\nmatch = {stat = '1'}": "settings.toml: rule 1: match.stat: there is no such field",
    "[[rule]]\nskip = 'a'\nmatch = {status = 1.5}": "settings.toml: rule 1: match.status: must be a text, a number",
    "[[rule]]\nskip = 'a'\nmatch = {path = '~ ('}": "settings.toml: rule 1 is not a pattern: missing )",
    "[[rule]]\nskip = 'a'\nmatch = 'x'": "settings.toml: rule 1: match: must be a table",
    "[sites]\n'a.example' = 'x'": "settings.toml: sites.a.example: must be the number of a site.",
}


@pytest.mark.parametrize("settings", WRONG)
def test_what_is_wrong_is_named_with_file_and_key(settings: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(settings)
    (tmp_path / "settings.toml").chmod(0o644)
    (tmp_path / "a.log").write_text(hit("/"))
    done = run("import", "--local", "--config", "settings.toml", "a.log")
    assert done.code == 2
    assert done.err.startswith(f"log-importer: {WRONG[settings]}"), done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.ini.php", "config.ini.php is Matomo's own configuration, which log-importer does not need."),
        ("nope.toml", "nope.toml: the settings cannot be read: no such file or directory."),
        ("latin.toml", "latin.toml: this is no text in UTF-8."),
        (".", ".: the settings cannot be read: is a directory."),
    ],
)
def test_a_file_that_is_no_settings_file_is_a_sentence(name: str, message: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.ini.php").write_text("[General]\n")
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    done = run("import", "--local", "--config", name, "a.log")
    assert (done.code, done.err.startswith(f"log-importer: {message}")) == (2, True), done.err


@pytest.mark.parametrize("option", [("--client-ip-from", "nosuch"), ("--dimension", "2=extra.nosuch")])
def test_a_column_that_no_pattern_has_is_told(option: tuple[str, str], run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(hit("/"))
    done = run("explain", *option, "a.log")
    assert done.code == 2
    assert done.err.startswith("log-importer: There is no column 'nosuch' in the log's format, combined. There are: ")


def test_of_two_that_exclude_each_other_the_higher_one_wins(run: Run, tmp_path: Path) -> None:
    """What is set in the file or the environment for every run can be done otherwise once."""
    (tmp_path / "a.log").write_text(hit("/"))
    (tmp_path / "s.toml").write_text('url = "http://127.0.0.1:9"\nidsite = 5\ntoken-auth-file = "nope"\n')
    local = run("import", "--config", "s.toml", "--local", "--idsite", "1", "--state-dir", "state", "--json", "a.log")
    assert local.code == 2, "the token's file is still wrong"
    (tmp_path / "s.toml").write_text('url = "http://127.0.0.1:9"\nidsite = 5\n')
    local = run("import", "--config", "s.toml", "--local", "--idsite", "1", "--state-dir", "state", "--json", "a.log")
    assert (local.code, local.summary["tracked"]) == (0, 1)
    by_host = ("--config", "s.toml", "--local", "--site", "b.example=1", "--log-hostname", "b.example", "--job", "b")
    done = run("import", *by_host, "--state-dir", "state", "--json", "a.log", LOG_IMPORTER_URL="http://127.0.0.1:9")
    assert (done.code, done.summary["tracked"]) == (0, 1)
    both = run("import", "--local", "--url", "http://127.0.0.1:9", "a.log")
    assert both.err == "log-importer: Both --url and --local are given. Leave one of them out.\n"
