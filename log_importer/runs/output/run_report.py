"""What a run did, for the summary: filled while it goes on, and told how it ended."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from log_importer.model.errors import LogImporterError, worst
from log_importer.runs.interrupt import Interrupt
from log_importer.runs.tally import Tally

_MANY = 1000
"""Lines of which something should be for the server: a night's log of a small site may hold nothing but bots."""


@dataclass(slots=True)
class Report:
    """What a run did. Its clock begins when it is made."""

    tally: Tally
    errors: list[LogImporterError] = field(default_factory=list)
    seconds: float = 0.0
    limited: bool = False  # by --debug-request-limit
    dry: bool = False  # nothing was meant to be sent, so what is pending is no failure
    interrupted: int = 0  # exit code of the signal, 0 for none
    server: str = ""  # its address without credentials; "" is the embedded receiver
    in_flight: dict[str, list[int]] = field(default_factory=dict)
    """Source -> numbers of the lines that were in flight when a task of a cluster died."""
    created: Mapping[str, int] = field(default_factory=dict)  # host -> the site that was made for it
    _began: float = field(default_factory=time.monotonic)

    @property
    def exit_code(self) -> int:
        """By the README's table; a signal comes first."""
        return worst(
            [
                self.interrupted,
                *(error.exit_code for error in self.errors),
                *self.tally.exit_codes(dry=self.dry or self.limited),
            ]
        )

    def look_at_counts(self) -> None:
        """Notes as an error what is hardly meant: no line has a site, or nothing was tracked of many lines."""
        lines = sum(counts.lines for counts in self.tally.sources)
        left_out = self.tally.reasons("skipped") + self.tally.reasons("rejected")
        if not lines or left_out.total() < lines:
            return
        if left_out["no-site"] == lines:
            hint = "Give their hosts one, or name it with --idsite."
            self.errors.append(LogImporterError(f"No site was found for any of {lines:,} lines.", hint))
        elif lines >= _MANY:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in left_out.most_common(3))
            what = f"Nothing {'would be' if self.dry else 'was'} tracked of {lines:,} lines: {reasons}."
            self.errors.append(LogImporterError(what, "See why with log-importer explain."))

    def clock(self) -> None:
        """Brings `seconds` up to date."""
        self.seconds = time.monotonic() - self._began

    @contextlib.contextmanager
    def until_the_end(self, say: Callable[[str], None], grace: float) -> Iterator[Interrupt]:
        """The signals that may end a run; what else ends it is noted, and it is over."""
        with Interrupt(say, grace) as interrupt:
            try:
                yield interrupt
            except LogImporterError as error:
                self.errors.append(error)
            except KeyboardInterrupt:
                pass  # the summary says what is pending
        self.interrupted = interrupt.exit_code
        self.clock()
