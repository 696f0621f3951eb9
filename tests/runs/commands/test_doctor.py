"""`doctor`: each check is made and says what is wrong, on a machine on which that is wrong."""

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import pytest
import trustme

from log_importer.native import load
from log_importer.receiver import Receiver
from log_importer.runs.commands.doctor import CHECKS
from tests.conftest import ROOT, TOKENS, Done, Run, command, environment, homeless, missing, powerless
from tests.delivery.server.common import closed_port
from tests.fault_server import Script, Told, good, serve
from tests.faults.traced import needs_strace, traced
from tests.oracle import lines

LOCAL = [name for name in CHECKS if name != "server"]
LINE = re.compile(r"(ok|warning|fault) +(.{15}) (.+)")


def findings(done: Done) -> dict[str, tuple[str, str]]:
    """Check -> verdict, and what else its line says."""
    assert done.err == ""
    rows = [LINE.fullmatch(row) for row in done.out.splitlines()]
    return {row[2].strip(): (row[1], row[3]) for row in rows if row}


def all_but(name: str, done: Done) -> tuple[str, str]:
    """Verdict and text of this check, where all others are well."""
    found = findings(done)
    assert {other: verdict for other, (verdict, _) in found.items() if other != name} == dict.fromkeys(
        (other for other in LOCAL if other != name), "ok"
    )
    return found[name]


@pytest.fixture(autouse=True)
def compiled() -> None:
    if load() is None:
        missing("C compiler that was there at the installation")


def test_a_good_machine_passes_every_check_and_is_left_as_it_was(run: Run, tmp_path: Path) -> None:
    done = run("doctor")
    assert done.code == 0
    assert {name: verdict for name, (verdict, _) in findings(done).items()} == dict.fromkeys(LOCAL, "ok")
    assert len(done.out.splitlines()) == len(LOCAL)
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if not path.is_dir()] == []


def test_json_says_what_the_text_says(run: Run) -> None:
    texts = []
    for arguments in ((), ("--json",)):
        done = run("doctor", "--state-dir", "/dev/null/x", *arguments)
        assert done.code == 7
        texts.append(re.sub(r"[0-9.]+ GB|[0-9]{2}:[0-9]{2}:[0-9]{2}", "...", done.out))
    document = json.loads(texts[1])
    assert document["exit_code"] == 7
    assert [set(one) for one in document["checks"]] == [{"name", "verdict", "detail", "hint"}] * len(LOCAL)
    rows = [f"{one['verdict']:<9}{one['name']:<16}{one['detail']} {one['hint']}".rstrip() for one in document["checks"]]
    assert rows == texts[0].splitlines()
    assert "fault    state folder" in texts[0]


@pytest.mark.parametrize("variables", [{"LANG": "C"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}])
def test_any_locale_and_any_name_will_do(variables: dict[str, str], run: Run, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xc3\xa9\xff\x1b[2J"
    done = run("doctor", "--state-dir", os.fsdecode(folder), "--json", **variables)
    assert done.code == 0, done
    assert r"\xff\x1b[2J: only this user" in next(
        one["detail"] for one in done.summary["checks"] if one["name"] == "state folder"
    )
    assert done.out.replace("\n", "").isprintable()


# The state folder


def others_write(state: Path) -> None:
    state.mkdir()
    state.chmod(0o777)


def read_only(state: Path) -> None:
    (state / "jobs").mkdir(parents=True)
    state.chmod(0o500)


def no_jobs(state: Path) -> None:
    state.mkdir(mode=0o500)


def a_file(state: Path) -> None:
    state.touch()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (others_write, "others may write to the state folder. Run: chmod go-w"),
        (read_only, "cannot be written: permission denied"),
        (no_jobs, "cannot be used for state: permission denied"),
        (a_file, "cannot be used for state: file exists"),
    ],
)
def test_a_state_folder_that_no_run_would_take_is_at_fault(
    change: Callable[[Path], None], words: str, run: Run, tmp_path: Path
) -> None:
    change(tmp_path / "mine")
    done = run("doctor", "--state-dir", "mine", by=powerless())
    verdict, text = all_but("state folder", done)
    assert (done.code, verdict) == (7, "fault")
    assert f"{tmp_path / 'mine'}" in text
    assert words in text


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of that size."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_at_fault_and_little_room_a_warning(run: Run, tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "2m") as folder:
        done = run("doctor", "--state-dir", folder / "s")
        verdict, text = all_but("state folder", done)
        assert (done.code, verdict) == (0, "warning")
        assert "MB are free. Make room" in text
        subprocess.run(["dd", "if=/dev/zero", f"of={folder / 'other'}", "bs=4096"], capture_output=True, check=False)
        done = run("doctor", "--state-dir", folder / "s")
        verdict, text = all_but("state folder", done)
        assert (done.code, verdict) == (7, "fault")
        assert "database or disk is full" in text or "no space left on device" in text
        assert [path.name for path in (folder / "s").iterdir()] == ["jobs"]


def test_a_disk_that_is_mounted_read_only_is_at_fault(run: Run, tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "2m") as folder:
        (folder / "s" / "jobs").mkdir(parents=True, mode=0o700)
        (folder / "s").chmod(0o700)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        done = run("doctor", "--state-dir", folder / "s")
        verdict, text = all_but("state folder", done)
    assert (done.code, verdict) == (7, "fault")
    assert "cannot be written: read-only file system" in text


@pytest.mark.parametrize(
    ("inject", "words"),
    [
        ("flock:error=ENOLCK", "cannot be locked: no locks available"),
        ("flock:retval=0", "a lock keeps nobody out there"),
        ("pwrite64:error=EIO", "no database can be kept there: disk I/O error"),
    ],
)
def test_locks_and_database_are_proved_by_use(inject: str, words: str, tmp_path: Path) -> None:
    needs_strace()
    done = traced(tmp_path, inject, "doctor", "--state-dir", "state")
    found = findings(done._replace(err=""))["state folder"]
    assert (done.code, found[0]) == (7, "fault")
    assert words in found[1]


def test_who_has_no_home_names_a_state_folder(run: Run) -> None:
    done = run("doctor", by=homeless())
    verdict, text = all_but("state folder", done)
    assert (done.code, verdict) == (7, "fault")
    assert text == "This user has no home folder, in which state could lie. Name a folder with --state-dir."
    done = run("doctor", "--state-dir", "mine", by=homeless())
    assert done.code == 0
    assert findings(done)["own formats"] == ("ok", "there are none, for this user has no home folder")


# The installation


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The package in the folder in which commands run, so that it is the one that runs."""
    package = tmp_path / "log_importer"
    shutil.copytree(ROOT / "log_importer", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "formats", package / "formats")
    return package


def test_without_a_c_compiler_there_is_a_warning(copied: Path, run: Run) -> None:
    (copied / "native" / "columns.so").unlink()
    done = run("doctor")
    verdict, text = all_but("compiled loops", done)
    assert (done.code, verdict) == (0, "warning")
    assert "They were not compiled" in text
    assert "Install a C compiler" in text


def test_loops_that_were_compiled_of_another_source_are_not_used(copied: Path, run: Run) -> None:
    with (copied / "native" / "columns.c").open("a") as source:
        source.write("/* of another version */\n")
    verdict, text = all_but("compiled loops", run("doctor"))
    assert verdict == "warning"
    assert "They are of another source or machine" in text


def test_loops_that_compute_something_else_are_at_fault(copied: Path, run: Run) -> None:
    if not shutil.which("gcc"):
        missing("gcc")
    source = copied / "native" / "columns.c"
    right = "double time = out[n] = begins[numbers[n]]"
    assert right in source.read_text()
    source.write_text(source.read_text().replace(right, f"{right} + 1"))
    sources = sorted(source.parent.glob("*.[ch]"))
    built_from = crc32(b"".join(path.read_bytes() for path in sources))
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-fvisibility=hidden", f"-DBUILT_FROM={built_from}u", "-o", "columns.so",
         *(path for path in sources if path.suffix == ".c"), "-lm"],
        cwd=source.parent, check=True,
    )  # fmt: skip
    done = run("doctor")
    verdict, text = all_but("compiled loops", done)
    assert (done.code, verdict) == (2, "fault")
    assert "Lines translated together become other requests than one by one: " in text
    assert {"combined", "iis", "nginx_json"} <= set(re.findall(r"\w+", text))


def test_a_packaged_format_that_reads_its_samples_otherwise_is_at_fault(copied: Path, run: Run) -> None:
    file = copied / "formats" / "common.toml"
    file.write_text(file.read_text().replace('path       = "/apache_pb.gif"', 'path       = "/other.gif"'))
    done = run("doctor")
    verdict, text = all_but("formats", done)
    assert (done.code, verdict) == (2, "fault")
    assert "common.toml: sample 1, hit 1: path is '/apache_pb.gif', expected '/other.gif'." in text


def test_without_formats_two_checks_are_at_fault_and_the_others_made(copied: Path, run: Run) -> None:
    shutil.rmtree(copied / "formats")
    done = run("doctor")
    found = findings(done)
    assert (done.code, list(found)) == (2, LOCAL)
    assert {name for name, (verdict, _) in found.items() if verdict == "fault"} == {
        "formats", "own formats", "compiled loops",
    }  # fmt: skip
    assert "there are no formats" in found["formats"][1]


def test_what_cannot_be_loaded_is_one_fault_among_the_checks(run: Run, tmp_path: Path) -> None:
    (tmp_path / "regex.py").write_text("raise ImportError('built for another Python')")
    done = run("doctor")
    found = findings(done)
    assert (done.code, list(found)) == (1, list(CHECKS))
    assert found["formats"] == (
        "fault", "It cannot be checked: built for another Python. Install log-importer again with pip.",
    )  # fmt: skip
    assert found["state folder"][0] == found["certificates"][0] == "ok"


def require(folder: Path, *requirements: str) -> None:
    """Another log-importer is installed here, which asks for these."""
    about = folder / "log_importer-9.dist-info"
    about.mkdir()
    rows = [
        "Metadata-Version: 2.4",
        "Name: log-importer",
        "Version: 9",
        *(f"Requires-Dist: {one}" for one in requirements),
    ]
    (about / "METADATA").write_text("\n".join(rows))


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("no-such-thing>=1.0", "no-such-thing is missing"),
        ("no-such-thing>=1.0; python_version < '3.99'", "no-such-thing is missing"),
        ("click>=1234.5", "click has to be 1234.5 or later"),
    ],
)
def test_a_package_that_is_missing_or_too_old_is_at_fault(
    requirement: str, words: str, run: Run, tmp_path: Path
) -> None:
    require(tmp_path, "orjson>=3", requirement)
    done = run("doctor")
    verdict, text = all_but("dependencies", done)
    assert (done.code, verdict) == (2, "fault")
    assert words in text
    assert "in use are orjson 3." in text


def test_packages_that_are_not_needed_here_are_not_asked_for(run: Run, tmp_path: Path) -> None:
    require(tmp_path, "no-such-thing>=1.0; python_version < '3.11'", 'other-thing>=1; extra == "remote"', "click>=8.1")
    done = run("doctor")
    verdict, text = all_but("dependencies", done)
    assert (done.code, verdict, text.split()[0], len(text.split())) == (0, "ok", "click", 2)


def test_every_dependency_of_ours_is_told_with_its_version(run: Run) -> None:
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    text = findings(run("doctor"))["dependencies"][1]
    needed = [one for one in declared if "python_version" not in one or sys.version_info < (3, 14)]
    found = [re.sub(r"[-_.]+", "-", one.split()[0]) for one in text.split(", ")]
    assert found == [re.sub(r"[-_.]+", "-", re.split("[>;]", one)[0]) for one in needed]


GOOD = (ROOT / "formats" / "common.toml").read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("driver = 1", "schema must be 1"),
        (GOOD.replace('name      = "common"', 'name = "mine"\ndetect_automatically = false')
         .replace("rejected = 1", "rejected = 2"),
         "1 lines are rejected, and 2 should be"),
        (GOOD.replace('name      = "common"', 'name = "mine"'), "the formats common, mine fit its lines equally well"),
    ],
)  # fmt: skip
def test_a_format_file_of_ones_own_that_is_wrong_is_at_fault(text: str, words: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "log-importer" / "formats").mkdir(parents=True)
    (tmp_path / "log-importer" / "formats" / "mine.toml").write_text(text)
    done = run("doctor")
    verdict, found = all_but("own formats", done)
    assert (done.code, verdict) == (2, "fault")
    assert "mine.toml: " in found
    assert words in found


def test_a_format_file_of_ones_own_may_replace_a_packaged_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "common.toml").write_text(GOOD)
    done = run("doctor", "--format-file", "common.toml")
    assert done.code == 0
    assert all_but("own formats", done) == ("ok", "common.toml: all as they should be")


def test_a_folder_of_formats_in_which_one_may_not_look_is_a_warning(run: Run, tmp_path: Path) -> None:
    (tmp_path / "log-importer" / "formats").mkdir(parents=True)
    (tmp_path / "log-importer").chmod(0)
    done = run("doctor", by=powerless())
    named = run("doctor", "--format-file", "missing.toml", by=powerless())
    (tmp_path / "log-importer").chmod(0o700)
    verdict, text = all_but("own formats", done)
    assert (done.code, verdict) == (0, "warning")
    assert "this user may not look there" in text
    assert named.code == 2
    assert "missing.toml: cannot be read" in all_but("own formats", named)[1]


# The machine


def test_few_open_files_are_a_warning(run: Run) -> None:
    done = run("doctor", by=["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"])
    verdict, text = all_but("open files", done)
    assert (done.code, verdict) == (0, "warning")
    assert "64 at once, so that 16 sources" in text


@pytest.mark.parametrize("year", ["1999", "2107"])
def test_a_clock_in_another_age_is_at_fault(year: str, tmp_path: Path) -> None:
    if not shutil.which("faketime"):
        missing("faketime")
    done = subprocess.run(
        ["faketime", f"{year}-03-01 10:00:00", *command("doctor")], cwd=tmp_path, env=environment(tmp_path),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    verdict, text = all_but("clock", Done(done.returncode, done.stdout, done.stderr))
    assert (done.returncode, verdict) == (2, "fault")
    assert f"The system's clock says that it is {year}-03-01" in text


def test_the_local_zone_is_named(run: Run) -> None:
    assert findings(run("doctor", TZ="Asia/Kolkata"))["clock"][1].endswith("the local zone is IST (+0530)")


def test_without_data_of_time_zones_there_is_a_warning(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tzdata").mkdir()
    (tmp_path / "tzdata" / "__init__.py").touch()  # in front of the Python package, where that is installed
    done = run("doctor", PYTHONTZPATH="/no/where")
    verdict, text = all_but("time zones", done)
    assert (done.code, verdict) == (0, "warning")
    assert "only UTC is known" in text
    assert "tzdata" in text


def test_processors_are_those_that_may_be_used(run: Run) -> None:
    if not hasattr(os, "sched_getaffinity"):
        missing("system that ties processes to processors")
    one = str(min(os.sched_getaffinity(0)))
    assert findings(run("doctor", by=["taskset", "-c", one]))["processors"][1].startswith("1 of ")


def test_limits_of_a_container_are_told(run: Run) -> None:
    groups = "mount -t tmpfs none /sys/fs/cgroup && cd /sys/fs/cgroup"
    limits = "echo '150000 100000' >cpu.max && echo 268435456 >memory.max"
    if subprocess.run(["unshare", "-m", "sh", "-c", groups], capture_output=True).returncode:
        pytest.skip("may not mount")
    by = ["unshare", "-m", "sh", "-c", f'here=$PWD && {groups} && {limits} && cd "$here" && exec "$@"', "sh"]
    text = findings(run("doctor", by=by))["processors"][1]
    assert "processors may be used, for the time of 1.5; " in text
    assert text.endswith("; its control group may use 0.3 GB of memory")


# Certificates and the server


NO_CERTIFICATES = {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "", "SSL_CERT_FILE": ""}


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        ("REQUESTS_CA_BUNDLE", "missing.pem", "REQUESTS_CA_BUNDLE names missing.pem, which does not exist"),
        ("SSL_CERT_FILE", "empty.pem", "empty.pem: no certificates can be read"),
        ("--ca-file", "none", "none holds no certificate of an authority"),
    ],
)
def test_certificates_that_cannot_be_read_are_at_fault(
    name: str, path: str, words: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").write_text("")
    (tmp_path / "none").mkdir()
    done = run("doctor", *((name, path) if name[0] == "-" else ()), **(NO_CERTIFICATES | {name: path}))
    verdict, text = findings(done)["certificates"]
    assert (done.code, verdict) == (2, "fault")
    assert words in text


def test_the_certificates_of_the_library_count_where_none_are_named(run: Run) -> None:
    verdict, text = all_but("certificates", run("doctor", **NO_CERTIFICATES))
    assert verdict == "ok"
    assert int(text.split()[1]) > 50


def asked(run: Run, url: str, *more: object, token: str = TOKENS.write, **variables: str) -> Done:
    done = run("doctor", "--url", url, *more, LOG_IMPORTER_TOKEN_AUTH=token, **variables)
    assert token not in done.out + done.err
    assert {name: verdict for name, (verdict, _) in findings(done).items() if name in LOCAL} == dict.fromkeys(
        LOCAL, "ok"
    )
    return done


def test_a_server_that_takes_the_token_is_well(receive: Callable[[Path], Receiver], run: Run, tmp_path: Path) -> None:
    receiver = receive(tmp_path / "db")
    for arguments, words in {
        ("--idsite", 1): "the token is good for site 1",
        (): "the token is good for each host's own site",
        ("--site", "www.example.org=1", "--idsite-fallback", 1): "the token is good for site 1",
    }.items():
        done = asked(run, receiver.url, *arguments)
        assert done.code == 0, done
        assert findings(done)["server"] == ("ok", f"{receiver.url} is a Matomo 5.2.0; {words}")


def test_the_server_may_stand_in_the_settings_file_and_its_token_in_another(
    receive: Callable[[Path], Receiver], run: Run, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKENS.view)
    (tmp_path / "token").chmod(0o600)
    url = receive(tmp_path / "db").url
    (tmp_path / "s.toml").write_text(f'url = "{url}"\nidsite = 1\ntoken-auth-file = "token"\nenable-bots = true\n')
    done = run("doctor", "--config", "s.toml")
    assert done.code == 4
    assert "may look at site 1 but not import" in findings(done)["server"][1]
    assert "server" not in findings(run("doctor", "--config", "s.toml", "--local"))
    (tmp_path / "s.toml").write_text("local = true\nidsite = 99\n")  # and flags win over it
    done = asked(run, url, "--config", "s.toml", "--site", "www.example.org=1")
    assert (done.code, findings(done)["server"][0]) == (0, "ok"), done


def redirecting(_: object) -> Told:
    return Told(301, headers={"Location": "https://other.example/\x9b"})


def not_there(_: object) -> Told:
    return Told(404, b"<!doctype html>")


def failing(_: object) -> Told:
    return Told(503, b"down for maintenance")


def forgetful(_: object) -> Told:
    return Told(200, b"<!doctype html>")


@pytest.mark.parametrize(
    ("server", "token", "idsite", "code"),
    [
        ("receiver", "f" * 32, 1, 4),
        ("receiver", TOKENS.view, 1, 4),
        ("receiver", TOKENS.superuser, 99, 4),
        ("closed", TOKENS.write, 1, 5),
        ("http://no.such.host.invalid", TOKENS.write, 1, 5),
        ("ftp://example.org", TOKENS.write, 1, 2),
        ("closed", "", 1, 2),
        (redirecting, TOKENS.write, 1, 4),
        (not_there, TOKENS.write, 1, 4),
        (forgetful, TOKENS.write, 1, 4),
        (failing, TOKENS.write, 1, 5),
    ],
)
def test_a_server_that_an_import_would_not_begin_with_is_at_fault_in_its_words_and_at_once(
    server: str | Script,
    token: str,
    idsite: int,
    code: int,
    receive: Callable[[Path], Receiver],
    run: Run,
    tmp_path: Path,
) -> None:
    (tmp_path / "a.log").write_bytes(lines(range(20)))
    with serve(good if isinstance(server, str) else server) as faulty:
        url = faulty.url
        if server == "receiver":
            url = receive(tmp_path / "db").url
        elif isinstance(server, str):
            url = closed_port() if server == "closed" else server
        began = time.monotonic()
        done = run("doctor", "--url", url, "--idsite", idsite, LOG_IMPORTER_TOKEN_AUTH=token)
        seconds = time.monotonic() - began
        options = ("--url", url, "--idsite", idsite, "--give-up-after", 0.1, "a.log")
        imported = run("import", *options, LOG_IMPORTER_TOKEN_AUTH=token)
    verdict, text = findings(done)["server"]
    assert (done.code, imported.code, verdict) == (code, code, "fault")
    assert f"log-importer: {text}\n" in imported.err
    assert seconds < 20
    assert not token or token not in done.out + done.err


def test_a_server_that_never_answers_is_not_waited_for_long(run: Run) -> None:
    def silent(_: object) -> Told:
        return Told(delay=100)

    with serve(silent) as server:
        began = time.monotonic()
        done = asked(run, server.url, "--idsite", 1)
        assert time.monotonic() - began < 30
    assert done.code == 5
    text = findings(done)["server"][1]
    assert text.startswith(f"{server.url}/index.php")
    assert "did not answer within 10 s." in text


def test_a_certificate_is_judged_as_an_import_judges_it(run: Run, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serve(tls=context) as server:
        refused = asked(run, server.url, "--idsite", 1)
        assert refused.code == 4
        assert "an authority that this machine does not know" in findings(refused)["server"][1]
        done = asked(run, server.url, "--idsite", 1, "--ca-file", "ca.pem")
        assert (done.code, findings(done)["certificates"]) == (0, ("ok", "of 1 authorities in ca.pem"))
        done = run(
            "doctor", "--url", server.url, "--idsite", 1, "--accept-invalid-ssl-certificate",
            LOG_IMPORTER_TOKEN_AUTH=TOKENS.write,
        )  # fmt: skip
        assert (done.code, findings(done)["certificates"][0], findings(done)["server"][0]) == (0, "warning", "ok")


def test_a_token_without_a_server_is_a_warning(run: Run) -> None:
    done = run("doctor", LOG_IMPORTER_TOKEN_AUTH=TOKENS.write)
    assert (done.code, findings(done)["server"][0]) == (0, "warning")
    assert "--token-auth is given, but no --url" in findings(done)["server"][1]


def connected(folder: Path, *arguments: object) -> Sequence[str]:
    """The system calls with which anybody is reached, or a name server asked."""
    subprocess.run(
        ["strace", "-f", "-o", "calls", "-e", "trace=connect,sendto,sendmsg,sendmmsg", *command("doctor", *arguments)],
        cwd=folder, env=environment(folder, {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.write}), capture_output=True,
        check=False, timeout=120,
    )  # fmt: skip
    return [row for row in (folder / "calls").read_text().splitlines() if re.search("(connect|send[a-z]+)[(]", row)]


def test_no_network_is_used_where_no_server_is_named(tmp_path: Path) -> None:
    needs_strace()
    assert connected(tmp_path) == []
    assert connected(tmp_path, "--url", closed_port(), "--idsite", 1) != []
