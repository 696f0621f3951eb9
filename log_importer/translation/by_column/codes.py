"""Verdicts as numbers, so that the first of several rules is the smallest of several numbers."""

from collections import Counter

ALONE = -1
"""Of a line that is to be looked at alone."""
_REASONS = 4096
"""Codes of a rule."""
_NAMED = 4080
"""Those of them that go to names, of which clients may invent any number."""


class Codes:
    """The smaller, the earlier the rule. What is tracked has one from `tracked` on."""

    def __init__(self, rules: int) -> None:
        self.tracked = rules * _REASONS
        self._given: Counter[int] = Counter()  # codes by rule
        self._codes: dict[tuple[int, str, str, str], int] = {}
        self._meaning: dict[int, tuple[str, str, str]] = {}
        self.without_site = self.of(rules + 2, "no-site")

    def of_tracked(self, ai: str) -> int:
        """The code of what is tracked; `ai` is the name of the AI that asked, "" for none."""
        return self.of(self.tracked // _REASONS + (not ai), "", ai)

    def first(self, rule: int) -> int:
        """The smallest code of the rule of that number."""
        return rule * _REASONS

    def of(self, rule: int, reason: str, ai: str = "", detail: str = "") -> int:
        """The code of a reason that the rule of that number gives; of too many names, the last are not told apart."""
        key = rule, reason, ai, detail
        code = self._codes.get(key)
        if code is None:
            place = self._given[rule]
            if place >= _NAMED and (ai or detail):
                return self.of(rule, reason)
            assert place < _REASONS, "a rule has few reasons"
            self._given[rule] += 1
            code = self._codes[key] = rule * _REASONS + place
            self._meaning[code] = reason, ai, detail
        return code

    def count(
        self, verdicts: Counter[int], skipped: Counter[str], ais: Counter[str], details: Counter[tuple[str, str]]
    ) -> None:
        """Adds what `verdicts` mean to the lines that were skipped, with their details, and to those of an AI."""
        for code, lines in verdicts.items():
            reason, ai, detail = self._meaning.get(code, ("", "", ""))
            if reason:
                skipped[reason] += lines
            if detail:
                details[reason, detail] += lines
            if ai:
                ais[ai] += lines
