"""`ApiKey`: what a caller may do, the token that proves it, and how tokens are kept out of logs."""

import hashlib
import hmac
import logging
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

__all__ = ["OWNER_PATTERN", "ApiKey", "Redacted", "Scope", "Token", "redact"]

OWNER_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}"
"""Names that an owner may have; the empty name is the caller's without a key."""
_TOKEN: Final = re.compile(r"flk_([0-9a-f]{16})_([0-9a-f]{48})", re.ASCII)
_IN_TEXT: Final = re.compile(r"(flk_[0-9a-f]{1,16}_)[0-9A-Za-z]+")


class Scope(StrEnum):
    """What a key allows."""

    SUBMIT = "submit"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True)
class ApiKey:
    """A key as it is stored: everything but its secret. Times are UTC.

    Parameters
    ----------
    id : str
        16 hexadecimal digits; no secret.
    owner : str
        Whose jobs and predictions the key opens; several keys may have one owner.

    """

    id: str
    owner: str
    scopes: frozenset[Scope]
    note: str
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    last_used: datetime | None = None


@dataclass(frozen=True)
class Token:
    """What a caller shows: `flk_<id>_<secret>`. Its text is shown once, when it is made."""

    id: str
    secret: str

    @classmethod
    def new(cls) -> "Token":
        """Draw a token: 64 random bits to name it, 192 to prove it."""
        return cls(secrets.token_hex(8), secrets.token_hex(24))

    @classmethod
    def parse(cls, text: str) -> "Token | None":
        """Token that a text spells; None if it spells none."""
        match = _TOKEN.fullmatch(text)
        return match and cls(match[1], match[2])

    @property
    def secret_sha256(self) -> str:
        """Hash to store. A secret of 192 random bits needs neither salt nor a slow hash."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def is_proved_by(self, stored_sha256: str) -> bool:
        """Whether the stored hash is this secret's, compared in constant time."""
        return hmac.compare_digest(self.secret_sha256, stored_sha256)

    def __str__(self) -> str:
        return f"flk_{self.id}_{self.secret}"

    def __repr__(self) -> str:
        return f"Token({self.id!r}, secret=…)"


def redact(text: str) -> str:
    """Return the text without the secrets of the tokens in it."""
    return _IN_TEXT.sub(r"\1…", text)


class Redacted(logging.Formatter):
    """Formats as another formatter does, then takes secrets out: message, arguments and traceback alike."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """One line or more, without secrets."""
        return redact(self._inner.format(record))
