"""Runs the tests that tell most as they would run on other machines.

    python3 -m tests.machines pythons   with every Python 3.11 to 3.14 of this machine
    python3 -m tests.machines bare      LANG=C, no time zone, one processor, no C compiler, the lowest dependencies
    python3 -m tests.machines busy      as a user who is not root, while other processes take the processors

Each runs in a copy of the files that git tracks, with an environment of its own. Needs git, and no package.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
READING = ["tests/parsing", "tests/test_golden.py", "tests/runs/commands/test_import.py"]
KEEPING = ["tests/faults/test_crash.py", "tests/ledger/test_ledger.py"]
VERSIONS = range(11, 15)
"""Of Python 3."""


class Python(NamedTuple):
    """An interpreter."""

    path: str
    version: str  # as 3.11.2


def pythons() -> list[Python]:
    """Each version once, the system's first."""
    folders = ["/usr/bin", "/usr/local/bin", *os.environ.get("PATH", "").split(os.pathsep)]
    paths = [Path(folder) / name for folder in folders for name in ("python3", *(f"python3.{n}" for n in VERSIONS))]
    paths += sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3"))
    found: dict[str, Python] = {}
    for path in paths:
        asked = [str(path), "-c", "import sys, venv, ensurepip; print('.'.join(map(str, sys.version_info[:3])))"]
        try:
            done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
        except OSError:
            continue
        version = done.stdout.strip()
        if not done.returncode and version.startswith(tuple(f"3.{number}." for number in VERSIONS)):
            found.setdefault(version, Python(str(path), version))
    return list(found.values())


@contextmanager
def installed(python: Python, *, bare: bool = False) -> Iterator[Path]:
    """A copy of the project with an environment in `.venv`.

    With `bare`, no C compiler is found meanwhile, and all dependencies have the lowest versions that are declared.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        names = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")[:-1]
        for name in filter(lambda name: (ROOT / name).exists(), names):
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        if (ROOT.parent / "shared").exists():  # other people's data, which the tests look for there
            (Path(folder) / "shared").symlink_to(ROOT.parent / "shared")
        subprocess.run([python.path, "-m", "venv", copy / ".venv"], check=True)
        pip = [str(copy / ".venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        variables = dict(os.environ)
        if bare:
            (copy / "lowest.txt").write_text("\n".join(lowest()))
            pip += ["--constraint", str(copy / "lowest.txt")]
            variables["PATH"] = str(copy / ".venv/bin")
        subprocess.run([*pip, "--editable", f"{copy}[test]"], check=True, env=variables, cwd=folder)
        library = (copy / "log_importer/native/columns.so").exists()
        assert library != bare, "the C was to be compiled" if not bare else "a C compiler was found"
        yield copy


def lowest() -> list[str]:
    """The declared dependencies, each with the lowest version that is declared."""
    document: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [line.replace(">=", "==") for line in document["project"]["dependencies"]]


def say(text: str) -> None:
    """Prints a line at once, before what the tests print."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def check(copy: Path, tests: list[str], title: str, **how: Any) -> bool:
    """Runs `log-importer doctor` and `tests` in a copy; whether all is well. `how` goes to `subprocess.run`."""
    say(f"== {title}")
    with tempfile.TemporaryDirectory() as state:
        if "user" in how:
            shutil.chown(state, how["user"])
        began = time.monotonic()
        doctor = [str(copy / ".venv/bin/log-importer"), "doctor", "--state-dir", state]
        if subprocess.run(doctor, cwd=copy, check=False, **how).returncode:
            return False
    say(f"doctor: {time.monotonic() - began:.1f} s")
    command = [str(copy / ".venv/bin/python"), "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=copy, check=False, **how).returncode == 0


def on_all_pythons() -> bool:
    """Reading is what differs with the interpreter."""
    found = pythons()
    say("Pythons: " + ", ".join(f"{python.version} ({python.path})" for python in found))
    passed = bool(found)
    for python in found:
        with installed(python) as copy:
            passed &= check(copy, READING, f"Python {python.version}")
    return passed


def bare() -> bool:
    """What differs with the machine."""
    variables = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("LC_", "LOG_IMPORTER_")) and name not in ("TZ", "REQUIRE_ALL")
    }  # fmt: skip
    python = pythons()[0]
    with installed(python, bare=True) as copy:
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
        title = f"Python {python.version}, LANG=C, one processor, no compiler, lowest dependencies"
        return check(copy, READING + KEEPING, title, env=variables | {"LANG": "C"})


def busy() -> bool:
    """What differs where others work too, and with rights that are missing."""
    python = pythons()[0]
    with installed(python) as copy, ExitStack() as stack:
        copy.parent.chmod(0o755)
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        how: dict[str, Any] = {"env": os.environ | {"HOME": str(home), "TMPDIR": str(home)}}
        if os.getuid() == 0:
            shutil.chown(home, "nobody")
            how |= {"user": "nobody", "group": "nogroup", "extra_groups": []}
        for _ in range(2 * len(os.sched_getaffinity(0))):
            load = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(load.wait)
            stack.callback(load.kill)
        return check(copy, READING + KEEPING, f"Python {python.version}, not root, on a busy machine", **how)


if __name__ == "__main__":
    ways = {"pythons": on_all_pythons, "bare": bare, "busy": busy}
    sys.exit(0 if ways[sys.argv[1]]() else 1)
