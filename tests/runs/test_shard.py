"""Several machines that import the same logs, each its share of the visitors: together they do what one does."""

import gzip
import random
from collections import Counter
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest

from log_importer.model import ChunkResult, Context
from log_importer.translation.bot_rules import judges
from log_importer.translation.chunk import compile_translation
from log_importer.translation.sharing import Shard, read_shard
from tests.conftest import TOKENS, Run
from tests.faults.test_merge import hit, stored, traffic, write_servers
from tests.translation.test_by_column import NOW, PLANS, sources

TOKEN = {"LOG_IMPORTER_TOKEN_AUTH": TOKENS.superuser}


def forty_files(folder: Path) -> list[str]:
    """Eight files of each of five servers, plain and compressed, overlapping in time; one of them is cut short.

    Among their lines are some that are skipped, and some that nobody can read.
    """
    chance = random.Random("forty")
    hits = traffic(900, chance)
    for number in range(300):
        moment, written, server, _ = chance.choice(hits)
        odd = hit(moment, number, f"/s{number}.css") if number % 3 else b"no line of a log %d\n" % number
        hits.append((moment, written, server, odd))
    names = write_servers(folder, hits, parts=8)
    cut = folder / names[1]
    cut.write_bytes(cut.read_bytes()[:-200])
    with pytest.raises(EOFError):
        gzip.decompress(cut.read_bytes())
    return names


def summed(summaries: list[Any]) -> dict[str, Any]:
    """What several runs did, as one: without what each left to the others."""
    total: dict[str, Any] = {"lines": summaries[0]["lines"]}
    for bucket in ("tracked", "rejected", "refused", "set_aside", "in_doubt", "pending", "maybe_twice", "cut_urls"):
        total[bucket] = sum(one[bucket] for one in summaries)
    skipped: Counter[str] = Counter()
    for one in summaries:
        skipped.update({name: lines for name, lines in one["skipped"].items() if name != "other-shard"})
    return total | {"skipped": dict(skipped), "reasons": summaries[0]["reasons"]}


@pytest.mark.timeout(240)
def test_two_shards_store_what_one_machine_does_row_for_row(run: Run, tmp_path: Path, receive: Any) -> None:
    names = forty_files(tmp_path)
    one = receive(tmp_path / "one.sqlite3")
    alone = ("--state-dir", "alone")  # for the receivers are two names of this machine
    whole = run("import", "--json", "--url", one.url, "--idsite", 1, *alone, *names, timeout=120, **TOKEN)
    both = receive(tmp_path / "both.sqlite3")
    shards = [
        run("import", "--json", "--url", both.url, "--idsite", 1, "--shard", f"{n}/2", *names, timeout=120, **TOKEN)
        for n in (1, 2)
    ]  # fmt: skip
    assert [done.code for done in (whole, *shards)] == [1, 1, 1], shards  # the file that is cut short
    visits, actions = stored(tmp_path / "one.sqlite3")
    assert len(actions) > 5000
    assert stored(tmp_path / "both.sqlite3") == (visits, actions)
    assert summed([done.summary for done in shards]) == summed([whole.summary])
    tracked = [done.summary["tracked"] for done in shards]
    assert min(tracked) > 0.1 * sum(tracked)
    assert "other job" not in shards[1].err  # the other share is no second import
    again = run("import", "--json", "--url", both.url, "--idsite", 1, "--shard", "2/2", *names, timeout=120, **TOKEN)
    assert again.summary["tracked"] == 0
    third = run("import", "--json", "--url", both.url, "--idsite", 1, "--shard", "1/3", names[0], timeout=120, **TOKEN)
    assert (third.code, "imported before, under the job" in third.err) == (2, True)


@pytest.mark.parametrize("shares", [2, 3, 7])
def test_every_line_is_in_one_share(shares: int) -> None:
    plan = PLANS["everything"]
    for name in ("combined", "nginx_json"):
        for header, lines in sources(name, 300, shares):
            data = b"".join(line + b"\n" for line in lines)
            context = Context(name, header, 7, 1000, NOW)
            whole = compile_translation(plan, judges())(data, context)
            parts = [
                compile_translation(replace(plan, shard=Shard(number, shares)), judges())(data, context)
                for number in range(1, shares + 1)
            ]
            rows = sorted(zip(whole.offsets, whole.lanes, queries(whole), strict=True))
            assert (
                sorted(row for one in parts for row in zip(one.offsets, one.lanes, queries(one), strict=True)) == rows
            )
            for number, one in enumerate(parts, 1):
                assert all(Shard(number, shares).has(lane) for lane in one.lanes)
                assert len(one.lengths) + sum(one.skipped.values()) + sum(one.rejected.values()) == one.lines
            own = {reason: lines for reason, lines in parts[0].skipped.items() if reason != "other-shard"}
            assert (own, parts[0].rejected) == (whole.skipped, whole.rejected)
            assert all(set(one.skipped) <= {"other-shard"} and not one.rejected for one in parts[1:])


def queries(result: ChunkResult) -> list[bytes]:
    """The requests of a result."""
    return [result.blob[begin:end] for begin, end in pairwise(accumulate(result.lengths, initial=0))]


def test_what_is_no_share_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(hit(1772323200, 1, "/"))
    for wrong in ("0/2", "3/2", "1", "1/", "a/b", "1/99999"):
        done = run("import", "--local", "--shard", wrong, "a.log")
        assert (done.code, f"--shard: '{wrong}' is no share. Write 1/3" in done.err) == (2, True), done
    assert read_shard("2/3") == Shard(2, 3)
    piped = run("import", "--local", "--shard", "1/2", "-", stdin=b"")
    assert (piped.code, "--shard is for files" in piped.err) == (2, True)
    made = run("import", "--url", "http://127.0.0.1:9", "--shard", "1/2", "--add-sites-new-hosts", "a.log", **TOKEN)
    assert (made.code, "exclude each other" in made.err) == (2, True)
