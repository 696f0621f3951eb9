"""What a store refuses, or does not have, is one sentence that says what to do; never a traceback."""

import pytest

from tests.conftest import Run
from tests.faults.common import log
from tests.sources.remote.s3 import S3
from tests.sources.remote.web import Page, Web


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("s3://none-such/a.log", "cannot be read: there is no such bucket. Check the name."),
        ("s3://none-such/*.log", "cannot be read: there is no such bucket. Check the name."),
        ("s3://none-such/", "cannot be read: there is no such bucket. Check the name."),
        ("{}credentials.log", "cannot be read: there is no such object. Check the name."),
        ("{}none.log", "cannot be read: there is no such object. Check the name."),
        ("{}none/", "cannot be read: there is no such object. Check the name."),
        ("{}*.none", "no object matches. Check the pattern, and that the shell left it to us."),
        ("{}pages/", "no log files lie in it. Name files, or a folder that has some."),
        ("ftp://example.org/a.log", "nothing here reads ftp://."),
        (
            "hdfs://example.org/a.log",
            "cannot be read: hdfs:// takes packages that are not installed. Install them: pip install pyarrow",
        ),
    ],
)
def test_what_is_not_there_is_said_and_the_others_are_done(name: str, sentence: str, run: Run, s3: S3) -> None:
    name = name.format(s3.url())
    s3.put("there.log", log(range(10)))
    s3.put("pages/index.html", b"<html>")
    done = run("import", "--local", "--json", name, s3.url("there.log"), **s3.env)
    assert f"{name}: {sentence}" in done.err
    assert (done.code, done.summary["tracked"], done.err.count("\n")) == (3, 10, 1)


def test_without_credentials_it_says_where_they_come_from(run: Run, s3: S3) -> None:
    env = {name: value for name, value in s3.env.items() if "KEY" not in name}
    done = run("import", "--local", s3.url("a.log"), **env)
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "there are no credentials for it. Set what the aws command uses: AWS_ACCESS_KEY_ID" in done.err


def test_a_store_that_cannot_be_reached_is_said(run: Run, s3: S3) -> None:
    done = run("import", "--local", s3.url("a.log"), **{**s3.env, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "the connection failed or broke off. Check the network, and AWS_ENDPOINT_URL" in done.err


def test_a_store_that_refuses_access_is_said(run: Run, s3: S3, web: Web) -> None:
    web.pages[f"/{s3.bucket}/a.log"] = Page(b"", status=403)
    done = run("import", "--local", s3.url("a.log"), **{**s3.env, "AWS_ENDPOINT_URL": web.url})
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "cannot be read: access is refused" in done.err


def test_following_is_for_files(run: Run) -> None:
    done = run("import", "--local", "--follow", "s3://bucket/a.log")
    assert done.code == 2
    assert "--follow is for files of this machine, not for s3://bucket/a.log." in done.err
    spooled = run("import", "--local", "--spool", "spool", "s3://bucket/a.log")
    assert spooled.code == 2
    assert "--spool is for standard input alone." in spooled.err
