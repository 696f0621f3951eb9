"""Lines that are translated together become what they become one by one: of every format, broken ones too."""

import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import accumulate, pairwise
from pathlib import Path
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest

from log_importer.model import ChunkResult, Context, Site
from log_importer.parsing.format_strings import spec_of
from log_importer.parsing.parser import Reading, compile_parser
from log_importer.parsing.split_pattern import SplitPattern
from log_importer.parsing.w3c_driver import is_header
from log_importer.runs.commands.doctor.installation import in_one_order
from log_importer.settings.choices import rules_of
from log_importer.settings.format_files import load_formats
from log_importer.tracking.requests import Tracking
from log_importer.tracking.rules.changes import Changes
from log_importer.tracking.rules.mapping import MappingRule
from log_importer.tracking.rules.selection import Selection
from log_importer.translation.bot_rules import judges
from log_importer.translation.by_column.codes import Codes
from log_importer.translation.by_column.rows import Rows
from log_importer.translation.chunk import FEW, compile_translation
from log_importer.translation.line import Translator
from log_importer.translation.plan import Plan
from tests.conftest import SAMPLES, compiled
from tests.parsing.test_mutations import lines_of, mutated

FORMATS = load_formats()
MUTATIONS = 100_000
NOW = 1_790_000_000.0
SITE = Site(1, "https://www.example.org")
EVERYTHING = Selection(static=True, bots=True, http_errors=True, http_redirects=True)
PLANS = {
    "default": Plan(SITE, formats=FORMATS),
    "everything": Plan(
        SITE, formats=FORMATS, selection=EVERYTHING, tracking=Tracking(bots=True, static=True, visitor_ids="ip+ua")
    ),
    "chosen": Plan(
        SITE,
        formats=FORMATS,
        reading=Reading(accept_any_client=True, client_from="forwarded_for", trusted=("10.0.0.0/8",)),
        selection=Selection(
            not_before=1_600_000_000.0, not_after=1_750_000_000.0, exclude_paths=("/about*",), statuses=("2xx", "304"),
            exclude_agents=("curl",), exclude_addresses=("192.0.2.0/28",), exclude_hosts=("*.example.com",),
        ),
    ),
    "bots' variables": Plan(
        SITE, formats=FORMATS, selection=EVERYTHING, tracking=Tracking(bots=True, static=True),
        rules=tuple(rules_of({"enable_bots": True, "track_http_code": True, "dimensions": ("3=path", "5=bot")})),
    ),
    "rules": Plan(
        SITE, formats=FORMATS,
        rules=(
            MappingRule((("query.q", ("?*",)),), (("dimension1", "{query.q}"), ("cvar", (("m", "{method}"),)))),
            MappingRule((), (("dimension2", "{user_agent}"), ("dimension4", "{client_ip}"))),
        ),
    ),
    "masked": Plan(SITE, formats=FORMATS, changes=Changes(mask_bytes=3, hash_key=b"secret")),
    "private": Plan(
        SITE, formats=FORMATS, selection=Selection(static=True, exclude_addresses=("192.0.2.0/28",)),
        changes=Changes(mask_bytes=2, hash_key=b"secret", strip_query=True, add_to_date=-5400.0),
        tracking=Tracking(visitor_ids="ip+ua"),
        rules=(
            MappingRule((("client_ip", ("*.1", "10.*")),), (("dimension1", "{client_ip} {user_id}"),)),
            MappingRule((), (("dimension2", "{query}"),)),
        ),
    ),
    "changed": Plan(
        SITE, formats=FORMATS, selection=EVERYTHING, tracking=Tracking(bots=True, static=True),
        changes=Changes(
            mask_bytes=4, no_user_id=True, lowercase_path=True, drop_parameters=frozenset({"q", "id", "utm_source"}),
            request_suffix="log=1", query_delimiter=";", add_to_date=3600.0,
        ),
        rules=tuple(rules_of({"enable_bots": True, "dimensions": ("3=path", "5=bot", "6=client_ip")})),
    ),
    "by host": Plan(None, formats=FORMATS, tracking=Tracking(log_hostname="named.example")),
}  # fmt: skip
SITES = {"www.example.org": Site(2, "http://www.example.org"), "named.example": SITE, "example.org": None}


def check(plan: Plan, name: str, header: str, lines: Sequence[bytes]) -> ChunkResult:
    """What becomes of lines together: by compiled loops, and without them, what it becomes one by one.

    One by one is what who asks for the skipped lines gets. Parameters are compared in a certain order.
    """
    context = Context(name, header, 7, 1000, NOW, sites=SITES if plan.site is None else None)
    data = b"".join(line + b"\n" for line in lines)
    ways = ((compiled(), False, 0), (None, False, 0), (None, True, FEW))
    natively, together, one_by_one = (
        in_one_order(
            compile_translation(replace(plan, keep_skipped=kept), replace(judges(), native=native), few=few)(
                data, context
            )
        )
        for native, kept, few in ways
    )
    assert together == one_by_one
    assert natively == one_by_one
    return natively


def sources(name: str, count: int, seed: int) -> list[tuple[str, list[bytes]]]:
    """`#Fields:` line in force -> lines of the format's samples, and as many broken ones as are asked for."""
    chance = random.Random(seed)
    samples = [(header, line) for header, line in lines_of(name) if not is_header(line.decode("latin-1"))]
    found: dict[str, list[bytes]] = {}
    for header, line in samples:
        found.setdefault(header, []).append(line)
    for _ in range(count):
        header, line = chance.choice(samples)
        found[header].append(mutated(line, samples, chance) if chance.random() < 0.9 else line)
    return list(found.items())


@pytest.mark.parametrize("name", FORMATS)
def test_they_become_what_they_become_one_by_one(name: str) -> None:
    for seed, plan in enumerate(PLANS.values()):
        for header, lines in sources(name, MUTATIONS // len(FORMATS) // len(PLANS), seed):
            check(plan, name, header, lines)


@pytest.mark.parametrize("plan", PLANS)
def test_real_lines_do_too(plan: str, shared_data: Callable[[str], Path]) -> None:
    lines = gzip.decompress(shared_data("apache-combined-10k.log.gz").read_bytes()).splitlines()
    assert check(PLANS[plan], "combined", "", lines).lines == 10_000


@pytest.mark.parametrize(
    ("name", "log"), [("combined", "nginx-combined.log"), ("nginx_json", "nginx.json.log"), ("iis", "iis-w3c.log")]
)
def test_hardly_a_line_of_a_log_is_left_to_be_looked_at_alone(name: str, log: str) -> None:
    lines = (SAMPLES / log).read_bytes().decode("utf-8", "surrogateescape").splitlines()
    headers = [place for place, line in enumerate(lines) if is_header(line)]
    lines = lines[: headers[1]] if headers else lines  # the columns change with the second
    translator = Translator(PLANS["default"], judges(), name)
    translator.use(next((line for line in lines if is_header(line)), ""))
    reader = translator.reader_of_many()
    assert reader is not None
    by_column = translator.together.by_column(reader)
    assert by_column is not None
    verdicts, rows = Counter[int](), Rows()
    alone = by_column.translate(lines, NOW, lambda _: None, verdicts, rows)
    assert len(alone) <= 0.1 * len(lines)
    assert len(rows) > 20
    assert left_by_loops(PLANS["default"], name, lines, next((line for line in lines if is_header(line)), "")) <= 0.1


def left_by_loops(plan: Plan, name: str, lines: Sequence[str], header: str = "") -> float:
    """The share of the lines that compiled loops leave to be looked at alone."""
    translator = Translator(plan, replace(judges(), native=compiled()), name)
    translator.use(header)
    data, reader = "\n".join(lines).encode("utf-8", "surrogateescape"), translator.reader_of_many()
    assert reader is not None
    starts = translator.together.starts(data)
    natively = translator.together.natively(reader, data, starts, 0)
    found = natively.translate(data, starts, 0, NOW, lambda _: None) if natively is not None else None
    assert found is not None
    return len(found[2]) / len(lines)


def test_a_time_that_stands_among_others_is_read_by_compiled_loops_too() -> None:
    spec = spec_of('$time_iso8601 $remote_addr "$request" $status $body_bytes_sent "$http_user_agent"')
    plan = replace(PLANS["default"], formats={spec.name: spec})
    lines = [
        f'2026-03-01T10:{n % 60:02}:{n * 7 % 60:02}+00:00 192.0.2.{n % 99} "GET /{n % 9} HTTP/1.1" 200 {n} '
        '"Mozilla/5.0"'
        for n in range(500)
    ]
    assert left_by_loops(plan, spec.name, lines) == 0
    assert len(check(plan, spec.name, "", [line.encode() for line in lines]).lengths) == 500


@pytest.mark.parametrize(
    "definition",
    [
        '$remote_addr - $remote_user [$time_local] "$request" $status $bytes_sent "$http_referer" "$http_user_agent"',
        '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"',
    ],
)
def test_a_servers_own_definition_is_read_by_the_same_loops(definition: str) -> None:
    spec = spec_of(definition)
    plan = replace(PLANS["default"], formats={spec.name: spec})
    for _, lines in sources("combined", 3000, 0):
        result = check(plan, spec.name, "", lines)
        assert len(result.lengths) > 100
    lines = (SAMPLES / "apache-combined.log").read_bytes().splitlines()
    own, packaged = check(plan, spec.name, "", lines), check(PLANS["default"], "combined", "", lines)
    assert (own.blob, own.rejected) == (packaged.blob, packaged.rejected)
    assert left_by_loops(plan, spec.name, [line.decode() for line in lines]) <= 0.1
    parser = compile_parser(spec)
    first, *_, third = parser.cuts()[6].pieces[:3]
    assert (first.places, first.lead, third.lead, parser.clock.parts) == (range(1), 0, 0, 3)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "+05:45"])
def test_an_hour_is_not_taken_for_sixty_minutes_where_clocks_are_put_back(zone: str) -> None:
    """Lord Howe's are by half an hour; both in a night from Saturday to Sunday, in April or October."""
    spec = FORMATS["common"]
    spec = replace(spec, fields={**spec.fields, "time": replace(spec.fields["time"], layout="%Y-%m-%d %H:%M:%S")})
    there = timezone(timedelta(hours=5, minutes=45)) if zone[0] == "+" else UTC if zone == "UTC" else ZoneInfo(zone)
    plan = Plan(SITE, formats={spec.name: spec}, reading=Reading(zone=there))
    nights = [datetime(2025, *day, 23, 59) for day in ((3, 29), (4, 5), (10, 4), (10, 25))]
    times = [f"{night + timedelta(minutes=7 * n):%Y-%m-%d %H:%M:%S}" for night in nights for n in range(60)]
    odd = ["10:60:00", "10:59:60", "10:5:00", "10:5a:00", "10:59:61", "23:59:60", "24:00:00", "25:10:00", "1:10:00"]
    times += [f"2025-10-03 {clock}" for clock in odd]
    lines = [f'192.0.2.1 - - [{time}] "GET /a HTTP/1.1" 200 1'.encode() for time in times]
    assert len(check(plan, spec.name, "", lines).lengths) == 244
    assert left_by_loops(plan, spec.name, [line.decode() for line in lines]) < 0.04


@pytest.mark.parametrize(
    ("begins", "first"),
    [
        (r"(?P<client_ip>[^\ ]++)\ -\ ", " "),
        (r"(?P<client_ip>\[[^\]\ ]*+\](?::[0-9]++)?|[^\ ]*+)\ -\ ", " "),
        (r"(?P<client_ip>\[[^\]]*+\](?::[0-9]++)?|[^\ ]*+)\ -\ ", ""),  # a blank may stand in brackets
        (r"(?P<client_ip>[^|]++)\|-\ ", "|"),
        (r"(?P<client_ip>[^\ ]++)\ (?P<user_id>[^\ ]++)\ ", " "),
        (r"(?P<client_ip>[^\ ]+)\ -\ ", ""),  # less of it may be taken where that helps
        (r"(?P<client_ip>[^\ ]++)-\ ", ""),
        (r"(?P<client_ip>[^\ ]++)\ (?<=2\ )-\ ", ""),
        (r"(?P<client_ip>[^\ ]++)\ (?P<user_id>(?P=client_ip)|-)\ ", ""),
        (r"(?:(?P<client_ip>[^\ ]++)\ )-\ ", ""),
    ],
)
def test_what_a_line_begins_with_is_cut_off_where_the_rest_does_not_look_at_it(begins: str, first: str) -> None:
    pattern = begins + r'\[(?P<time>[^\]]++)\]\ "(?P<request>[^"]*+)"'
    assert SplitPattern(pattern, re.VERBOSE | re.ASCII).cuts[2].first == first


@pytest.mark.parametrize(
    ("ends", "lead"),
    [
        (r"(?P<time>[0-9:]++)", 0), (r"(?P<time>[0-9:]++)(?:\ [a-z]++)?", 0), (r"\ (?P<time>[0-9:]++)", -1),
        (r"(?:x)?(?P<time>[0-9:]++)", -1), (r"(?P<time>[0-9:]++)\ (?P<status>[0-9]++)", -1),
    ],
)  # fmt: skip
def test_a_cell_begins_its_piece_only_where_nothing_is_before_it(ends: str, lead: int) -> None:
    pattern = r'(?P<client_ip>[^\ ]++)\ "(?P<request>[^"]*+)"' + ends
    assert SplitPattern(pattern, re.VERBOSE | re.ASCII).cuts[2].pieces[-1].lead == lead


@pytest.mark.parametrize("plan", ["everything", "bots' variables"])
def test_what_was_forgotten_is_worked_out_anew(plan: str) -> None:
    """More addresses, paths, user agents and referrers than are remembered, some of them again and again.

    Two thirds of the addresses are a search engine's.
    """
    ways = [compile_translation(PLANS[plan], replace(judges(), native=native)) for native in (compiled(), None)]
    numbers = [n for first in range(0, 35_000, 5000) for n in (*range(first, first + 5000), *range(0, first, 25))]
    for first in range(0, len(numbers), 5000):
        lines = [
            f"{'74.125' if n % 3 else '10.0'}.{n >> 8 & 255}.{n & 255} - - "
            f'[17/May/2024:{n % 24:02}:{n % 60:02}:00 +0000] "GET /{n}?{n} HTTP/1.1" {200 + n % 300} {n} '
            f'"https://{n}.example.com/" '
            f'"{"Bot" if n % 2 else "Mozilla"}/5.0 ({n}) Firefox/{n}"\n'
            for n in numbers[first : first + 5000]
        ]
        data, context = "".join(lines).encode(), Context("combined", "", 1, 0, NOW)
        natively, together = (way(data, context) for way in ways)
        assert natively == together


USERS = [
    f'{address} - {user} [17/May/2024:10:05:{second:02} +0000] "GET /{second}?q=1 HTTP/1.1" 200 1 '
    '"https://shop.example/?q=secret&x=1" "Mozilla/5.0 Firefox/140.0"'.encode()
    for second, (address, user) in enumerate(
        [("203.0.113.77", "frank"), ("203.0.113.77", "-"), ("2001:db8:1:2:3:4:5:77", "frank"), ("10.9.8.77", "anna")]
    )
]


@pytest.mark.parametrize("plan", ["masked", "private", "changed"])
def test_nobody_is_told_apart_by_what_is_hidden(plan: str) -> None:
    result = check(PLANS[plan], "combined", "", USERS)
    assert len(result.lengths) == 4
    assert not [text for text in (b"frank", b"anna", b".77", b"%3A77") if text in result.blob]
    assert left_by_loops(PLANS[plan], "combined", [line.decode() for line in USERS]) == 0


@pytest.mark.parametrize("lines", [0, 6, 7, 9, 10, 20])
def test_lines_that_are_left_out_are_the_first_of_the_source(lines: int) -> None:
    plan = replace(PLANS["default"], selection=Selection(lines=lines))
    result = check(plan, "combined", "", USERS)  # its line 7 and those behind
    left = max(0, min(lines - 6, 4))
    assert (len(result.lengths), result.skipped["skip"]) == (4 - left, left)


@pytest.mark.parametrize("seconds", [0.5, -3600.0, 90_061.0])
def test_times_are_moved_also_by_parts_of_a_second(seconds: float) -> None:
    plan = replace(PLANS["default"], changes=Changes(add_to_date=seconds))
    times = check(plan, "combined", "", USERS).times
    assert [time - seconds for time in times] == list(check(PLANS["default"], "combined", "", USERS).times)


def test_a_header_in_the_middle_says_what_the_lines_behind_it_are() -> None:
    first = b"#Fields: date time c-ip cs-method cs-uri-stem sc-status"
    second = b"#Fields: date time cs-method c-ip cs-uri-stem sc-status"
    lines = [
        first, b"2026-01-01 00:00:00 192.0.2.1 GET /a 200", second, b"2026-01-01 00:00:01 GET 192.0.2.2 /b 200",
        b"2026-01-01 00:00:02 GET 192.0.2.3 /c 200",
    ]  # fmt: skip
    together = check(PLANS["default"], "w3c_extended", "", lines)
    assert list(together.numbers) == [8, 10, 11]


@pytest.mark.parametrize("plan", PLANS)
def test_ai_bots_are_counted(plan: str) -> None:
    agents = ["Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)", "Mozilla/5.0 Firefox/140.0", "-"]
    lines = [
        f'10.2.0.{number} - - [17/May/2024:10:05:0{number} +0000] "GET / HTTP/1.1" 200 1 "-" "{agent}"'.encode()
        for number, agent in enumerate(agents * 2)
    ]
    together = check(PLANS[plan], "combined", "", lines)
    assert together.ais == ({"GPTBot": 2})


def test_an_agent_is_a_bot_at_a_search_engines_address_and_none_elsewhere() -> None:
    lines = [
        f'{address} - - [17/May/2024:10:05:00 +0000] "GET / HTTP/1.1" 200 1 "-" "{agent}"'.encode()
        for address in ("74.125.0.1", "10.2.0.9") for agent in ("Mozilla/5.0 Firefox/140.0", "Googlebot/2.1")
    ]  # fmt: skip
    together = check(PLANS["bots' variables"], "combined", "", lines)
    ends = list(accumulate(together.lengths, initial=0))
    queries = [dict(parse_qsl(together.blob[begin:end].decode())) for begin, end in pairwise(ends)]
    assert [query.get("dimension5") for query in queries] == ["search engine", "Googlebot", None, "Googlebot"]
    kinds = [next(iter(json.loads(query["_cvar"]).values()))[0] for query in queries]
    assert kinds == ["Bot", "Bot", "Not-Bot", "Bot"]
    masked = replace(PLANS["bots' variables"], changes=Changes(mask_bytes=4))
    assert check(masked, "combined", "", lines).lengths  # what rules set is made of what is left of an address


def test_no_bot_is_counted_under_another_name_however_many_there_are() -> None:
    codes = Codes(2)
    verdicts = Counter(codes.of(1, "bot", f"AI {n}", f"AI {n}") for n in range(10_000))
    assert all(codes.first(1) <= code < codes.tracked for code in verdicts)
    skipped, ais, details = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    codes.count(verdicts, skipped, ais, details)
    assert skipped == {"bot": 10_000}
    assert set(ais.values()) == set(details.values()) == {1}
    assert len(ais) > 4000


def test_bots_are_counted_by_name_and_errors_by_status() -> None:
    agents = ["GPTBot/1.2", "Googlebot/2.1", "Mozilla/5.0 Firefox/140.0"]
    lines = [
        f'10.2.0.9 - - [17/May/2024:10:05:00 +0000] "GET / HTTP/1.1" {status} 1 "-" "{agent}"'.encode()
        for status in (200, 404, 503) for agent in agents
    ]  # fmt: skip
    together = check(PLANS["default"], "combined", "", lines)
    assert together.details == {
        ("bot", "GPTBot"): 1, ("bot", "Googlebot"): 1, ("status-error", "404"): 3, ("status-error", "503"): 3,
    }  # fmt: skip


def test_a_title_tells_of_the_referrer_of_its_own_line() -> None:
    lines = [
        f'10.2.0.{n % 5} - - [17/May/2024:10:05:{n:02} +0000] "GET /missing HTTP/1.1" 404 1 '
        f'"https://from{n % 3}.example/" "Mozilla/5.0 Firefox/140.0"'.encode()
        for n in range(30)
    ]
    result = check(PLANS["everything"], "combined", "", lines)
    ends = list(accumulate(result.lengths, initial=0))
    queries = [dict(parse_qsl(result.blob[begin:end].decode())) for begin, end in pairwise(ends)]
    assert [query["urlref"].split("/")[2] in query["action_name"] for query in queries] == [True] * 30
    assert len({query["action_name"] for query in queries}) == 3
