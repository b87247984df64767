"""`WorkerHeartbeats`: which workers are alive, by the heartbeats that they leave."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from fiberless.service.storage.engine import NOW, Database
from fiberless.service.storage.schema import HEARTBEAT

__all__ = ["Heartbeat", "WorkerHeartbeats"]

_LONGEST_TROUBLE: Final = 256


@dataclass(frozen=True)
class Heartbeat:
    """Last sign of life of a worker; its age by the database's clock.

    Parameters
    ----------
    trouble : str or None
        Why it took itself out; None while it works.

    """

    worker_kind: str
    worker_id: str
    age_seconds: float
    trouble: str | None = None


@dataclass(frozen=True, eq=False)
class WorkerHeartbeats:
    """Signs of life of the workers."""

    database: Database

    def beat(self, worker_kind: str, worker_id: str, *, trouble: str | None = None) -> None:
        """Leave a sign of life, or say why it is the last one."""
        facts = {"worker_kind": worker_kind, "seen": NOW, "trouble": trouble and trouble[:_LONGEST_TROUBLE]}
        new = self.database.insert(HEARTBEAT).values(worker_id=worker_id, **facts)
        with self.database.write() as connection:
            connection.execute(new.on_conflict_do_update(index_elements=[HEARTBEAT.c.worker_id], set_=facts))

    def recent(self) -> list[Heartbeat]:
        """Last signs of life of all workers seen within the hour, youngest first."""
        age = (NOW - HEARTBEAT.c.seen).label("age_seconds")
        statement = select(HEARTBEAT.c.worker_kind, HEARTBEAT.c.worker_id, age, HEARTBEAT.c.trouble).order_by(
            age
        )
        with self.database.read() as connection:
            return [Heartbeat(*row) for row in connection.execute(statement)]
