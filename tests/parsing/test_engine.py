"""Regular expressions match rightly on whatever Python this runs with."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from log_importer.parsing.engine import check_engine, compile_regex
from log_importer.parsing.regex_driver import LimitedPattern
from tests.conftest import ROOT, Run, missing

ATOMS = ["a", "b", "[ab]", "[^a]", ".", "c", "[^b]", r"\."]
QUANTIFIERS = ["*", "+", "?", "{2}", "{1,2}", "{0,3}"]


def alternatives(chance: random.Random, depth: int) -> str:
    """A random pattern with possessive quantifiers around groups, groups in groups, and assertions."""
    sequences = (
        "".join(item(chance, depth) for _ in range(chance.randint(1, 3))) for _ in range(chance.choice([1, 1, 2]))
    )
    return "|".join(sequences)


def item(chance: random.Random, depth: int) -> str:
    kind = chance.choice(["", "", "(?:", "(?:", "(", "(?!", "(?="]) if depth else ""
    atom = f"{kind}{alternatives(chance, depth - 1)})" if kind else chance.choice(ATOMS)
    if kind in ("(?!", "(?=") or chance.random() < 0.4:
        return atom
    return atom + chance.choice(QUANTIFIERS) + chance.choice(["", "+", "+"])


def test_what_the_standard_library_matches_is_what_an_independent_engine_matches() -> None:
    chance = random.Random(7)
    wrong = []
    for _ in range(1500):
        pattern = alternatives(chance, 3)
        for text in ("".join(chance.choices("aabbc", k=chance.randint(0, 7))) for _ in range(5)):
            found = compile_regex(pattern).fullmatch(text)
            expected = LimitedPattern(pattern, 0).fullmatch(text)
            if (expected and expected.groups()) != (found and found.groups()):
                wrong.append((pattern, text))
    assert wrong == []


def test_an_interpreter_that_matches_possessive_groups_wrongly_is_refused() -> None:
    """`re.compile` compiles them as they stand, which no Python before 3.11.5 reads rightly."""
    pythons = [sys.executable, "/usr/bin/python3"]
    asked = "import sys; print(sys.version_info[:3] < (3, 11, 5))"
    old = [
        python
        for python in pythons
        if Path(python).exists() and subprocess.check_output([python, "-c", asked]) == b"True\n"
    ]
    if not old:
        missing("Python before 3.11.5")
    program = (
        "import re\nfrom log_importer.model.errors import UsageError\n"
        "from log_importer.parsing.engine import check_engine\n"
        "check_engine()\n"
        "try:\n    check_engine(re.compile)\nexcept UsageError as error:\n    print(error.exit_code, error)\n"
    )
    for python in old:
        said = subprocess.run([python, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert said.startswith("2 Python 3.11.")
        assert "(?:ab?a)*+ wrong and would read logs wrongly; nothing was done. Install log-importer" in said


def test_the_constructs_in_use_are_right_here() -> None:
    check_engine()


def test_no_module_compiles_a_possessive_group_as_it_stands() -> None:
    """All modules are imported in a process that watches what the standard library is asked to compile."""
    program = """
import json, pkgutil, re, sys
from re import _compiler, _constants as c
from log_importer.parsing.engine import SINGLE, parts
compile_tree, found = _compiler.compile, []
def ours(frame):
    return frame is not None and ("/log_importer/" in frame.f_code.co_filename or ours(frame.f_back))
def watched(pattern, flags=0):
    if isinstance(pattern, str) and ours(sys._getframe()):
        waiting = [re._parser.parse(pattern, flags)]
        while waiting:
            for kind, value in waiting.pop():
                waiting += parts(kind, value)
                if kind is c.POSSESSIVE_REPEAT and not (len(value[2]) == 1 and value[2][0][0] in SINGLE):
                    found.append(pattern)
    return compile_tree(pattern, flags)
_compiler.compile = watched
re.purge()
import log_importer
names = [module.name for module in pkgutil.walk_packages(log_importer.__path__, "log_importer.")]
for name in names:
    if not name.startswith(("log_importer.runs.cluster", "log_importer.__main__", "log_importer.native.")):
        __import__(name)
print(json.dumps([len(names), found]))
"""
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    number, found = json.loads(said)
    assert number > 100
    assert found == []


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        ("[^a]|[^b]", "abc"),
        ("x[^a]|x[^b]", ["xa", "xb", "xc"]),
        ("(?:[^a]|[^b])++", ["ab", "ba", "abc"]),
        (r"[^\]]|[^\\]", "]\\a"),
        (r"[^]]|[^\n]", "]\na"),
    ],
)
def test_alternatives_of_negated_characters_match_under_the_time_limit_too(
    pattern: str, texts: str | list[str]
) -> None:
    assert [text for text in texts if not LimitedPattern(pattern, 0).fullmatch(text)] == []
    assert [text for text in texts if not re.fullmatch(pattern, text)] == []


OWN = r"(?:(?P<client_ip>[0-9.]++)|(?P<path>/[^ ]*+)|\[(?P<time>[^\]]++)\]| )++"
"""Up to Python 3.13, `re` itself fails on this with a SystemError."""


def explained(run: Run, *options: object) -> object:
    line = b"192.0.2.1 [10/Mar/2025:10:00:00 +0000] /a\n"
    done = run("explain", *options, "-", stdin=line)
    assert done.code == 0, done.err
    return json.loads(done.out)["hit"]


HIT = {"time": "2025-03-10T10:00:00Z", "client_ip": "192.0.2.1", "path": "/a"}


def test_a_pattern_of_the_command_line_is_read_rightly(run: Run) -> None:
    assert explained(run, "--log-format-regex", OWN) == HIT


def test_a_pattern_of_a_format_file_is_read_rightly(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        'schema = 1\nname = "own"\ntitle = "Own"\ndriver = "regex"\n'
        f"[regex]\nverbose = false\npattern = '{OWN}'\n"
        '[fields]\ntime = { from = "time", layout = "%d/%b/%Y:%H:%M:%S %z" }\nclient_ip = "client_ip"\npath = "path"\n'
    )
    assert explained(run, "--format-file", "own.toml") == HIT


def test_an_old_interpreter_is_refused_before_anything_is_done(run: Run, tmp_path: Path) -> None:
    """A standard library in which the fault is back, by a folder that comes first."""
    (tmp_path / "sitecustomize.py").write_text(
        "from re import _compiler, _constants as c, _parser\n"
        "compile_tree = _compiler.compile\n"
        "def broken(tree, flags=0):\n"
        "    return compile_tree('x' if not isinstance(tree, str) else tree, flags)\n"
        "_compiler.compile = broken\n"
    )
    done = run("import", "--local", "--state-dir", "state", "-", stdin=b"", PYTHONPATH=str(tmp_path))
    assert done.code == 2
    assert "would read logs wrongly; nothing was done." in done.err
    assert not (tmp_path / "state").exists()
