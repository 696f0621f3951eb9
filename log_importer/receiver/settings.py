"""What a Matomo's administrator sets, as far as the receiver has it; the defaults are a stock server's."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class SiteSetup:
    """A site that a new database begins with."""

    idsite: int
    main_url: str
    goals: frozenset[int] = frozenset()
    timezone: str = "UTC"  # as Matomo writes it: Europe/Paris, UTC+5.5


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the tracker behaves."""

    debug_on_demand: bool = False  # whether debug=1 answers with a log
    record: bool = True  # record_statistics
    visit_length: timedelta = timedelta(minutes=30)
    no_token_for: timedelta = timedelta(hours=24)  # how old a hit may be that comes without a token
    oldest: timedelta = timedelta(days=7300)
    body_time: timedelta = timedelta(seconds=30)  # for a body to arrive
