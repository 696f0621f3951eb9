"""How the time for one line grows with its length, where its writer wants it to be long.

    .venv/bin/python -m bench.hostile [FORMAT...]

Each format reads lines of 16, 32 and 64 KiB whose request line (and, for JSON, a value) is made of spaces, quotes,
backslashes, brackets and what else delimits columns; also the patterns that format strings become, and the prefixes
that are taken off. The time is the least of nine. A doubling that takes three times as long is told, and is exit 1.
"""

import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

from log_importer.parsing.format_strings import spec_of
from log_importer.parsing.lines import LineReader
from log_importer.parsing.spec import FormatSpec
from log_importer.parsing.w3c_driver import is_header
from log_importer.settings.format_files import load_formats

SIZES = (16, 32, 64)
TIMES = 9
LIMIT = 3.0
FLOOR = 50e-6
"""Seconds below which a time says nothing."""

UNITS = (
    " ", '"', "\\", '\\"', "[", "]", "{", "}", "/", ":", "|", ",", ", ", "\t", "?", "-", "1", "a", " a", '" "', '" ',
    "a:1", "1.", "a/", " HTTP/1.1", " HTTP/1.1 ", '" 200', "\\x", "\\x22", "%", "%20", "+", "<134>", "[]", "é", ": ",
    " : ",
)  # fmt: skip
STRINGS = (
    r'%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D %{X-Forwarded-For}i %{Host}i',
    r"%v:%p %{%d/%b/%Y:%T}t.%{msec_frac}t %a %m %U%q %H %s {%{Cookie}i} [%{User-Agent}i] %{Foo}o",
    '$remote_addr [$time_local] "$request" $upstream_addr $http_x_forwarded_for $scheme://$host$uri $http_user_agent',
    "$msec|$remote_addr|$request|$status|$http_referer|$http_user_agent",
    '{"t":"$time_iso8601","ip":"$remote_addr","r":"$request","u":"$scheme://$host$request_uri","ua":"$http_user_agent"}',
    "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r",
)  # fmt: skip


def main(names: list[str]) -> int:
    """Prints the worst line of each format; 1 where one grows faster than its length."""
    formats = load_formats()
    specs = [(name, spec) for name, spec in sorted(formats.items()) if not names or name in names]
    if not names:
        specs += [(f"string {number}", spec_of(text)) for number, text in enumerate(STRINGS, 1)]
    print(f"{'format':26}{'unit':>12}" + "".join(f"{f'{size} KiB, ms':>14}" for size in SIZES) + f"{'ratios':>14}")
    slow = False
    for name, spec in specs:
        worst = max((measured(spec, unit, place) for unit in UNITS for place in places(spec)), key=lambda one: one[0])
        growth, unit, seconds = worst
        ratios = " ".join(f"{later / earlier:.1f}" for earlier, later in pairwise(seconds))
        row = "".join(f"{one * 1e3:>14.2f}" for one in seconds)
        print(f"{name:26}{unit!r:>12}{row}{ratios:>14}{'  not linear' if growth >= LIMIT else ''}", flush=True)
        slow = slow or growth >= LIMIT
    return int(slow)


def places(spec: FormatSpec) -> Iterator[tuple[str, Callable[[str], str]]]:
    """Header and how a hostile text becomes a line: alone, and in the middle of a good line at three places."""
    yield "", lambda text: text
    header = ""
    for line in spec.samples[0].log.splitlines() if spec.samples else []:
        if is_header(line):
            header = line
        elif not line.startswith("#"):
            for part in (0.3, 0.6, 0.95):
                place = int(len(line) * part)
                yield header, lambda text, line=line, place=place: line[:place] + text + line[place:]  # type: ignore[misc]
            return


def measured(
    spec: FormatSpec, unit: str, place: tuple[str, Callable[[str], str]]
) -> tuple[float, str, list[float]]:  # fmt: skip
    """The largest ratio of a doubling, the unit, and seconds for each size."""
    header, made = place
    reader = LineReader(spec)
    reader.use(header)
    lines = [made(unit * (size * 1024 // len(unit))) for size in SIZES]
    seconds = [least(reader, line, 2) for line in lines]
    if growth(seconds) >= LIMIT * 0.8:  # look again, closely
        seconds = [least(reader, line, TIMES) for line in lines]
    return growth(seconds), unit, seconds


def least(reader: LineReader, line: str, times: int) -> float:
    """The least of so many times, in seconds."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        reader.read(line)
        best = min(best, time.perf_counter() - began)
    return best


def growth(seconds: list[float]) -> float:
    """The largest ratio of neighbours that are long enough to be told from noise."""
    pairs = pairwise(seconds)
    return max((later / max(earlier, FLOOR) for earlier, later in pairs if later > FLOOR), default=0.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
