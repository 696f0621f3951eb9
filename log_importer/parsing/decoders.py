"""What log writers do to values, undone: percent encoding, plus for space, backslash escapes.

Text that is not valid in its encoding is left as it was logged; nothing here raises.
"""

import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote

Decoder = Callable[[str], str]

_NAMED = {"b": "\b", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}  # Apache's ap_escape_logitem
_QUOTED = r"\\(?P<quoted>[\"\\bnrtv])"
_HEX = r"\\x(?P<hex>[0-9A-Fa-f]{2})"


def compile_decoders(names: Sequence[str]) -> Decoder | None:
    """The decoders of a field, applied in order; `None` where there are none.

    Neighbouring `quoted` and `hex-escapes` run in one pass, or an escaped backslash before x41 would become A.
    """
    steps: list[Decoder] = []
    remaining = list(names)
    while remaining:
        name = remaining.pop(0)
        if name == "percent":
            steps.append(_percent)
        elif name == "plus":
            steps.append(_plus)
        else:
            escapes = [name]
            while remaining and remaining[0] in ("quoted", "hex-escapes"):
                escapes.append(remaining.pop(0))
            steps.append(_backslashes("quoted" in escapes, "hex-escapes" in escapes))
    if len(steps) <= 1:
        return steps[0] if steps else None

    def decode(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return decode


def _percent(text: str) -> str:
    return unquote(text, errors="surrogateescape") if "%" in text else text


def _plus(text: str) -> str:
    return text.replace("+", " ")


def _backslashes(quoted: bool, hexadecimal: bool) -> Decoder:
    pattern = re.compile("|".join([_QUOTED] * quoted + [_HEX] * hexadecimal))

    def character(match: re.Match[str]) -> str:
        groups = match.groupdict()
        if groups.get("hex"):
            # A byte of UTF-8 text stands as a surrogate until all of it is there.
            byte = int(groups["hex"], 16)
            return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)
        return _NAMED.get(groups["quoted"], groups["quoted"])

    def decode(text: str) -> str:
        if "\\" not in text:
            return text
        return rejoin(pattern.sub(character, text))

    return decode


def rejoin(text: str) -> str:
    """`text` with runs of byte surrogates that are valid UTF-8 turned into their characters."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # other surrogates, as JSON text can hold them
        return text
