"""Tokens and what they may do. Only hashes are kept, and they are compared in constant time."""

import hmac
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256


class Level(IntEnum):
    """What a user may do with a site; each includes those before it."""

    NONE = 0
    VIEW = 1
    WRITE = 2
    ADMIN = 3
    SUPERUSER = 4


@dataclass(frozen=True, slots=True)
class Grant:
    """A level on some sites; a superuser has all."""

    level: Level
    sites: frozenset[int] = frozenset()


class Access:
    """Who may what."""

    def __init__(self, grants: dict[str, Grant]) -> None:
        """`grants` by token."""
        self._grants = [(sha256(token.encode()).digest(), grant) for token, grant in grants.items()]

    def grant(self, token: str) -> Grant | None:
        """What `token` may do, `None` where nobody has it."""
        digest = sha256(token.encode("utf-8", "replace")).digest()
        found = None
        for known, grant in self._grants:
            if hmac.compare_digest(known, digest):
                found = grant
        return found

    def level(self, token: str, idsite: int) -> Level:
        """What `token` may do with the site."""
        grant = self.grant(token)
        if grant is None:
            return Level.NONE
        return grant.level if grant.level is Level.SUPERUSER or idsite in grant.sites else Level.NONE
