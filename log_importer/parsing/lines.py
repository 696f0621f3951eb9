"""Lines of one source -> hits, with the lines that are none by nature (blank, comments, directives) told apart.

Holds the `#Fields:` line in force, so that a second one, as IIS writes at each restart, takes effect from there.
"""

import re

from log_importer.model import Hit, Rejected
from log_importer.parsing.parser import Parser, Reading, compile_parser
from log_importer.parsing.prefixes import PREFIXES, Strip, prefixes_of
from log_importer.parsing.spec import FormatSpec
from log_importer.parsing.w3c_driver import is_header

_UNREADABLE = "unreadable"
_DIRECTIVE = re.compile(r"#[A-Za-z-]+:")


class LineReader:
    """Reads the lines of one source in order."""

    def __init__(self, spec: FormatSpec, reading: Reading | None = None) -> None:
        self._spec = spec
        self._reading = reading
        self.directives = spec.driver == "w3c"
        """Whether lines that begin with # say something about the others."""
        self._parsers: dict[str, Parser] = {}
        self.begin()

    def begin(self) -> None:
        """Begins a source."""
        self._prefix: Strip | None = None  # of the line before
        self.use("")

    def use(self, header: str) -> None:
        """Puts the `#Fields:` line `header` in force; "" for none."""
        parser = self._parsers.get(header)
        if parser is None:
            parser = self._parsers[header] = compile_parser(self._spec, header, self._reading)
        if parser.renew is not None:
            parser.renew()
        self.header = header
        self.parser = parser

    @property
    def prefixed(self) -> bool:
        """Whether there was something before the last line that a format does not know."""
        return self._prefix is not None

    def read(self, line: str) -> Hit | Rejected | str:
        """A hit, a rejection, or the reason why the line is no hit by nature: blank, comment, directive."""
        if self.directives and line.startswith("#"):
            return self._directive(line)
        if self._prefix is not None and (behind := self._prefix(line)) is not None:
            outcome = self.parser.parse(behind)
            if type(outcome) is Hit:
                return outcome
        outcome = self.parser.parse(line)
        if type(outcome) is Hit:
            return outcome
        if not line or line.isspace():
            return "blank"
        if line.startswith("#"):
            return "comment"
        return self._behind_prefix(line) or outcome

    def _behind_prefix(self, line: str) -> Hit | Rejected | None:
        """The hit behind a prefix, or behind two; else why what is behind one is none; `None` where there is none."""
        why: Rejected | None = None
        for prefix, behind in prefixes_of(line):
            outcome = self.parser.parse(behind)
            if not isinstance(outcome, Rejected):
                self._prefix = prefix
                return outcome
            for second in PREFIXES:
                inner = second(behind)
                if inner is not None and type(deeper := self.parser.parse(inner)) is Hit:
                    return deeper
            if outcome.reason != _UNREADABLE:
                why = why or outcome
        return why

    def _directive(self, line: str) -> str:
        if is_header(line):
            self.use(line)
        return "directive" if _DIRECTIVE.match(line) else "comment"
