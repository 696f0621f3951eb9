"""A stream over an object: read on from any place, in any process, and noticed when it is another by now."""

import pickle
import random
import subprocess
import sys

import pytest

from log_importer.model.errors import SourceError
from log_importer.sources.find import Source, find_sources, source_at
from log_importer.sources.remote import DELETED, REPLACED, RemoteFile
from log_importer.sources.stream import Stream
from tests.sources.remote.s3 import S3
from tests.sources.remote.web import Page, Web

DATA = random.Random(1).randbytes(3 << 20)
OTHER = random.Random(2).randbytes(3 << 20)


def found(url: str) -> Source:
    """The source at a URL."""
    sources, errors = find_sources([url])
    assert errors == []
    return sources[0]


def whole(stream: Stream) -> bytes:
    """All that is left of it."""
    return b"".join(stream.blocks())


def test_reading_goes_on_at_any_place_with_what_stands_before_it(here: S3) -> None:
    source = found(here.put("a.log", DATA))
    for offset in (0, 1, 100, 255, 256, 300_000, len(DATA) - 1, len(DATA)):
        with Stream(source) as stream:
            assert stream.head() == DATA[:1024]
            assert stream.go_to(offset) == DATA[max(0, offset - 256) : offset]
            assert whole(stream) == DATA[offset:]
            assert stream.damage == ""
    with Stream(source) as stream:
        stream.head()
        assert stream.go_to(len(DATA) + 1) is None


def test_of_the_end_of_an_object_only_the_end_is_asked_for(here: S3) -> None:
    source = found(here.put("a.log", DATA))
    before = len(here.asked())
    with Stream(source) as stream:
        stream.head()
        stream.go_to(len(DATA) - 10)
        assert whole(stream) == DATA[-10:]
    assert [asked.split()[0] for asked in here.asked()[before:]] == ["HEAD", "GET", "GET", "GET", "HEAD"]


def test_a_source_can_be_sent_to_another_process_and_read_there(here: S3) -> None:
    source = found(here.put("a.log", b"a line\n" * 1000))
    script = (
        "import pickle, sys; from log_importer.sources.stream import Stream\n"
        "stream = Stream(pickle.loads(sys.stdin.buffer.read())); stream.head(); stream.go_to(70)\n"
        "print(sum(map(len, stream.blocks())))"
    )
    done = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(source), capture_output=True, check=True)
    assert done.stdout == b"6930\n"


def test_rewinding_asks_for_nothing_that_is_held(here: S3) -> None:
    source = found(here.put("a.log", b"a line\n" * 1000))
    with Stream(source) as stream:
        assert whole(stream) == b"a line\n" * 1000
        before = len(here.asked())
        stream.rewind()
        assert whole(stream) == b"a line\n" * 1000
        assert here.asked()[before:] == []


@pytest.mark.parametrize("other", [OTHER, DATA[:-1], DATA + b"x", b""])
def test_of_an_object_that_is_replaced_no_byte_is_mixed_in(other: bytes, here: S3) -> None:
    source = found(here.put("a.log", DATA))
    with Stream(source) as stream:
        blocks = stream.blocks()
        read = next(blocks)
        here.put("a.log", other)
        read += b"".join(blocks)
        assert stream.damage == REPLACED
        assert DATA.startswith(read)


def test_an_object_that_is_deleted_is_an_error_with_the_place(here: S3) -> None:
    source = found(here.put("a.log", DATA))
    with Stream(source) as stream:
        blocks = stream.blocks()
        next(blocks)
        here.delete("a.log")
        with pytest.raises(SourceError, match="reading stopped at byte 262144: there is no such object"):
            list(blocks)


def _read(stream: Stream, page: Page, at_the_end: int) -> None:
    for block in stream.blocks():
        if DATA.endswith(block):
            page.status = at_the_end


def test_a_page_that_is_gone_at_the_end_was_deleted(web: Web) -> None:
    page = web.pages["/a.log"] = Page(DATA)
    with Stream(found(f"{web.url}/a.log")) as stream:
        _read(stream, page, at_the_end=404)
        assert stream.damage == DELETED


def test_a_server_that_fails_at_the_end_has_deleted_nothing(web: Web) -> None:
    page = web.pages["/a.log"] = Page(DATA)
    with Stream(found(f"{web.url}/a.log")) as stream, pytest.raises(SourceError, match="the server answered 500"):
        _read(stream, page, at_the_end=500)


def test_what_was_written_again_with_the_same_bytes_is_the_same(here: S3) -> None:
    source = found(here.put("a.log", DATA))
    with Stream(source) as stream:
        blocks = stream.blocks()
        next(blocks)
        here.put("a.log", DATA)
        list(blocks)
        assert stream.damage == ""


def test_many_that_are_open_hold_little_each(here: S3) -> None:
    sources = [found(here.put(f"{number}.log", DATA)) for number in range(40)]
    streams = [Stream(source) for source in sources]
    try:
        readers = [stream.blocks() for stream in streams]
        for _ in range(10):
            for reader in readers:
                next(reader)
        files = [stream._file for stream in streams]
        held = [len(file._block) for file in files if isinstance(file, RemoteFile)]
        assert len(held) == 40
        assert sum(held) <= 32 << 20
    finally:
        for stream in streams:
            stream.close()
    assert RemoteFile._open == 0


def test_what_the_ledger_keeps_is_enough_to_find_it_again(here: S3) -> None:
    with Stream(source_at(here.put("a.log", b"x\n"), Source("", None))) as stream:
        assert whole(stream) == b"x\n"
