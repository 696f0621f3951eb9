"""Queries read by PHP as a Matomo reads those of a bulk request: every byte of every value comes back."""

import json
import random
import shutil
import subprocess

from log_importer.model import Hit, Site
from log_importer.tracking.encoding import percent
from log_importer.tracking.requests import Encoder, Tracking
from tests.conftest import missing

READ = """
while (($line = fgets(STDIN)) !== false) {
    $url = parse_url(json_decode($line));
    parse_str($url['query'], $values);
    echo json_encode(array_map('bin2hex', $values)), "\\n";
}
"""
HARD = [
    b"http://site.example:80/a/b", b"//a:80/b?c=d", b"::80/", b"?a:80/", b"@host:80/", b"..//../", b"+1 %2F",
    b"a[]=1&b[c]=2", b"Mozilla/5.0 (X11; Linux x86_64, like Gecko)", b"/;jsessionid=1#top", b"\xff\xfe \x00\r\n\t",
    "é€𝄞".encode(),
]  # fmt: skip


def read_by_php(queries: list[str]) -> list[dict[str, bytes]]:
    """The values of each query."""
    php = shutil.which("php")
    if php is None:
        missing("php")
    lines = "".join(json.dumps(query) + "\n" for query in queries)
    done = subprocess.run([php, "-n", "-r", READ], input=lines, capture_output=True, text=True, check=True)
    assert not done.stderr
    return [
        {name: bytes.fromhex(value) for name, value in json.loads(line).items()} for line in done.stdout.splitlines()
    ]


def test_php_reads_back_the_bytes_that_were_meant() -> None:
    chance = random.Random(8)
    some = [*HARD, *(bytes([byte]) for byte in range(256))]
    some += [bytes(chance.choices(b" /():,;+%&=#?@!'\"[]{}.\\\0\x01\xff\xc3\xa9ab80", k=20)) for _ in range(5000)]
    encoded = [percent(one.decode("utf-8", "surrogateescape")) for one in some]
    queries = [f"?idsite=1&url={one}&ua={other}" for one, other in zip(encoded, reversed(encoded), strict=True)]
    expected = [{"idsite": b"1", "url": one, "ua": other} for one, other in zip(some, reversed(some), strict=True)]
    assert read_by_php(queries) == expected


def test_php_reads_a_whole_request() -> None:
    hit = Hit(
        1_700_000_000.0, "2001:db8::1", "/a (1),b", query="c=d e", user_agent="Mozilla/5.0 (X11; Linux)", status=404,
        referrer="https://x.example:8443/?q=a+b", accept_language="de, en;q=0.5", user_id="a@b c",
    )  # fmt: skip
    query, _, _ = Encoder(Tracking()).encode(hit, Site(1, "http://site.example"), "", {})
    (values,) = read_by_php([query])
    assert values == {
        "idsite": b"1", "rec": b"1", "apiv": b"1", "dp": b"1", "url": b"http://site.example/a (1),b?c=d e",
        "action_name": b"404/URL = http%3A%2F%2Fsite.example%2Fa%20%281%29%2Cb%3Fc%3Dd%20e"
        b"/From = https%3A%2F%2Fx.example%3A8443%2F%3Fq%3Da%2Bb",
        "cip": b"2001:db8::1", "lang": b"de, en;q=0.5", "uid": b"a@b c", "ua": b"Mozilla/5.0 (X11; Linux)",
        "cdt": b"2023-11-14 22:13:20", "urlref": b"https://x.example:8443/?q=a+b",
    }  # fmt: skip
