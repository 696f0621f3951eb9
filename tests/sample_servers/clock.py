"""The servers' clock: libfaketime in front of them adds an offset that we change before every request.

An offset, not a frozen time, so that durations are real.
"""

import time
from datetime import datetime
from pathlib import Path


class Clock:
    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(datetime.fromisoformat("2026-01-01T00:00:00+00:00"))

    def set(self, now: datetime) -> None:
        # A quarter into the second: what follows at once is still in it.
        offset = now.timestamp() + 0.25 - time.time()
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset:+.3f}\n")
        new.chmod(0o644)
        new.replace(self._file)

    def environment(self, zone: str) -> dict[str, str]:
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # the servers' own time-outs stay real
            "TZ": zone,
        }
