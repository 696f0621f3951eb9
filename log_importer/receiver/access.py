"""Tokens, users and what they may do. Only hashes are kept, and they are compared in constant time."""

import hmac
import secrets
from collections.abc import Mapping
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

    def on(self, idsite: int) -> Level:
        """The level on one site."""
        return self.level if self.level is Level.SUPERUSER or idsite in self.sites else Level.NONE


class Access:
    """Who may what."""

    def __init__(self, grants: Mapping[str, Grant], users: Mapping[str, tuple[str, Grant]] | None = None) -> None:
        """`grants` by token; `users` by login, with password and what a token made for them may do."""
        self._grants = [(_hash(token), grant) for token, grant in grants.items()]
        self._users = {login: (_hash(password), grant) for login, (password, grant) in (users or {}).items()}

    def grant(self, token: str) -> Grant | None:
        """What `token` may do, `None` where nobody has it."""
        digest = _hash(token)
        found = None
        for known, grant in self._grants:
            if hmac.compare_digest(known, digest):
                found = grant
        return found

    def level(self, token: str, idsite: int) -> Level:
        """What `token` may do with the site."""
        grant = self.grant(token)
        return Level.NONE if grant is None else grant.on(idsite)

    def new_token(self, login: str, password: str) -> str | None:
        """A fresh token for a user, good until the receiver stops; `None` where login or password is wrong."""
        known, grant = self._users.get(login, (_hash(secrets.token_hex()), None))
        if not hmac.compare_digest(known, _hash(password)) or grant is None:
            return None
        token = secrets.token_hex(16)
        self._grants.append((_hash(token), grant))
        return token


def _hash(text: str) -> bytes:
    return sha256(text.encode("utf-8", "replace")).digest()
