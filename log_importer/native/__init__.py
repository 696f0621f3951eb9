"""The compiled loops of the C beside this, where it could be compiled: without them all is done in Python, some times
slower.

Arrays are handed over by their addresses, so whoever calls keeps them alive and of the length that is said. No other
thread runs meanwhile: the calls are short, and to let others in would take longer than many of them. ctypes and
plain C, over Cython and an extension module: one library serves all versions of Python, and needs no headers of it.
"""

import ctypes
import secrets
import weakref
from array import array
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from zlib import crc32

LIBRARY = "columns.so"
"""Its name, beside this file."""

_I32, _U32, _I64, _U64, _P = ctypes.c_int32, ctypes.c_uint32, ctypes.c_int64, ctypes.c_uint64, ctypes.c_void_p
_FUNCTIONS: dict[str, tuple[type | None, list[type]]] = {
    "built_from": (_U32, []),
    "table_new": (_P, [_U64]),
    "table_free": (None, [_P]),
    "table_clear": (None, [_P]),
    "table_count": (_U32, [_P]),
    "table_bytes": (_U64, [_P, _U32]),
    "table_texts": (None, [_P, _U32, _P]),
    "table_add": (_I32, [_P, ctypes.c_char_p, _U32]),
    "table_add_all": (_I32, [_P, ctypes.c_char_p, _U64, _P]),
    "count_byte": (_I64, [ctypes.c_char_p, _I64, _I32]),
    "find_lines": (_I64, [ctypes.c_char_p, _I64, _P, _I64]),
    "cut_at_quotes": (_I64, [_P, _P, _I32, _I32, _I32]),
    "cut_at_delimiters": (_I64, [_P, _P, _I32, _I32]),
    "cut_at_keys": (_I64, [_P, _P, _I32, _P, _P, _P]),
    "take": (None, [_I64, _P, _P, _P]),
    "take_8": (None, [_I64, _P, _P, _P]),
    "take_16": (None, [_I64, _P, _P, _P]),
    "take_64": (None, [_I64, _P, _P, _P]),
    "pair_up": (_I32, [_I64, _P, _P, _P, _P]),
    "pairs_from": (None, [_P, _U32, _P]),
    "lacking": (_I64, [_I64, _P, _P, _P]),
    "lower": (None, [_I64, _P, _P, _P, _P]),
    "from": (_I64, [_I64, _P, _I32, _P]),
    "others": (_I64, [_I64, _I64, _I64, _P, _P]),
    "count_each": (_I64, [_I64, _P, _P, _P]),
    "tell_times": (None, [_I64, _P, _P, _P, _P, _P]),
    "split_times": (_I32, [_I64, _P, _P, _P, _P, _P, _P]),
    "numbers_from": (None, [_P, _U32, _P]),
    "measure": (_I64, [_I64, _I32, _P, _P, _P]),
    "assemble": (None, [_I64, _I32, _P, _P, ctypes.c_char_p]),
    "key_visitors": (None, [_I64, *[_P] * 12]),
    "add_twice": (None, [_I64, _P, _P, _P, _P]),
    "key_downloads": (None, [_I64, _P, _P, _P, _P]),
    "addresses_read": (_I64, [_P, _U32, _U32, _I32, _P, _P, _P]),
    "addresses_within": (None, [_I64, _P, _P, _I64, _P, _P, _I32, _P]),
    "addresses_tell": (_I32, [_P, _U32, _I32, _I64, _P, ctypes.c_char_p, _P, _P, _P]),
    "place_lines": (None, [_I64, _P, _P, _U64, _U64, _P, _P]),
    "rows_of": (None, [_I64, _U32, *[_P] * 9]),
    "rows_size": (_U64, [_I64, _P]),
    "rows_at": (None, [_I64, _P, _P, _P]),
    "rows_lying_in": (None, [_I64, _P, _P, _P]),
    "rows_compact": (None, [_I64, _P, _P, _P, _P]),
    "rows_quoted": (None, [_I64, _P, _P, _P, _U64, _P, _U64, _P]),
    "rows_fitting": (_I64, [_I64, _P, _U64, _U64]),
    "rows_by_lane": (None, [_I64, _P, _I32, _P, _P]),
    "rows_batch_order": (_I32, [_I64, _P, _P]),
    "rows_time_order": (_I32, [_I64, _P, _P]),
    "rows_latest": (ctypes.c_double, [_I64, _P]),
    "rows_spans": (_I64, [_I64, _P, _I64, _P, _P, _P]),
    "rows_lines": (_I32, [_I64, _P, _P, _P]),
    "rows_one": (_I32, [_I64, _P, _I32, _P]),
    "rows_runs": (_I64, [_I64, _P, _I32, _P, _P]),
    "differences": (_I32, [_I64, _P, _P]),
    "ranges_new": (_P, [_U64]),
    "ranges_free": (None, [_P]),
    "ranges_repeats": (_I64, [_P, _I64, _P, _P, _P, ctypes.c_double, _P]),
}


class Native:
    """The library; its functions are attributes by the names that they have in C."""

    def __init__(self, library: ctypes.CDLL) -> None:
        for name, (result, arguments) in _FUNCTIONS.items():
            function = library[name]
            function.restype, function.argtypes = result, arguments
            setattr(self, f"{name}_" if name == "from" else name, function)

    def __getattr__(self, name: str) -> "ctypes._NamedFuncPointer":
        raise AttributeError(name)  # all there are were set

    def find_starts(self, data: bytes) -> "array[int]":
        """Where each line of `data` begins, and behind the last where one more would."""
        room = self.count_byte(data, len(data), _NEWLINE) + 1
        starts = array("I", bytes(4 * (room + 1)))
        count = self.find_lines(data, len(data), address(starts), room)
        del starts[count + 1 :]
        return starts


@cache
def load() -> Native | None:
    """The library; `None` where it was not compiled, or not for this machine, or of another source."""
    folder = Path(__file__).parent
    try:
        native = Native(ctypes.PyDLL(str(folder / LIBRARY)))
        source = b"".join(path.read_bytes() for path in sorted(folder.glob("*.[ch]")))
        return native if native.built_from() == crc32(source) else None
    except (OSError, AttributeError):
        return None


def count_lines(data: bytes) -> int:
    """How many line ends there are: `bytes.count` looks at each byte by itself."""
    native = load()
    return data.count(b"\n") if native is None else int(native.count_byte(data, len(data), _NEWLINE))


_NEWLINE = ord("\n")


def address(values: "array[int] | array[float]") -> int:
    """Where an array lies."""
    return values.buffer_info()[0]


def blank(size: int) -> bytes:
    """So many bytes for a function to write: nobody else has them yet, and none is written twice."""
    made: bytes = _new_bytes(None, size)
    return made


_new_bytes = ctypes.pythonapi.PyBytes_FromStringAndSize
_new_bytes.restype, _new_bytes.argtypes = ctypes.py_object, (ctypes.c_char_p, ctypes.c_ssize_t)


def zeros(kind: str, count: int) -> "array[int]":
    """An array of that type code."""
    one = array(kind)
    return array(kind, bytes(one.itemsize * count))


def addresses(arrays: Sequence[int]) -> "array[int]":
    """An array of addresses."""
    return array("Q", arrays)


class Table:
    """Texts, or pairs of numbers, numbered from 0 in the order they came."""

    def __init__(self, native: Native) -> None:
        self._native = native
        self.at: int = native.table_new(secrets.randbits(64))
        if not self.at:
            raise MemoryError
        weakref.finalize(self, native.table_free, self.at)

    def __len__(self) -> int:
        return int(self._native.table_count(self.at))

    @property
    def size(self) -> int:
        """Bytes of all texts."""
        return int(self._native.table_bytes(self.at, 0))

    def add(self, text: str) -> int:
        """The number of a text."""
        data = text.encode("utf-8", "surrogatepass")
        number = int(self._native.table_add(self.at, data, len(data)))
        if number < 0:
            raise MemoryError
        return number

    def add_all(self, texts: Sequence[str]) -> "array[int]":
        """The numbers of texts, none of which has a line end."""
        found = zeros("i", len(texts))
        data = "\n".join(texts).encode("utf-8", "surrogatepass")
        if texts and self._native.table_add_all(self.at, data, len(data), address(found)):
            raise MemoryError
        return found

    def texts(self, first: int) -> list[str]:
        """The texts from number `first` on."""
        size = self._native.table_bytes(self.at, first)
        if not size:
            return []
        data = bytearray(size)
        self._native.table_texts(self.at, first, ctypes.addressof(ctypes.c_char.from_buffer(data)))
        return data.decode("utf-8", "surrogateescape").split("\n")[:-1]

    def pairs(self, first: int) -> "array[int]":
        """The numbers of the pairs from number `first` on, left and right in turn."""
        found = zeros("i", 2 * (len(self) - first))
        self._native.pairs_from(self.at, first, address(found))
        return found

    def integers(self, first: int) -> "array[int]":
        """The 64-bit numbers from number `first` on."""
        found = zeros("q", len(self) - first)
        self._native.numbers_from(self.at, first, address(found))
        return found

    def clear(self) -> None:
        """Begins anew."""
        self._native.table_clear(self.at)
