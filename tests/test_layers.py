"""A part of the package imports only from the parts before it in one list, in the order in which a line travels."""

import ast
from pathlib import Path

from tests.conftest import ROOT

PACKAGE = ROOT / "log_importer"
PARTS = [
    "__init__", "native", "model", "parsing", "tracking", "translation", "sources", "ledger", "delivery", "receiver",
    "settings", "runs", "cli", "__main__",
]  # fmt: skip
CORE = PARTS[: PARTS.index("sources")]
"""What works on bytes and values alone."""
NOT_IN_CORE = {"os", "io", "socket", "time", "threading", "multiprocessing", "logging", "requests"}


def imports(path: Path) -> set[str]:
    """All modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module or "")
    return found


def part(path: Path) -> str:
    """The part of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_part_has_its_place() -> None:
    parts = {part(path) for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert parts == set(PARTS)
    assert len(parts) <= 14


def test_imports_point_one_way() -> None:
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        for name in imports(path):
            if not name.startswith("log_importer."):
                continue
            if PARTS.index(name.split(".")[1]) > PARTS.index(part(path)):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_the_core_knows_no_file_socket_clock_or_process() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in PACKAGE.rglob("*.py")
        if part(path) in CORE
        for name in imports(path)
        if name.split(".")[0] in NOT_IN_CORE
    ]
    assert wrong == []


def test_requests_has_one_owner() -> None:
    users = {path.parent for path in PACKAGE.rglob("*.py") if "requests" in imports(path)}
    assert users == {PACKAGE / "delivery" / "server"}
