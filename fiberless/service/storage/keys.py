"""`KeyStore`: the keys that callers show: made, listed, revoked, recognised."""

import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, insert, or_, select, update

from fiberless.errors import TransientError, UsageError
from fiberless.service.api_keys import OWNER_PATTERN, ApiKey, Scope, Token
from fiberless.service.storage.engine import NOW, Database
from fiberless.service.storage.schema import API_KEY

__all__ = ["KeyStore"]

_DAY_SECONDS: Final = 86_400.0
_USE_NOTED_SECONDS: Final = 3600.0
"""`last_used` is this coarse, so that reading does not become writing."""
_NO_HASH: Final = "0" * 64


@dataclass(frozen=True, eq=False)
class KeyStore:
    """API keys."""

    database: Database

    def create(
        self, owner: str, *, scopes: Collection[Scope], expires_days: float | None = None, note: str = ""
    ) -> tuple[ApiKey, Token]:
        """Make a key for an owner; its token is known to the caller of this alone, and never again.

        Raises
        ------
        UsageError
            `invalid-parameter` if the owner's name, the scopes, the note or the time cannot be.

        """
        _check_wishes(owner, scopes, expires_days=expires_days, note=note)
        token = Token.new()
        row = {
            "id": token.id,
            "owner": owner,
            "secret_sha256": token.secret_sha256,
            "scopes": " ".join(sorted(scopes)),
            "note": note,
            "created": NOW,
            "expires": None if expires_days is None else NOW + expires_days * _DAY_SECONDS,
        }
        with self.database.write() as connection:
            made = connection.execute(insert(API_KEY).values(row).returning(API_KEY)).one()
        return _key_of(made), token

    def all(self) -> list[ApiKey]:
        """All keys, also revoked and expired ones, oldest first."""
        with self.database.read() as connection:
            rows = connection.execute(select(API_KEY).order_by(API_KEY.c.created, API_KEY.c.id))
            return [_key_of(row) for row in rows]

    def revoke(self, key_id: str) -> ApiKey:
        """Make a key worthless from now on; one that is revoked already stays as it is.

        Raises
        ------
        UsageError
            `not-found`.

        """
        statement = update(API_KEY).where(API_KEY.c.id == key_id, API_KEY.c.revoked.is_(None))
        with self.database.write() as connection:
            connection.execute(statement.values(revoked=NOW))
            row = connection.execute(select(API_KEY).where(API_KEY.c.id == key_id)).one_or_none()
        if row is None:
            raise UsageError("not-found", "there is no such key")
        return _key_of(row)

    def has_active(self) -> bool:
        """Whether anybody could show a key that is good now."""
        with self.database.read() as connection:
            return connection.execute(select(API_KEY.c.id).where(_active()).limit(1)).first() is not None

    def recognise(self, token: Token) -> ApiKey | None:
        """Key of a token; None if there is none, or it is revoked or expired, or the secret is wrong."""
        stale = or_(API_KEY.c.last_used.is_(None), API_KEY.c.last_used < NOW - _USE_NOTED_SECONDS)
        wanted = select(API_KEY, stale.label("is_stale")).where(API_KEY.c.id == token.id, _active())
        with self.database.read() as connection:
            row = connection.execute(wanted).one_or_none()
        if not token.is_proved_by(_NO_HASH if row is None else row.secret_sha256) or row is None:
            return None
        if row.is_stale:
            # The note is worth less than the request that it belongs to.
            with suppress(TransientError), self.database.write() as connection:
                connection.execute(
                    update(API_KEY).where(API_KEY.c.id == token.id, stale).values(last_used=NOW)
                )
        return _key_of(row)


def _active() -> ColumnElement[bool]:
    return and_(API_KEY.c.revoked.is_(None), or_(API_KEY.c.expires.is_(None), API_KEY.c.expires > NOW))


def _check_wishes(owner: str, scopes: Collection[Scope], *, expires_days: float | None, note: str) -> None:
    if not re.fullmatch(OWNER_PATTERN, owner, re.ASCII):
        raise UsageError("invalid-parameter", "an owner's name has 1 to 64 of A–Z a–z 0–9 _ . @ + -")
    if not scopes:
        raise UsageError("invalid-parameter", "a key needs a scope")
    if expires_days is not None and not 0 < expires_days < 36_500:
        raise UsageError("invalid-parameter", "a key may last for up to 36,500 days")
    if len(note) > 128 or not note.isprintable():
        raise UsageError("invalid-parameter", "a note has at most 128 printable characters")


def _key_of(row: Row[Any]) -> ApiKey:
    times = {name: _utc(getattr(row, name)) for name in ("expires", "revoked", "last_used")}
    return ApiKey(
        id=row.id,
        owner=row.owner,
        scopes=frozenset(map(Scope, row.scopes.split())),
        note=row.note,
        created=datetime.fromtimestamp(row.created, tz=UTC),
        **times,
    )


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
