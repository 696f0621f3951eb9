"""Progress belongs to the destination: whatever the options are, a line that is done is not sent again in silence."""

import json
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from log_importer.cli.import_ import command as import_command
from log_importer.delivery.server.same import may_be_same_server
from log_importer.ledger.ledger import Ledger
from log_importer.ledger.union import unite
from log_importer.ledger.view import view
from log_importer.model import Boundary, Chunk, Context, Disk, Outcome, Request
from log_importer.settings.choices import _DECIDING, _LISTS, options_of
from tests.conftest import ROOT, TOKENS, Done, Run, command, environment
from tests.data.ledgers.write import URL
from tests.faults.common import Keeper, arguments, keeping, line, local, log, mark, marks, rows, says, send
from tests.faults.traced import needs_strace, traced

OPTIONS = {
    "--exclude-ip": "192.0.2.7", "--status": "2xx", "--enable-http-errors": None, "--enable-bots": None,
    "--enable-static": None, "--enable-http-redirects": None, "--timezone": "Asia/Tokyo", "--exclude-path": "/m00000*",
    "--include-path": "/m*", "--anonymize-ip": "2", "--strip-query-string": None, "--hostname": "site.example",
    "--useragent-exclude": "Firefox", "--method": "GET", "--exclude-older-than": "2026-03-01 10:00:02 +0000",
    "--exclude-newer-than": "2026-03-01 10:00:04 +0000", "--force-lowercase-path": None, "--no-user-id": None,
    "--visitor-id": "ip+ua", "--add-to-date": "60.0", "--skip": "3", "--request-suffix": "a=b", "--ai-bots": None,
    "--download-extensions": "dat", "--log-format-name": "combined", "--dimension": "1=host", "--encoding": "latin-1",
    "--tracker-endpoint-path": "matomo.php",
}  # fmt: skip
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def mixed(count: int) -> bytes:
    """Lines of which some are errors, and some of a bot."""
    kinds = {3: lambda text: text.replace(b'" 200 ', b'" 404 '), 5: lambda text: text}
    return b"".join(
        kinds.get(number % 7, bytes)(line(number, agent=BOT) if number % 7 == 5 else line(number))
        for number in range(count)
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Keeper, Path]]:
    """A server, and a folder with the state of who imported the first 40 lines of `a.log` into it."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "a.log").write_bytes(mixed(40))
    with keeping() as one:
        token = {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}
        done = subprocess.run(
            command(*arguments(one.url, "a.log")), cwd=folder, env=environment(folder, token), capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done
        yield one, folder


@pytest.fixture
def keeper(server: tuple[Keeper, Path], tmp_path: Path) -> Keeper:
    """The server that has what there was to send of the first 40 lines of `a.log`."""
    one, folder = server
    shutil.copytree(folder / "state", tmp_path / "state")
    shutil.copy(folder / "a.log", tmp_path / "a.log")
    one.stored = Counter(dict.fromkeys((mark(number) for number in range(40) if number % 7 not in (3, 5)), 1))
    one.server.posted.clear()
    return one


def jobs(run: Run) -> list[Any]:
    found: list[Any] = json.loads(run("status", "--json", "--state-dir", "state").out)["jobs"]
    return found


@pytest.mark.parametrize("option", OPTIONS)
def test_another_option_sends_nothing_twice_and_nothing_that_is_done(
    option: str, keeper: Keeper, run: Run, tmp_path: Path
) -> None:
    given = [option] if OPTIONS[option] is None else [option, OPTIONS[option]]
    (tmp_path / "a.log").write_bytes(mixed(60))
    done = send(run, keeper.url, *given, "a.log")
    assert (done.code, done.summary["lines"], done.summary["known_lines"]) == (0, 20, 40), done
    new = OPTIONS[option] or "given"
    says(done, f"Other options than in the last run of this job ({option}: not given -> {new}): lines that are done")
    says(done, "give --job NAME")
    assert done.err.count("Other options") == 1
    left_out = {mark(number) for number in range(40) if number % 7 in (3, 5)}
    assert max(keeper.stored.values()) == 1
    assert keeper.stored.keys() & left_out == set()


def test_the_options_are_compared_with_the_last_run(keeper: Keeper, run: Run) -> None:
    given = ("--exclude-ip", "192.0.2.7", "--anonymize-ip", 2)
    says(
        send(run, keeper.url, *given, "a.log"), "(--anonymize-ip: not given -> 2; --exclude-ip: not given -> 192.0.2.7)"
    )
    assert send(run, keeper.url, *given, "a.log").err == ""
    says(send(run, keeper.url, *given[:2], "a.log"), "(--anonymize-ip: 2 -> not given)")
    assert [job["job"] for job in jobs(run)] == [f"{keeper.url}, site 1"]


def test_every_option_that_is_kept_is_one_and_no_secret_is_kept() -> None:
    known = {name for parameter in import_command.params for name in parameter.opts}
    values: dict[str, Any] = dict.fromkeys(_LISTS, ("one",)) | dict.fromkeys(_DECIDING, "one")
    secrets = {"token_auth": "secret", "password": "secret", "auth_password": "secret", "login": "secret"}
    kept = options_of(values | secrets, None)
    assert {f"--{name}" for name, _ in kept} <= known
    assert len(kept) == len(_LISTS) + len(_DECIDING)
    assert "secret" not in repr(kept)


def test_a_list_is_known_by_what_stands_in_it(keeper: Keeper, run: Run, tmp_path: Path) -> None:
    (tmp_path / "ips").write_text("192.0.2.7\n")
    says(send(run, keeper.url, "--exclude-ip-from", "ips", "a.log"), "(--exclude-ip: not given -> 192.0.2.7)")
    assert "Other options" not in send(run, keeper.url, "--exclude-ip", "192.0.2.7", "a.log").err
    (tmp_path / "ips").write_text("".join(f"192.0.2.{number}\n" for number in range(99)))
    says(send(run, keeper.url, "--exclude-ip-from", "ips", "a.log"), "192.0.2.7 -> 99 values (")


def test_what_was_left_out_is_added_by_a_second_job(keeper: Keeper, run: Run, tmp_path: Path) -> None:
    """As the README shows; both go on side by side, from cron."""
    errors = ("--job", "errors", "--enable-http-errors", "--status", "4xx,5xx")
    for count in (40, 60, 80):
        (tmp_path / "a.log").write_bytes(mixed(count))
        for given in (errors, ()):
            done = send(run, keeper.url, *given, "a.log")
            assert done.code == 0, done
    people = {mark(number) for number in range(80) if number % 7 != 5}
    assert keeper.stored == dict.fromkeys(people, 1)


def names(url: str) -> list[str]:
    """Other names of a server on this machine."""
    port = url.rpartition(":")[2]
    own = {f"http://{socket.gethostname()}:{port}"} if resolves(socket.gethostname()) else set()
    found = {f"http://localhost:{port}", f"http://[::1]:{port}/", f"http://127.0.0.2:{port}", f"http://0.0.0.0:{port}"}
    found |= {f"{url}/matomo", f"{url}/matomo/index.php", url.replace("http:", "https:"), "http://127.0.0.1"} | own
    return sorted(found)


def resolves(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def test_what_may_be_the_same_server_is_refused_before_anything_is_sent(keeper: Keeper, run: Run) -> None:
    for url in names(keeper.url):
        done = send(run, url, "a.log")
        assert (done.code, keeper.server.posted) == (2, []), done
        says(done, f"imported before, under the job '{keeper.url}, site 1'", "nothing was sent")
        says(done, f"Import it as then (--url {keeper.url} --idsite 1)", "--job", "log-importer status")
        assert done.err.count("\n") == 1
    assert len(jobs(run)) == 1


def test_by_host_may_be_the_same_site(keeper: Keeper, run: Run) -> None:
    given = (
        "import",
        "--url",
        keeper.url,
        "--state-dir",
        "state",
        "--site",
        "*.example=1",
        "--log-hostname",
        "x.example",
    )
    done = run(*given, "a.log", LOG_IMPORTER_TOKEN_AUTH=TOKENS.superuser)
    assert (done.code, keeper.server.posted) == (2, []), done


@pytest.mark.parametrize("end", ["/", "/index.php", "/matomo.php", "/piwik.php"])
def test_what_read_address_knows_as_one_is_one_job(end: str, keeper: Keeper, run: Run) -> None:
    done = send(run, keeper.url + end, "a.log")
    assert (done.code, done.summary["known_lines"], done.err) == (0, 40, ""), done


def test_a_renamed_log_is_known_under_another_name_of_the_server(keeper: Keeper, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    done = send(run, keeper.url.replace("127.0.0.1", "localhost"), "a.log.1")
    assert (done.code, keeper.server.posted) == (2, []), done


@pytest.mark.parametrize("word", [("--again",), ("--job", "on-purpose")])
def test_a_word_sends_it_once_more(word: tuple[str, ...], keeper: Keeper, run: Run, tmp_path: Path) -> None:
    other = keeper.url.replace("127.0.0.1", "localhost")
    done = send(run, other, *word, "a.log")
    says(done, "imported before", "is sent again")
    assert (done.code, set(keeper.stored.values())) == (0, {2})
    again = send(run, other, *(word if word[0] == "--job" else ()), "a.log")
    assert (again.code, again.summary["known_lines"], set(keeper.stored.values())) == (0, 40, {2}), again


def test_two_sites_of_one_server_both_get_the_log(keeper: Keeper, run: Run) -> None:
    done = send(run, keeper.url, "--idsite", 2, "a.log")
    assert (done.code, done.err, set(keeper.stored.values())) == (0, "", {2}), done
    assert [job["idsite"] for job in sorted(jobs(run), key=lambda job: int(job["idsite"]))] == [1, 2]


def test_another_file_is_not_refused(keeper: Keeper, run: Run, tmp_path: Path) -> None:
    (tmp_path / "b.log").write_bytes(log(range(100, 120)))
    done = send(run, keeper.url.replace("127.0.0.1", "localhost"), "b.log")
    assert (done.code, done.summary["tracked"], done.err) == (0, 20, ""), done


def test_the_embedded_receiver_is_no_server_with_a_name(keeper: Keeper, run: Run, tmp_path: Path) -> None:
    """One looks there before sending, or afterwards."""
    before = rows_of(local(run, "a.log"), tmp_path)
    assert before == keeper.stored
    for more in (("--enable-bots",), ("--site", "x.example=1", "--log-hostname", "x.example")):
        done = run("import", "--local", "--json", "--state-dir", "state", *more, "a.log")
        assert rows(tmp_path / "state" / "receiver.sqlite3") == before, done
    assert done.code == 2
    for path in (tmp_path / "state").glob("receiver.sqlite3*"):
        path.unlink()
    done = run("import", "--local", "--json", "--state-dir", "state", "--site", "*.example=1", "--log-hostname",
               "x.example", "a.log")  # fmt: skip
    assert done.code == 0, done


def rows_of(done: Done, folder: Path) -> Counter[str]:
    assert done.code == 0, done
    return rows(folder / "state" / "receiver.sqlite3")


def test_no_look_up_is_waited_for_and_what_is_not_found_is_another_server() -> None:
    assert not may_be_same_server("http://matomo.invalid", "http://127.0.0.1")
    assert not may_be_same_server("http://192.0.2.1", "http://192.0.2.2")
    assert not may_be_same_server("http://192.0.2.1", "http://127.0.0.1")
    assert may_be_same_server("http://Matomo.invalid/a", "https://matomo.invalid.:8443/b")


# The ledgers of older versions


DATA = ROOT / "tests" / "data" / "ledgers"


def old_state(folder: Path, version: str) -> dict[str, Any]:
    """State that a version wrote, and what the server had."""
    data = DATA / version
    for path in data.rglob("*.sqlite3"):
        to = folder / "state" / path.relative_to(data)
        for parent in (to.parent.parent, to.parent):
            parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(path, to)
        to.chmod(0o600)
    (folder / "a.log").write_bytes(log(range(60)))
    known: dict[str, Any] = json.loads((data / "stored.json").read_text())
    return known


def test_ledgers_of_the_selections_become_one(run: Run, tmp_path: Path) -> None:
    known = old_state(tmp_path, "467f3a2")
    with keeping() as keeper:
        done = send(run, URL, "a.log", http_proxy=keeper.url)
        assert done.code == 0, done
        says(done, "What 2 earlier jobs did with this server and these sites counts as done")
        doubted = {name for name in known["in_doubt"] if known["stored"][name] == 1}
        assert set(keeper.stored) == (marks(range(60)) - known["stored"].keys()) | doubted
        assert set(keeper.stored.values()) == {1}
        assert done.summary["maybe_twice"] == len(doubted) > 0
        first = keeper.stored.copy()
        again = send(run, URL, "a.log", http_proxy=keeper.url)
        assert (again.summary["known_lines"], keeper.stored, again.err) == (60, first, ""), again
    assert [job["job"] for job in jobs(run)] == [f"{URL}, site 1", "the embedded receiver, site 1"]
    kept = sorted(path.name for path in (tmp_path / "state" / "jobs").glob("*.old"))
    assert len(kept) == 2
    for name in kept:  # as it was
        data = DATA / "467f3a2" / "jobs" / name.removesuffix(".old")
        assert (tmp_path / "state" / "jobs" / name).read_bytes() == data.read_bytes()


@pytest.mark.parametrize("count", [1, 2, 4, 5, 7, 8])
def test_killed_while_ledgers_become_one_nothing_is_lost(count: int, run: Run, tmp_path: Path) -> None:
    """At each of the renames: of the new ledger to its name, and of the old ones to theirs."""
    needs_strace()
    known = old_state(tmp_path, "467f3a2")
    with keeping() as keeper:
        given = ("import", "--url", URL, "--idsite", 1, "--json", "--state-dir", "state", "a.log")
        killed = traced(
            tmp_path, f"rename:signal=KILL:when={count}", *given, http_proxy=keeper.url, PYTHONDONTWRITEBYTECODE="1"
        )
        assert (killed.code < 0) == (count <= 7), killed
        done = send(run, URL, "a.log", http_proxy=keeper.url)
        assert done.code == 0, done
        doubted = {name for name in known["in_doubt"] if known["stored"][name] == 1}
        assert set(keeper.stored) == (marks(range(60)) - known["stored"].keys()) | doubted
        assert set(keeper.stored.values()) == {1}
    assert len(list((tmp_path / "state" / "jobs").glob("*.old"))) == 2
    assert len(jobs(run)) == 2


def test_the_union_is_what_is_done_in_any(tmp_path: Path) -> None:
    """One ledger has a mark at 50 and no more, the other what it did behind and before that, and what it holds."""
    first, second = Ledger(tmp_path / "1.sqlite3", {"a": "1"}, print), Ledger(tmp_path / "2.sqlite3", {"a": "2"}, print)
    for ledger, inode in ((first, 7), (second, 7)):
        record = ledger.sources.add("access.log", "combined")
        ledger.sources.adopt(record, "access.log", Disk(1, inode, 0, 0, b""), 40, b"head")
        ledger.read_as(0, record)
    requests = {
        offset: Request(0, offset // 10 + 1, offset, 0.0, 1, 1, 1, b"?%d" % offset) for offset in range(0, 120, 10)
    }

    def parse(ledger: Ledger, start: int, end: int) -> None:
        context = Context("combined", "", start // 10 + 1, start, 0.0)
        after = Boundary(end, end // 10 + 1, "", b"tail %d" % end)
        ledger.parsed(Chunk(0, b"x\n", context, after), list(range(start, end, 10)), {"bot": 1}, {})

    parse(first, 0, 50)
    first.settle([Outcome([requests[offset] for offset in (0, 10, 20, 40)], "tracked")], None)
    first.settle([Outcome([requests[30]], "set_aside", "poison", "no")], None)
    parse(second, 0, 80)
    parse(second, 80, 120)
    second.settle([Outcome([requests[offset] for offset in (30, 60, 90)], "tracked")], None)
    second.settle([Outcome([requests[50]], "in_doubt", "twice", "")], None)
    second.settle([Outcome([requests[10]], "set_aside", "poison", "no")], None)
    second.intend([requests[offset] for offset in (20, 70, 80)])
    second.intend([requests[offset] for offset in (70,)])
    first.close(0)
    second.close(0)
    unite(tmp_path / "3.sqlite3", {"job": "all"}, [tmp_path / "1.sqlite3", tmp_path / "2.sqlite3"])
    (found,) = view(tmp_path / "3.sqlite3").sources
    assert (found.record.mark.offset, found.record.end.offset) == (50, 120)
    assert list(found.record.undone) == [70, 80, 100, 110]
    assert found.record.doubts == {70: 2, 80: 1}
    # 10 was set aside by one and is done in the other, 30 the other way round; 50 is done in none.
    assert [(held.request.offset, held.bucket) for held in found.held] == [(50, "in_doubt")]
    assert found.counts["tracked"].total() == 7
    assert found.counts["skipped"]["bot"] == 3
    assert [place.offset for place in found.record.boundaries] == [50, 80, 120]
