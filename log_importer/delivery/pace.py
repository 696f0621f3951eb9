"""How many posts at once and how many hits in each."""


class Pace:
    """A stand-in until the real one lands."""

    def __init__(
        self,
        recorders: int | None = None,
        most: int = 16,
        size: int = 2000,
        start: tuple[int, int] | None = None,  # noqa: ARG002
    ) -> None:
        self.at_once = recorders or 2
        self.size = size
        self._most = most

    def stored(self, hits: int, seconds: float, now: float) -> None: ...
    def congested(self, now: float) -> None: ...
    def in_doubt(self) -> None:
        self.size = max(1, self.size // 2)

    def starved(self) -> None: ...
