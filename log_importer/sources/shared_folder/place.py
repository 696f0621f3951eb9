"""What a shared folder can do."""

from typing import Protocol


class Shared(Protocol):
    """Objects by name, such as `lanes/00001/000000000007`. All methods raise `StateError` where they fail."""

    @property
    def name(self) -> str:
        """The place, for people."""
        ...

    def read(self, name: str) -> bytes | None:
        """All of an object; `None` where there is none."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Makes an object; whether it was not there before. Durable when it returns."""
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Makes an object, or puts it in the place of the one that is there. Durable when it returns."""
        ...

    def delete(self, name: str) -> None:
        """Deletes an object; nothing happens where there is none."""
        ...

    def names(self, folder: str) -> list[str]:
        """The last parts of the names of all objects right in a folder, sorted."""
        ...
