"""How much is read at once: more where few lines become requests, since those are what takes memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from log_importer.model import Chunk, RejectedLine
from log_importer.runs.output.progress import Progress
from log_importer.runs.reading.chunks_in_order import Reader
from log_importer.runs.reading.survey import look
from log_importer.runs.tally import Tally
from log_importer.settings import Settings
from log_importer.sources.chunks import CHUNK_BYTES

LARGEST = 3 << 20
LINE = b'192.0.2.1 - - [01/Mar/2026:00:00:00 +0000] "GET /%080d HTTP/1.1" 200 10 "-" "Mozilla/5.0"\n'


@dataclass
class Parsed:
    """What became of a chunk, as far as counts tell."""

    lines: int
    skipped: Mapping[str, int]
    rejected: Mapping[str, int] = field(default_factory=dict)
    rejected_lines: Sequence[RejectedLine] = ()
    cut_urls: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    ais: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[tuple[str, str], int] = field(default_factory=dict)
    without_site: Mapping[str, int] = field(default_factory=dict)


def sizes(folder: Path, shares: Iterator[float]) -> list[int]:
    """The bytes of each chunk of a log, of whose lines those shares become requests, chunk by chunk."""
    settings = Settings(sources=(str(folder / "a.log"),))
    inputs = look(settings, print)
    tally = Tally()
    reader = Reader(inputs, tally, [], Progress(bar=False), 65536, lambda: False, print, disorder=60.0)
    found = []
    for chunk in reader.chunks():
        assert isinstance(chunk, Chunk)
        found.append(len(chunk.data))
        lines = chunk.data.count(b"\n")
        tally.read(chunk.source, Parsed(lines, {"bot": round(lines * (1 - next(shares)))}))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log")
    (path / "a.log").write_bytes(b"".join(LINE % number for number in range(150_000)))
    return path


def test_a_chunk_is_as_large_as_its_share_of_requests_allows(folder: Path) -> None:
    line = len(LINE % 0)
    for share, size in ((1.0, CHUNK_BYTES), (0.5, 2 * CHUNK_BYTES), (0.1, LARGEST), (0.0, LARGEST)):
        first, *middle, _ = sizes(folder, iter([share] * 100))
        assert CHUNK_BYTES - line < first <= CHUNK_BYTES
        assert all(size - line - size / 1000 < one <= size + size / 1000 for one in middle), (share, middle)


def test_chunks_become_small_again_where_more_lines_become_requests(folder: Path) -> None:
    found = sizes(folder, iter([0.0] * 3 + [1.0] * 100))
    assert max(found) > LARGEST - 1000
    assert all(one <= CHUNK_BYTES for one in found[4:])
