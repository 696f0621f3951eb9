"""What lines are translated by: all that a user wants, and the judges of user agents and addresses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from log_importer.model import Hit, Site
from log_importer.native import Native
from log_importer.parsing.parser import Reading
from log_importer.parsing.spec import FormatSpec
from log_importer.tracking.replay import Replay
from log_importer.tracking.requests import Tracking
from log_importer.tracking.rules.bots import Bot
from log_importer.tracking.rules.changes import Changes
from log_importer.tracking.rules.mapping import MappingRule
from log_importer.tracking.rules.networks import Networks
from log_importer.tracking.rules.selection import Selection
from log_importer.translation.sharing import ALL, Shard

MAX_LINE_BYTES = 65536
"""Longer lines are rejected as `oversize`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the function is compiled from; a plain value that travels to worker processes."""

    site: Site | None  # of all hits; `None`: each host has its own
    sites: Mapping[int, Site] = field(default_factory=dict)  # those that rules name
    formats: Mapping[str, FormatSpec] = field(default_factory=dict)  # by name, those that sources are in
    reading: Reading = field(default_factory=Reading)
    selection: Selection = field(default_factory=Selection)
    changes: Changes = field(default_factory=Changes)
    tracking: Tracking = field(default_factory=Tracking)
    replay: Replay | None = None  # hits are those on a tracker
    rules: Sequence[MappingRule] = ()
    fallbacks: Sequence[FormatSpec] = ()  # that a source may turn to in its middle
    encoding: str = "utf-8"
    max_line_bytes: int = MAX_LINE_BYTES
    shard: Shard = ALL  # what of it this machine does
    keep_skipped: bool = False  # the number and reason of every line that is skipped
    keep_rejected: bool = False  # all rejected lines with their text, not only the first few


SEARCH_ENGINE = "search engine"
"""The name of whoever asks from the addresses of one."""


@dataclass(frozen=True, slots=True)
class Judges:
    """What cannot travel because it is code: the verdicts on user agents and addresses, and compiled loops."""

    is_bot: Callable[[str], Bot | None]
    search_engine: Networks
    native: Native | None = None

    def bot_name(self, hit: Hit) -> str | None:
        """The name of the bot that asked, by its user agent or its address; `None` where it is none."""
        name = self.bot_name_by_agent(hit)
        return SEARCH_ENGINE if name is None and self.search_engine(hit.client_ip) else name

    def bot_name_by_agent(self, hit: Hit, otherwise: str | None = None) -> str | None:
        """The name by the user agent alone, `otherwise` where that is no bot's."""
        bot = self.is_bot(hit.user_agent) if hit.user_agent else None
        return otherwise if bot is None else bot.name
