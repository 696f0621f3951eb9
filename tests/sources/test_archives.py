"""Files that hold logs and are not read: told by their bytes, with what to do; the other sources go on."""

import base64
import gzip
import io
import os
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest

from log_importer.model.errors import SourceError
from log_importer.sources.find import Source
from log_importer.sources.stream import Stream
from tests.conftest import Run
from tests.faults.common import log
from tests.sources.test_decompress import COMPRESSIONS


def tar(form: int = tarfile.GNU_FORMAT) -> bytes:
    """An archive of two logs, one of which has a name of 100 bytes."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name in ("a" * 96 + ".log", "b.log"):
            member = tarfile.TarInfo(name)
            member.size = len(log(range(50)))
            archive.addfile(member, io.BytesIO(log(range(50))))
    return file.getvalue()


def zipped(*names: str) -> bytes:
    """An archive of so many logs."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, log(range(50)))
    return file.getvalue()


_LINE = {  # "line\n", by the tools themselves
    "7z": "N3q8ryccAASnsWpCCQAAAAAAAABKAAAAAAAAAMVLHWoBAARsaW5lCgABBAYAAQkJAAcLAQABISEBAAwFAAgKAQ5F2GYAAAUBGQwAAAAAAAAA"
    "AAAAAAARBQBsAAAAFAoBAGLhj0UYgd0BFQYBACCApIEAAA==",
    "Z": "H52QbNK4KaMA",
    "lz4": "BCJNGGRApwUAAIBsaW5lCgAAAAAJGKkm",
}
ARCHIVES = {
    "tar": (tar(), "a tar archive", "tar -xOf FILE"),
    "pax": (tar(tarfile.PAX_FORMAT), "a tar archive", "tar -xOf FILE"),
    **{f"tar.{name}": (compress(tar()), "a tar archive", "tar -xOf FILE") for name, compress in COMPRESSIONS.items()},
    "zip": (zipped("a.log", "b.log"), "a zip archive", "unzip -p FILE"),
    "empty zip": (zipped(), "a zip archive", "unzip -p FILE"),
    "7z": (base64.b64decode(_LINE["7z"]), "a 7z archive", "7z x -so FILE"),
    "rar": (b"Rar!\x1a\x07\x01\x00\x33\x92\xb5\xe5\x0a\x01\x05\x06", "a rar archive", "unrar p -inul FILE"),
    "Z": (base64.b64decode(_LINE["Z"]), "compressed with compress (.Z)", "gzip -dc FILE"),
    "lz4": (base64.b64decode(_LINE["lz4"]), "compressed with lz4", "lz4 -dc FILE"),
}


def told(source: str, name: str) -> str:
    """What is said of an archive."""
    _, title, command = ARCHIVES[name]
    return f"log-importer: {source}: this is {title}, which is not read. Unpack it: {command} | log-importer import -"


@pytest.mark.parametrize(
    ("command", "rest"),
    [
        ("import --dry-run --local", "good.log (combined): lines 20"),
        ("explain", '"line":20'),
        ("formats detect", "good.log: combined"),
    ],
)
def test_archives_are_named_for_what_they_are_and_the_others_go_on(
    command: str, rest: str, run: Run, tmp_path: Path
) -> None:
    sources = {f"{number}.log": name for number, name in enumerate(ARCHIVES)}
    for source, name in sources.items():
        (tmp_path / source).write_bytes(ARCHIVES[name][0])
    (tmp_path / "good.log").write_bytes(log(range(20)))
    done = run(*command.split(), *sources, "good.log")
    assert (done.code, done.err.splitlines()) == (3, [told(source, name) for source, name in sources.items()])
    assert rest in done.out


@pytest.mark.parametrize("name", ["tar.gzip", "zip"])
def test_an_archive_in_a_pipe_is_named_for_what_it_is(name: str, run: Run) -> None:
    for command in ("import --local", "explain", "formats detect"):
        done = run(*command.split(), "-", stdin=ARCHIVES[name][0])
        assert (done.code, done.out, done.err) == (3, "", f"{told('standard input', name)}\n")


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_is_known_however_slowly_it_comes(name: str, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    data, title, _ = ARCHIVES[name]

    def write() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            for number in range(min(len(data), 300)):
                pipe.write(data[number : number + 1])
                time.sleep(0.0002)
            pipe.write(data[300:])

    writer = threading.Thread(target=write)
    writer.start()
    with Stream(Source("fifo", fifo), idle=0.001) as stream:
        stream.block = 1
        with pytest.raises(SourceError, match=title.split(" (")[0]):
            for _ in stream.blocks():
                pass
        while stream._file.read(1 << 16):
            pass
    writer.join()


def test_a_log_that_tells_of_archives_is_a_log(run: Run, tmp_path: Path) -> None:
    """Bytes of an archive in a line, or where in an archive they do not stand, are nothing."""
    lines = log(range(3)) + b"PK\x03\x04 ustar Rar!\x1a\x07\n" + log(range(3, 20))
    (tmp_path / "a.gz").write_bytes(gzip.compress(lines))
    done = run("import", "--dry-run", "--local", "--json", "a.gz", "-", stdin=b"ustar " + lines)
    assert (done.code, done.summary["lines"], done.summary["rejected"]) == (0, 42, 3)
