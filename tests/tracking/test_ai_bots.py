"""AI crawlers and assistants: counted by name, and sent for the server's own reports of them where that has some."""

import json
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.conftest import TOKENS, Done, Run
from tests.fault_server import Posted, Told, counted, serve, told_json

AGENTS = {
    "Firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "ChatGPT-User": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ChatGPT-User/1.0; +https://openai.com/bot)",
    "GPTBot": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Googlebot": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
}  # fmt: skip
LOG = "".join(
    f'192.0.2.{number} - - [10/Oct/2025:10:00:{number:02} +0000] "GET /{name} HTTP/1.1" {status} 12 "-" '
    f'"{AGENTS[name]}"\n'
    for number, (name, status) in enumerate(
        [
            ("Firefox", 200),
            ("ChatGPT-User", 200),
            ("ChatGPT-User", 404),
            ("GPTBot", 200),
            ("GPTBot", 200),
            ("Googlebot", 200),
        ]
    )
)


def imported(run: Run, folder: Path, version: str, *more: str) -> tuple[Done, list[dict[str, str]]]:
    def script(posted: Posted) -> Told:
        if "/index.php" not in posted.path:
            return counted(len(posted.queries))
        if posted.call["method"] == "API.getMatomoVersion":
            return told_json({"value": version})
        return told_json({"idsite": 1, "main_url": "http://site.example"})

    (folder / "a.log").write_text(LOG)
    with serve() as server:
        server.script = script
        options = ("--url", server.url, "--idsite", "1", "--state-dir", "state", "--json", *more)
        done = run("import", *options, "a.log", LOG_IMPORTER_TOKEN_AUTH=TOKENS.admin)
        queries = [query for posted in server.bulk for query in posted.queries]
    return done, [{name: values[0] for name, values in parse_qs(query[1:]).items()} for query in queries]


def test_ais_are_counted_by_name(run: Run, tmp_path: Path) -> None:
    done, queries = imported(run, tmp_path, "5.7.0")
    assert (done.code, len(queries), done.summary["skipped"]) == (0, 1, {"bot": 4, "status-error": 1})
    assert done.summary["ai_bots"] == {"GPTBot": 2, "ChatGPT-User": 1}
    text = run("import", "--local", "--state-dir", "other", "a.log").out
    assert "AI crawlers and assistants: GPTBot 2, ChatGPT-User 1" in text


@pytest.mark.parametrize("more", [(), ("--enable-bots",)])
def test_assistants_go_to_the_servers_reports_of_them(more: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    done, queries = imported(run, tmp_path, "5.7.0", "--ai-bots", "--enable-http-errors", *more)
    assert (done.code, done.summary["ai_bots"]) == (0, {"GPTBot": 2, "ChatGPT-User": 2})
    routed = [query for query in queries if "recMode" in query]
    assert [(one["recMode"], one["source"], one["http_status"], one["url"]) for one in routed] == [
        ("2", "log-importer", status, "http://site.example/ChatGPT-User") for status in ("200", "404")
    ]
    assert [query for query in routed if "bots" in query] == []
    others = [query for query in queries if "recMode" not in query]
    assert len(others) == (4 if more else 1)
    assert {query.get("bots") for query in others} == ({"1"} if more else {None})


@pytest.mark.parametrize("version", ["5.6.2", "4.16.1", "5.2.0-b3", ""])
def test_an_older_server_is_told_nothing_of_ais(version: str, run: Run, tmp_path: Path) -> None:
    done, queries = imported(run, tmp_path, version, "--ai-bots")
    assert (done.code, len(queries), done.summary["skipped"]["bot"]) == (0, 1, 4)
    assert "reports of AI assistants begin with 5.7." in done.err


def test_people_and_bots_are_told_apart_in_a_custom_variable(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LOG)
    done = run("explain", "--enable-bots", "a.log")
    rows = [json.loads(row)["request"] for row in done.out.splitlines() if "request" in row]
    found = [next(iter(json.loads(row["_cvar"]).values()))[0] for row in rows]
    assert found == ["Not-Bot", "Bot", "Bot", "Bot", "Bot"]
