"""One line of a log -> what becomes of it: a tracking request, or the reason why there is none."""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from log_importer.model import Hit, Rejected, Site
from log_importer.parsing.detect import detect
from log_importer.parsing.lines import LineReader
from log_importer.parsing.text import BOM, text_of, texts_of
from log_importer.parsing.w3c_driver import HEADER
from log_importer.tracking.replay import Replayed, compile_replay, encode_replayed
from log_importer.tracking.requests import NONE_SET, Encoder
from log_importer.tracking.rules.bots import is_assistant
from log_importer.tracking.rules.changes import changes_before, private, scrubber, shape_of_url
from log_importer.tracking.rules.details import detail_of
from log_importer.tracking.rules.exclusions import compile_exclusions, servers_own
from log_importer.tracking.rules.hosts import host_name
from log_importer.tracking.rules.mapping import NOTHING, compile_rules, with_values
from log_importer.tracking.rules.selection import Rule
from log_importer.tracking.visitors import visitor_id
from log_importer.translation.by_column.additions import are_apart, compile_additions
from log_importer.translation.by_column.facts import Means
from log_importer.translation.by_column.fields import JUDGED
from log_importer.translation.many_lines import Together
from log_importer.translation.plan import Judges, Plan

TURNED = 20
"""So many lines of a chunk that its format cannot read, and they are looked at for another."""


class Outcome(NamedTuple):
    """What becomes of one line. `query` is there where the hit is to be tracked, `reason` where it is not."""

    hit: Hit | None
    query: str | None
    reason: str = ""
    rejected: bool = False
    download: bool = False
    cut: bool = False
    identity: str = ""  # of a visitor who is known by more than address and browser
    left_out: Sequence[str] = ()  # parameters that rules set to what a server cannot take
    idsite: int = 0
    ai: str = ""  # the name of the AI that asked
    detail: str = ""  # of the reason: the name of a bot, the status of an error


_WHO = frozenset({"cip", "cdt", "ua"})

Find = Callable[[str], Site | None]
"""A host's name, "" where there is none, or `#` and the number of a site -> the site."""


def _nowhere(_host: str) -> None:
    return None


def why_one_by_one(plan: Plan) -> str:
    """Which of the user's choices has each line translated by itself, for people; "" where none has."""
    choices = {
        "--replay-tracking": plan.replay is not None,
        "--ai-bots": plan.tracking.ai_bots,
        "--debug given twice": plan.keep_skipped,
        "--add-to-date with a fraction of a second": plan.changes.add_to_date % 1 != 0,
        "a rule that skips hits, sets what every hit has, or looks at more than the page or the visitor": (
            not are_apart(plan.rules)
        ),
    }
    return "; ".join(name for name, chosen in choices.items() if chosen)


class Translator:
    """Turns lines in one format, in order, into outcomes."""

    def __init__(self, plan: Plan, judges: Judges, format_name: str) -> None:
        spec = plan.formats.get(format_name)
        self._reading = plan.reading
        self._reader = LineReader(spec, plan.reading) if spec else None
        self._fallbacks = plan.fallbacks
        self._second: LineReader | None = None
        self._encoding = plan.encoding
        rules = compile_exclusions(plan.selection, judges.is_bot, judges.search_engine)
        self._rules = [rule.reason for rule in rules]
        self._servers_own = [rule.reason for rule in servers_own(plan.selection, judges.is_bot, judges.search_engine)]
        self._mapping = compile_rules(plan.rules, judges.bot_name)
        self._before, self._private = changes_before(plan.changes), private(plan.changes)
        self._shape = shape_of_url(plan.changes)
        self._scrub = scrubber(plan.changes)
        encoder = Encoder(plan.tracking)
        self._encode = encoder.encode
        self._replay = compile_replay(plan.replay) if plan.replay else None
        self._constant = plan.tracking.constant
        self._is_bot = judges.is_bot
        self._ai_bots = plan.tracking.ai_bots
        self._bots_in = plan.tracking.ai_bots or plan.selection.bots
        self._site = plan.site
        self._sites = plan.sites
        self._log_hostname = plan.tracking.log_hostname
        self._find: Find = _nowhere
        self._visitor_ids = plan.tracking.visitor_ids
        self._max = plan.max_line_bytes
        self._leave_out = plan.selection.lines
        means = self._of_columns(plan, judges, rules, encoder)
        self.together = Together(means, judges.native, plan.encoding, plan.max_line_bytes)

    def _of_columns(self, plan: Plan, judges: Judges, rules: Sequence[Rule], encoder: Encoder) -> Means | None:
        """What lines are translated together by; `None` where each has to be looked at alone."""
        additions = compile_additions(plan.rules, judges, self._private, masks=bool(plan.changes.mask_bytes))
        if why_one_by_one(plan) or additions is None:
            return None
        return Means(
            rules, judges.is_bot, encoder, plan.site, plan.tracking.log_hostname, plan.tracking.visitor_ids,
            plan.selection.bots, additions, plan.changes,
        )  # fmt: skip

    def reader_of_many(self) -> LineReader | None:
        """What reads lines in the format in force, where many of them can be read at once."""
        reader = self._reader
        if reader is None or self._second is not None or reader.prefixed or not reader.parser.required <= JUDGED:
            return None
        return reader

    def begin_of_many(self, data: bytes, starts: "array[int]", first_line: int) -> int:
        """The place of the first line of a chunk from which on many can be read at once.

        It is behind the lines that are left out, and behind the last `#Fields:` line, which says what the others are.
        """
        left_out = max(0, min(self._leave_out - first_line + 1, len(starts) - 1))
        return max(left_out, self._behind_headers(data, starts))

    def _behind_headers(self, data: bytes, starts: "array[int]") -> int:
        at = len(data) if self._reader is not None and self._reader.directives else 0
        while at and (at := data.rfind(HEADER, 0, at)) >= 0:
            place = bisect_right(starts, at) - 1
            if at - starts[place] in (0, len(BOM.encode())) and data[starts[place] : at] in (b"", BOM.encode()):
                return place + 1
        return 0

    def texts(self, data: bytes) -> Sequence[str]:
        """The lines of `data`, as they are read; one that is too long is empty."""
        return texts_of(data, self._encoding, self._max)

    def line(self, raw: bytes, now: float, number: int) -> Outcome:
        """The outcome of the source's line `number`, given without its newline; `now` in seconds since 1970 UTC."""
        if number <= self._leave_out:
            outcome = self._line(raw, now)  # a directive among them still takes effect
            told = not outcome.rejected and outcome.hit is None
            return outcome if told else Outcome(None, None, "skip")
        return self._line(raw, now)

    def _line(self, raw: bytes, now: float) -> Outcome:
        if len(raw) > self._max:
            raw = raw.lstrip(b"\0")  # a hole that copytruncate left may stand before a line
            if not 0 < len(raw) <= self._max:
                return Outcome(None, None, "oversize", rejected=True)
        hit = self._read(text_of(raw, self._encoding))
        if isinstance(hit, str):
            return Outcome(None, None, hit)
        if isinstance(hit, Rejected):
            return Outcome(None, None, hit.reason, rejected=True)
        if self._before is not None:
            hit = self._before(hit)
        for rule in self._rules:
            reason = rule(hit, now)
            if reason is not None and reason != "bot":
                return Outcome(self._as_sent(hit), None, reason, detail=detail_of(reason, hit, None))
            if reason is not None:
                bot = self._is_bot(hit.user_agent or "")
                if bot is None or not self._ai_bots or not is_assistant(bot):
                    ai = bot.name if bot and bot.ai else ""
                    return Outcome(self._as_sent(hit), None, reason, ai=ai, detail=detail_of(reason, hit, bot))
        if self._mapping is not None or self._replay is not None or self._bots_in:
            return self._mapped(hit, now)
        site = self._site or self._find(host_name(hit.host or self._log_hostname))
        hit = self._as_sent(hit)
        if site is None:
            return Outcome(hit, None, "no-site")
        known = visitor_id(hit, self._visitor_ids)
        query, download, cut = self._encode(hit, site, known, NONE_SET)
        return Outcome(hit, query, "", False, download, cut, hit.user_id or known, (), site.idsite, "")

    def _mapped(self, hit: Hit, now: float) -> Outcome:
        """The outcome of a hit that no exclusion skips, by mapping rules, as a replay, or as an AI's."""
        matched = NOTHING
        if self._mapping is not None:
            try:
                matched = self._mapping(hit)
            except TimeoutError:
                return Outcome(None, None, "pattern-time", rejected=True)
        again = None
        if self._replay is not None:
            again = self._replay(hit)
            if again is None:
                return Outcome(self._as_sent(hit), None, "replay")
            hit = again.hit
        if self._private is not None:  # rules may look at all of a hit, but what they set leaves this machine
            hit = self._private(hit)
        values, left_out = matched.values(hit)
        if again is not None:
            hit = hit._replace(query=None)  # all that is sent of it is in `again`; it may hold a token
        elif self._shape is not None:
            hit = self._shape(hit)
        if matched.skip:
            return Outcome(hit, None, matched.skip)
        hit = with_values(hit, values)
        bot = self._is_bot(hit.user_agent) if self._bots_in and hit.user_agent else None
        ai = bot.name if bot is not None and bot.ai else ""
        routed = self._ai_bots and bot is not None and is_assistant(bot)
        if again is not None or _WHO & values.keys():
            for rule in self._servers_own[: 1 if routed or values.get("bots") == "1" else None]:
                reason = rule(hit, now)
                if reason is not None:
                    return Outcome(hit, None, reason)
        named = values.pop("idsite", None)
        site = self._sites.get(int(named)) if named else self._site or self._find(self._key(hit, again))
        if site is None:
            return Outcome(hit, None, "no-site")
        if routed:
            values |= {"recMode": "2", "source": "log-importer"}
            if hit.status is not None:
                values["http_status"] = str(hit.status)
        known = values.get("cid") or values.get("_id")
        if again is not None:
            known = known or again.visitor
            query, cut = encode_replayed(again._replace(hit=hit), site, self._constant, values)
            download = False
        else:
            known = known or visitor_id(hit, self._visitor_ids)
            query, download, cut = self._encode(hit, site, known, values)
        return Outcome(hit, query, "", False, download, cut, hit.user_id or known, left_out, site.idsite, ai)

    def _key(self, hit: Hit, again: Replayed | None) -> str:
        """What tells the site: the host, or the number that the tracker was told."""
        return f"#{again.idsite}" if again is not None else host_name(hit.host or self._log_hostname)

    def shown(self, raw: bytes) -> bytes:
        """A line as it may be shown and kept where no format reads it."""
        return (
            raw
            if self._scrub is None
            else self._scrub(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        )

    def _as_sent(self, hit: Hit) -> Hit:
        if self._private is not None:
            hit = self._private(hit)
        if self._replay is not None:
            return hit._replace(query=None)
        return hit if self._shape is None else self._shape(hit)

    def use(self, header: str, find: "Find | None" = None) -> None:
        """Puts the `#Fields:` line `header` in force; "" for none. Begins a chunk; `find` knows the hosts' sites."""
        self._second = None
        if find is not None:
            self._find = find
        if self._reader is not None:
            self._reader.use(header)

    def turn(self, lines: Sequence[bytes]) -> bool:
        """Whether many of `lines`, those of a chunk, are in another format; `line` reads them too from here on.

        A line or two never are: a line cut short in one format may be whole in a poorer one.
        """
        if not self._fallbacks:
            return False
        texts = [text_of(raw, self._encoding) for raw in lines if len(raw) <= self._max]
        unread = [text for text in texts if self._read(text) == UNREADABLE]
        found = detect(unread[:_LOOK], self._fallbacks, self._reading).best if len(unread) >= TURNED else None
        if found is None or found.read < TURNED or found.read * 2 < found.lines:
            return False
        self._second = LineReader(found.spec, self._reading)
        return True

    def _read(self, text: str) -> Hit | Rejected | str:
        if self._reader is None:  # nothing reads this source, but every line of it is accounted for
            found: Hit | Rejected | str = "blank" if not text or text.isspace() else UNREADABLE
        else:
            found = self._reader.read(text)
        if self._second is not None and found == UNREADABLE:
            return self._second.read(text)
        return found


UNREADABLE = Rejected("unreadable")
_LOOK = 1000
"""Lines that are enough to tell a format."""
