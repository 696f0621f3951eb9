"""Imports point one way: face -> wiring -> edges -> core -> model and errors."""
# ruff: noqa: E501

import ast
from pathlib import Path

from tests.conftest import ROOT

PACKAGE = ROOT / "log_importer"
LAYERS = {
    "runs": 3,
    "translation": 1,
    "model": 0, "native": 0, "__init__": 0,
    "parsing": 1,     "tracking": 1,         "sources": 2, "delivery": 2, "receiver": 2, "ledger": 2,         "settings": 3,                                     "cli": 4, "__main__": 4,
}  # fmt: skip
ALLOWED_BETWEEN_EDGES = {
    ("receiver", "ledger"),
    ("receiver", "sources"),
    ("sources", "state"),
    ("shared", "sources"),
}
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


def test_every_part_has_its_layer() -> None:
    parts = {part(path) for path in PACKAGE.rglob("*.py")}
    assert parts == set(LAYERS)


def test_imports_point_one_way() -> None:
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        mine = part(path)
        for name in imports(path):
            if not name.startswith("log_importer."):
                continue
            theirs = name.split(".")[1]
            above = LAYERS[theirs] > LAYERS[mine]
            beside = LAYERS[theirs] == LAYERS[mine] == 2 and theirs != mine
            if above or (beside and (mine, theirs) not in ALLOWED_BETWEEN_EDGES):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_the_core_knows_no_file_socket_clock_or_process() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in PACKAGE.rglob("*.py")
        if LAYERS[part(path)] <= 1
        for name in imports(path)
        if name.split(".")[0] in NOT_IN_CORE
    ]
    assert wrong == []


def test_requests_has_one_owner() -> None:
    users = {part(path) for path in PACKAGE.rglob("*.py") if "requests" in imports(path)}
    assert users == {"delivery"}
