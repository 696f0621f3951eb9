"""The README says what there is: every command, option, format, reason and exit code, and its command lines run."""

import gzip
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
import requests

from log_importer.cli import COMMANDS, group
from log_importer.model import BUCKETS, errors
from log_importer.settings.format_files import load_formats
from log_importer.tracking.rules.reasons import REASONS
from tests.conftest import ROOT, SAMPLES, TOKENS, Run, command, environment
from tests.fault_server import serve
from tests.faults.test_crash import wait_for
from tests.sources.remote.s3 import S3, serving
from tests.test_layers import PARTS

README = (ROOT / "README.md").read_text()


def commands() -> dict[str, click.Command]:
    """All commands and subcommands by their whole name."""
    context = click.Context(group)
    found: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": command.commands[sub] for sub in command.commands}
    return found


@pytest.mark.parametrize("name", commands())
def test_a_command_is_in_the_readme(name: str) -> None:
    assert re.search(rf"\b{name}\b", README.replace("list|show|check|detect", ""))


def test_every_option_is_in_the_readme_and_every_one_there_exists() -> None:
    parameters = [parameter for command in commands().values() for parameter in command.params]
    hidden = {text for one in parameters if getattr(one, "hidden", False) for text in one.opts}
    texts = {text for one in parameters for text in (*one.opts, *one.secondary_opts)}
    options = {text for text in texts - hidden if text.startswith("--")}
    named = set(re.findall(r"`(--[A-Za-z0-9-]+)", README))
    assert options - named - {"--no-show-progress"} == set()
    assert named - options - hidden == set()


def test_every_format_and_alias_is_in_the_readme() -> None:
    missing = [
        name for spec in load_formats().values() for name in (spec.name, *spec.aliases) if f"`{name}`" not in README
    ]
    assert missing == []


def reasons() -> set[str]:
    """Every reason that the code can give, found where one is returned, counted or settled."""
    found = set()
    for path in (ROOT / "log_importer").rglob("*.py"):
        source = path.read_text()
        early = r'Rejected\("([a-z-]+)"|\.skip\(chunk\.source, "([a-z-]+)"'
        late = r'(?:None|hit|self\._as_sent\(hit\)), None, "([a-z-]+)"'
        found |= set(re.findall(f"{early}|{late}", source))
        troubled = r'"(?:refused|set_aside|in_doubt)", "([a-z-]+)"|_set_aside\([a-z.]+, "([a-z-]+)"'
        found |= set(re.findall(troubled, source))
        found |= {(text,) for text in re.findall(r'^OTHER = "([a-z-]+)"', source, re.MULTILINE)}
        if path.name in ("exclusions.py", "selection.py", "lines.py"):
            found |= {(text,) for text in re.findall(r'"([a-z]+(?:-[a-z]+)*)"', source)}
    return {text for texts in found for text in texts if text} - {"pending", "refused", "w3c", "_time"}


def test_every_reason_in_the_code_is_in_the_table() -> None:
    assert reasons() == set(REASONS)
    assert {reason.bucket for reason in REASONS.values()} <= set(BUCKETS)


def test_every_reason_is_in_the_readme_word_for_word() -> None:
    table = README.partition("| reason | bucket | the line |\n|---|---|---|\n")[2].partition("\n\n")[0]
    rows = [f"| {name} | {reason.bucket} | {reason.sentence} |" for name, reason in REASONS.items()]
    assert rows == table.replace("`", "").splitlines()


def test_every_exit_code_is_in_the_readme() -> None:
    codes = {getattr(errors, name).exit_code for name in dir(errors) if hasattr(getattr(errors, name), "exit_code")}
    listed = {int(code) for cell in re.findall(r"^\| ([0-9, ]+) \|", README, re.MULTILINE) for code in cell.split(",")}
    assert codes | {0, 129, 130, 143} == listed


def command_lines() -> list[str]:
    """Every line in the README's shell blocks that runs log-importer."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if "log-importer" in line]


@contextmanager
def bucket(line: str, log: bytes, folder: Path) -> Iterator[dict[str, str]]:
    """The environment for a command line of the README that names objects, and a store that has them."""
    if "s3://" not in line:
        yield {}
        return
    with serving(folder) as server:
        store = S3(*server, "my-logs")
        store.put("2026/access.log.gz", gzip.compress(log))
        yield store.env


@pytest.mark.parametrize("line", [line for line in command_lines() if "--follow" in line])
def test_a_command_line_of_the_readme_that_follows_goes_on_until_a_signal_comes(line: str, tmp_path: Path) -> None:
    with serve() as server:
        arguments = shlex.split(line.partition("log-importer ")[2].replace("https://matomo.example.org", server.url))
        arguments = [argument.replace("/var/log/nginx/", f"{tmp_path}/") for argument in arguments]
        (tmp_path / "access.log").write_bytes((SAMPLES / "nginx-combined.log").read_bytes())
        variables = environment(tmp_path, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.admin})
        with subprocess.Popen(command(*arguments), cwd=tmp_path, env=variables, stdin=subprocess.DEVNULL) as process:
            wait_for(lambda: sum(len(posted.queries) for posted in server.bulk) == 85, 40)
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) == 143


@pytest.mark.parametrize("line", [line for line in command_lines() if "--preview" in line])
def test_a_command_line_of_the_readme_that_previews_shows_a_page_until_a_signal_comes(
    line: str, tmp_path: Path
) -> None:
    shutil.copytree(SAMPLES, tmp_path / "sample_logs")
    arguments = shlex.split(line.partition("log-importer ")[2])
    with subprocess.Popen(
        command(*arguments), cwd=tmp_path, env=environment(tmp_path), stderr=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        assert process.stderr is not None
        address = re.findall(r"http://\S+/report", process.stderr.readline())[0]
        wait_for(lambda: requests.get(f"{address}/data", timeout=10).json()["totals"]["actions"] == 85, 40)
        assert "until Ctrl-C" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0


@pytest.mark.parametrize(
    "line", [line for line in command_lines() if not {"--follow", "--preview", "--spark"} & set(line.split())]
)
def test_a_command_line_of_the_readme_works_when_pasted(line: str, run: Run, tmp_path: Path) -> None:
    for folder in ("sample_logs", "formats"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    log = (SAMPLES / "nginx-combined.log").read_bytes()
    if line.startswith(("log-importer report", "log-importer undo", "log-importer verify")):
        run("import", "--local", tmp_path / "sample_logs")
    (tmp_path / "access.log").write_bytes(log)
    arguments = shlex.split(line.partition("log-importer ")[2])
    with serve() as server, bucket(line, log, tmp_path) as variables:
        arguments = [argument.replace("https://matomo.example.org", server.url) for argument in arguments]
        arguments = [argument.replace("/var/log/nginx/", f"{tmp_path}/") for argument in arguments]
        variables["LOG_IMPORTER_TOKEN_AUTH"] = TOKENS.admin if "--url" in arguments else ""
        done = run(*arguments, stdin=log, **variables)
        if "--url" in arguments:
            posted = sum(len(posted.queries) for posted in server.bulk)
            some = {"--shard", "--status"} & set(arguments)
            assert posted == (0 if "doctor" in arguments else 85) or (some and 0 < posted < 85)
    assert done.code == 0, done.err
    assert done.out


DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]


def test_the_architecture_names_every_part_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"^\| `([a-z]+)/` \|", text, re.MULTILINE)
    assert [name for name in PARTS if not name.startswith("__")] == named


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_is_there(path: Path) -> None:
    named = set(
        re.findall(r"`((?:log_importer|tests|docs|formats|bench|deploy|sample_logs)/[\w./-]*)`", path.read_text())
    )
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
