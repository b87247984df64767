"""Schema: the columns that products may have, with units and UCDs."""

from dataclasses import asdict
from functools import cache

from fastapi import APIRouter

from app.http.problems import problem_responses
from app.schemas.documents import ColumnDocument, PropertyDocument, SchemaDocument
from fiberless.products.columns import SPECTRUM_COLUMNS, Column, property_table, row_columns

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/schema", tags=["products"])


@router.get("", summary="What do the columns mean?", responses=problem_responses(401, 403, 429, 503))
async def read() -> SchemaDocument:
    """Answer with every column of every table: name, type, unit, UCD and meaning."""
    return _schema()


@cache
def _schema() -> SchemaDocument:
    return SchemaDocument(
        spectrum=tuple(_column(column) for column in SPECTRUM_COLUMNS),
        properties=tuple(
            PropertyDocument(
                name=row.name, column=row.column, unit=row.unit, ucd=row.ucd, description=row.description
            )
            for row in property_table()
        ),
        row=tuple(_column(column) for column in row_columns()),
    )


def _column(column: Column) -> ColumnDocument:
    return ColumnDocument.model_validate(asdict(column))
