"""The `w3c` driver: columns named by the `#Fields:` line in force, values between spaces or tabs.

Reference: https://www.w3.org/TR/WD-logfile.html
"""

import re
from collections.abc import Sequence

from log_importer.parsing.columns import NOTHING, Columns
from log_importer.parsing.cuts import Cuts, PieceOf
from log_importer.parsing.engine import compile_regex
from log_importer.parsing.spec import FormatSpec

FIELDS = "#Fields:"
HEADER = FIELDS.encode()
"""The same in the bytes of a source."""
_WRAPPED = re.compile(r'"[^"]*+"').fullmatch
_QUOTED_OR_BARE = compile_regex(r'"((?:[^"]|"")*+)"|([^ ]++)')


def is_header(line: str) -> bool:
    """Whether `line` names the columns of the lines that follow."""
    return line.startswith(FIELDS)


def columns_of(header: str) -> list[str]:
    """The names in a `#Fields:` line."""
    return header[len(FIELDS) :].split()


class W3cDriver:
    """Reads the columns of a line; `header` is the `#Fields:` line in force, "" for none."""

    def __init__(self, spec: FormatSpec, header: str) -> None:
        named = columns_of(header) if is_header(header) else spec.options.get("columns", [])
        self.columns: tuple[str, ...] = tuple(spec.renamed.get(name, name) for name in named)
        tabs = "\t" in header[len(FIELDS) :].strip()
        self._delimiter: str = spec.options.get("delimiter") or ("\t" if tabs else " ")

    def read(self, line: str) -> Sequence[str | None] | None:
        """The line's values in the order of `columns`, or `None` where their number differs."""
        values: list[str] = line.split(self._delimiter)
        if len(values) != len(self.columns):
            # The W3C draft quotes strings that hold spaces; some servers pad with several blanks.
            pairs = _QUOTED_OR_BARE.findall(line) if self._delimiter == " " else []
            values = [quoted.replace('""', '"') or bare for quoted, bare in pairs]
        elif '"' in line:
            values = [value[1:-1] if _WRAPPED(value) else value for value in values]
        return values if self.columns and len(values) == len(self.columns) else None

    def read_all(self, lines: Sequence[str]) -> Columns:
        """The columns of those lines that have as many values as there are, and no quotes."""
        count, delimiter = len(self.columns), self._delimiter
        places = [place for place, line in enumerate(lines) if line.count(delimiter) == count - 1]
        text = delimiter.join([lines[place] for place in places])
        if '"' in text or "#" in text:
            places = [place for place in places if '"' not in lines[place] and not lines[place].startswith("#")]
            text = delimiter.join([lines[place] for place in places])
        if not places or not count:
            return NOTHING
        values = text.split(delimiter)
        return Columns(places, [values[number::count] for number in range(count)])

    def cuts(self) -> dict[int, Cuts]:
        """How lines without quotes can be cut."""
        pieces = [PieceOf((place,), lambda text: (text,)) for place in range(len(self.columns))]
        return {0: Cuts(pieces, delimiter=self._delimiter)} if pieces and len(self._delimiter) == 1 else {}

    def stopped_at(self, line: str) -> int:
        """The end of the last column that has a name, or of the line where it has too few values."""
        position = 0
        for _ in self.columns:
            found = line.find(self._delimiter, position)
            if found < 0:
                return len(line)
            position = found + 1
        return max(0, position - 1)
