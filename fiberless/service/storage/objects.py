"""`ObjectStore`: predictions found by the object's name or by a place on the sky."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select

from fiberless.service.storage.cursor import decode_cursor, encode_cursor
from fiberless.service.storage.engine import Database
from fiberless.service.storage.positions import cone_ranges, separation_arcsec
from fiberless.service.storage.predictions import PredictionSummary, summary_of
from fiberless.service.storage.schema import PREDICTION

__all__ = ["ConePage", "Neighbour", "ObjectStore", "cone_statement", "newest_statement"]

_SUMMARY: Final = tuple(
    PREDICTION.c[name] for name in ("id", "created", "object_id", "ra", "dec", "redshift", "model_version")
)


@dataclass(frozen=True)
class Neighbour:
    """A prediction near a place on the sky, and its distance from there."""

    summary: PredictionSummary
    separation_arcsec: float


@dataclass(frozen=True)
class ConePage:
    """Some of the objects in a cone, the number of all of them, and the cursor of the next page, if any."""

    neighbours: tuple[Neighbour, ...]
    total: int
    next_cursor: str | None


@dataclass(frozen=True, eq=False)
class ObjectStore:
    """Objects, by name and by place."""

    database: Database

    def predictions_of(self, object_id: str, *, owner: str = "") -> list[PredictionSummary]:
        """All predictions that an owner has of an object, newest first; empty if there is none."""
        statement = (
            select(*_SUMMARY)
            .where(PREDICTION.c.owner == owner, PREDICTION.c.object_id == object_id)
            .order_by(PREDICTION.c.created.desc(), PREDICTION.c.id)
        )
        with self.database.read() as connection:
            return [summary_of(row) for row in connection.execute(statement)]

    def newest_of(self, object_ids: Iterable[str], *, owner: str = "") -> dict[str, PredictionSummary]:
        """Newest prediction that an owner has of each object; objects without one are left out."""
        statement = newest_statement(sorted(set(object_ids)), owner=owner)
        with self.database.read() as connection:
            return {row.object_id: summary_of(row) for row in connection.execute(statement)}

    def in_cone(
        self,
        ra_deg: float,
        dec_deg: float,
        *,
        radius_arcsec: float,
        owner: str = "",
        cursor: str | None = None,
        limit: int = 100,
    ) -> ConePage:
        """Objects with a prediction in a cone, nearest first: the newest prediction that each has there.

        A prediction without an object's name stands for itself.

        Parameters
        ----------
        ra_deg, dec_deg : centre, ICRS degrees
        radius_arcsec : great-circle distance; its end is inside
        cursor : `next_cursor` of the page before
        limit : most neighbours on the page; with 0 they are only counted

        Raises
        ------
        UsageError
            `invalid-parameter` if the cursor is not one.

        """
        place = None if cursor is None else decode_cursor(cursor, float, str)
        statement = cone_statement(ra_deg, dec_deg, radius_arcsec=radius_arcsec, owner=owner)
        with self.database.read() as connection:
            rows = connection.execute(statement).all()
        found = _newest_each(_inside(rows, ra_deg, dec_deg, radius_arcsec))
        left = [one for one in found if place is None or _place(one) > place]
        page = left[:limit]
        return ConePage(
            neighbours=tuple(page),
            total=len(found),
            next_cursor=encode_cursor(*_place(page[-1])) if page and len(left) > limit else None,
        )


def cone_statement(ra_deg: float, dec_deg: float, *, radius_arcsec: float, owner: str) -> Select[Any]:
    """SELECT of the summaries in all cells that a cone touches: some lie outside of the cone itself."""
    ranges = cone_ranges(ra_deg, dec_deg, radius_arcsec / 3600)
    parts: list[ColumnElement[bool]] = [
        and_(PREDICTION.c.owner == owner, PREDICTION.c.cell.between(first, last)) for first, last in ranges
    ]
    return select(*_SUMMARY).where(or_(*parts))


def newest_statement(object_ids: Sequence[str], *, owner: str) -> Select[Any]:
    """SELECT of the newest prediction of each object."""
    age = func.row_number().over(
        partition_by=PREDICTION.c.object_id, order_by=(PREDICTION.c.created.desc(), PREDICTION.c.id)
    )
    named = (
        select(*_SUMMARY, age.label("age"))
        .where(PREDICTION.c.owner == owner, PREDICTION.c.object_id.in_(object_ids))
        .subquery()
    )
    return select(named).where(named.c.age == 1)


def _inside(rows: Sequence[Row[Any]], ra_deg: float, dec_deg: float, radius_arcsec: float) -> list[Neighbour]:
    if not rows:
        return []
    positions = np.array([(row.ra, row.dec) for row in rows], dtype=np.float64)
    distances = separation_arcsec(ra_deg, dec_deg, positions[:, 0], positions[:, 1])
    return [
        Neighbour(summary_of(rows[index]), float(distances[index]))
        for index in np.flatnonzero(distances <= radius_arcsec).tolist()
    ]


def _newest_each(neighbours: Iterable[Neighbour]) -> list[Neighbour]:
    """The newest of each object, by distance; equal distances by id."""
    newest: dict[str, Neighbour] = {}
    for one in sorted(neighbours, key=lambda one: one.summary.id, reverse=True):
        key = one.summary.object_id or f"/{one.summary.id}"  # no object's name holds a slash
        kept = newest.get(key)
        if kept is None or one.summary.created >= kept.summary.created:
            newest[key] = one
    return sorted(newest.values(), key=_place)


def _place(one: Neighbour) -> tuple[float, str]:
    return one.separation_arcsec, one.summary.id
