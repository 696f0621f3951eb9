"""What URLs, patterns and folders name, and what a listing tells of it."""

from datetime import UTC, datetime

from log_importer.sources.find import find_sources
from log_importer.sources.listed import disk_of_object, listed
from log_importer.sources.stream import Stream
from log_importer.sources.urls import shown
from tests.sources.remote.s3 import S3


def test_patterns_and_folders_name_what_they_name_of_files(here: S3) -> None:
    for key in ("a.log", "b.log.gz", ".h.log", "d/c.log", "d/e/f.log", "d/.h/g.log", "d/", "[1].log", "r.md"):
        here.put(key, key.encode() or b"x")

    def names(*arguments: str) -> list[str]:
        sources, _ = find_sources([here.url(argument) for argument in arguments])
        return [source.name.removeprefix(here.url()) for source in sources]

    assert names("*") == ["[1].log", "a.log", "b.log.gz", "r.md"]
    assert names("*.log*") == ["[1].log", "a.log", "b.log.gz"]
    assert names("?.log") == ["a.log"]
    assert names("[1].log") == ["[1].log"]
    assert names(".*") == [".h.log"]
    assert names("**/*.log") == ["[1].log", "a.log", "d/c.log", "d/e/f.log"]
    assert names("") == names("/"[:0]) == ["[1].log", "a.log", "b.log.gz"]
    assert names("d/") == names("d") == ["d/c.log"]
    assert names("a.log", "*.log", "a.log", "d", "d/") == ["a.log", "[1].log", "d/c.log"]
    sources, _ = find_sources([here.url("a.log"), here.url("a.log").replace("s3://", "S3A://")])
    assert len(sources) == 1


def test_what_a_listing_tells_is_what_a_look_at_the_object_tells(here: S3) -> None:
    here.put("d/a.log", b"x\n")
    for argument in ("d/a.log", "d/", "d/*"):
        (source,), _ = find_sources([here.url(argument)])
        with Stream(source) as stream:
            assert source.disk == stream.disk


def test_an_etag_stands_for_the_time_which_a_listing_tells_more_exactly() -> None:
    moment = datetime(2026, 3, 1, 10, 0, 0, 123000, UTC)
    exact = listed("s3://b/a", {"ETag": '"1"', "size": 5, "LastModified": moment})
    rough = listed("s3://b/a", {"ETag": '"1"', "size": 5, "LastModified": moment.replace(microsecond=0)})
    other = listed("s3://b/a", {"ETag": '"2"', "size": 5, "LastModified": moment})
    assert disk_of_object(exact) == disk_of_object(rough) != disk_of_object(other)
    untold = [listed("hdfs://n/a", {"size": 5, "mtime": moment.replace(second=second)}) for second in (0, 0, 1)]
    assert disk_of_object(untold[0]) == disk_of_object(untold[1]) != disk_of_object(untold[2])


def test_a_url_is_shown_without_what_lets_its_holder_read_it() -> None:
    for url, fit in {
        "https://me:pw@h.example:8/a.log": "https://h.example:8/a.log",
        "https://me@h.example/a.log?": "https://h.example/a.log",
        "https://h.example/a?X-Amz-Date=1&X-Amz-Signature=2&day=3": "https://h.example/a?day=3",
        "https://b.s3.example/a?AWSAccessKeyId=1&Signature=2&Expires=3": "https://b.s3.example/a",
        "https://x.example/a?sv=1&sr=b&sig=2&se=3&day=4": "https://x.example/a?day=4",
        "https://x.example/a?sv=1&expires=2&author=me": "https://x.example/a?sv=1&expires=2&author=me",
        "https://x.example/a?token_auth=1&api_key=2&Auth=3&access_token=4#token": "https://x.example/a",
        "HTTPS://x.example/@a": "https://x.example/@a",
        "s3a://b/a?b@c:d": "s3://b/a?b@c:d",
        "s3://key:secret@b/a": "s3://b/a",
        "abfss://box@account.dfs.core.windows.net/a": "az://box@account.dfs.core.windows.net/a",
        "/var/log/a?token=1": "/var/log/a?token=1",
    }.items():
        assert shown(url) == fit
