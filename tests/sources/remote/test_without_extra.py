"""Who reads files alone pays nothing for stores, and who names a store without the packages is told of them."""

import re
import subprocess
import sys

from tests.conftest import SAMPLES

IMPORTED = re.compile(r"\b(fsspec|s3fs|gcsfs|adlfs|aiohttp|boto\w*|aiobotocore)\b")


def test_for_files_nothing_of_fsspec_is_imported() -> None:
    script = (
        "import sys, atexit; atexit.register(lambda: print(sorted(sys.modules), file=sys.stderr))\n"
        "from log_importer.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "explain", str(SAMPLES / "nginx-combined.log")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "log_importer.sources.stream" in done.stderr
    assert IMPORTED.findall(done.stderr) == []


def test_without_the_extra_a_url_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules.update(dict.fromkeys(['fsspec', 's3fs']))\nfrom log_importer.cli import main; main()"
    )
    for url in ("s3://bucket/a.log", "gs://bucket/a.log", "az://box/a.log", "https://example.org/a.log"):
        done = subprocess.run(
            [sys.executable, "-c", script, "import", "--local", "--dry-run", url],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 3
        assert done.stderr == (
            f"log-importer: {url}: cannot be read: {url.partition(':')[0]}:// takes packages that are not installed. "
            "Install them: pip install 'log-importer[remote]'\n"
        )
