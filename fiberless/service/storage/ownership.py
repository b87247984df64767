"""`Ownership`: whose a job or a prediction is. What is another's is answered like what does not exist."""

from typing import Final

from sqlalchemy import Table, select

from fiberless.errors import UsageError
from fiberless.service.storage.opened import Opened
from fiberless.service.storage.schema import BATCH, JOB, PREDICTION

__all__ = ["Ownership"]

_TABLES: Final[dict[str, Table]] = {"batch": BATCH, "job": JOB, "prediction": PREDICTION}


class Ownership(Opened):
    """Who may see what."""

    def check_owner(self, kind: str, name: str, *, owner: str) -> None:
        """Pass if the job or prediction of this id is the owner's.

        Raises
        ------
        UsageError
            `not-found`, in the same words for an absent one and for another's.

        """
        table = _TABLES[kind]
        statement = select(table.c.id).where(table.c.id == name, table.c.owner == owner)
        with self.database.read() as connection:
            if connection.execute(statement).first() is None:
                raise UsageError("not-found", f"there is no such {kind}")
