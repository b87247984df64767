"""`PredictionStore`: predictions, stored once, in one transaction with the end of their jobs; read back."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Column, Connection, Row, select

from fiberless.contract import JobPhase, ObjectInfo, Prediction, PredictionArrays, PredictionResult
from fiberless.contract.upgrade import upgraded
from fiberless.errors import FatalError, UsageError
from fiberless.images.cutout import Cutout
from fiberless.service.storage.blobs import BlobStore
from fiberless.service.storage.encoding import decode_arrays, decode_cutout, encode_arrays
from fiberless.service.storage.engine import NOW, Database
from fiberless.service.storage.job_rows import change_jobs
from fiberless.service.storage.leases import held_by
from fiberless.service.storage.positions import cell_of
from fiberless.service.storage.schema import JOB, OBJECT, PREDICTION

__all__ = ["LOST_PREDICTION", "PredictionStore", "PredictionSummary", "summary_of"]

LOST_PREDICTION: Final = "this prediction's files are lost or damaged; ask for it again, and it is made again"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PredictionSummary:
    """One line about a prediction; position in ICRS degrees, redshift the median of its candidates."""

    id: str
    created: datetime
    object_id: str | None
    ra: float | None
    dec: float | None
    redshift: float | None
    model_version: str


@dataclass(frozen=True, eq=False)
class PredictionStore:
    """Predictions."""

    database: Database
    blobs: BlobStore

    def finish(self, job_id: str, lease_token: str, result: PredictionResult) -> bool:
        """Store a prediction and complete its job; False, and no row written, if the lease is lost."""
        return job_id in self.finish_batch(lease_token, {job_id: result})

    def finish_batch(self, lease_token: str, results: Mapping[str, PredictionResult]) -> frozenset[str]:
        """Store the predictions of a batch and complete its jobs, all in one transaction.

        A prediction that is there already stays as it is: equal requests give equal ids. One whose files are
        damaged is replaced.

        Parameters
        ----------
        results : results by job id

        Returns
        -------
        Ids of the jobs whose lease still held and that are now complete.

        """
        rows = {job_id: self._prediction_row(result) for job_id, result in results.items()}
        damaged = {row["id"] for row in rows.values() if self._is_damaged(row["id"])}
        with self.database.write() as connection:
            return frozenset(
                job_id
                for job_id, row in sorted(rows.items())
                if self._finish(connection, job_id, lease_token, row, is_replaced=row["id"] in damaged)
            )

    def exists(self, prediction_id: str) -> bool:
        """Whether a prediction is stored and can be read; one whose files are lost or damaged is not.

        Raises
        ------
        TransientError
            `storage-unavailable` if that cannot be told now.

        """
        row = self._find(prediction_id)
        return row is not None and self._is_whole(row)

    def damaged(self, *, newest: int) -> list[str]:
        """Ids of those of the newest predictions whose files are lost or damaged; raises as `exists`."""
        statement = select(PREDICTION).order_by(PREDICTION.c.created.desc()).limit(newest)
        with self.database.read() as connection:
            rows = connection.execute(statement).all()
        return [row.id for row in rows if not self._is_whole(row)]

    def document(self, prediction_id: str) -> bytes:
        """Document of a prediction without links, in the newest schema whichever it was stored in.

        Raises
        ------
        UsageError
            `not-found`, also where its files are lost or damaged.

        """
        return upgraded(self._stored(prediction_id, PREDICTION.c.document_key))

    def get(self, prediction_id: str) -> Prediction:
        """Prediction by its id; raises as `document`."""
        return Prediction.model_validate_json(self.document(prediction_id))

    def arrays(self, prediction_id: str) -> PredictionArrays:
        """Candidate spectra of a prediction; raises as `document`."""
        return decode_arrays(self._stored(prediction_id, PREDICTION.c.arrays_key))

    def cutout(self, prediction_id: str) -> Cutout:
        """Image that a prediction was made from; raises as `document`."""
        return decode_cutout(self._stored(prediction_id, PREDICTION.c.cutout_key))

    def _stored(self, prediction_id: str, key: Column[str]) -> bytes:
        row = self._find(prediction_id)
        if row is None:
            raise UsageError("not-found", "there is no such prediction")
        try:
            return self.blobs.get(row._mapping[key])  # noqa: SLF001  SQLAlchemy's public name for it
        except FatalError as error:
            _log.error("prediction %s: %s", prediction_id, error.detail)
            raise UsageError("not-found", LOST_PREDICTION) from error

    def _find(self, prediction_id: str) -> Row[Any] | None:
        statement = select(PREDICTION).where(PREDICTION.c.id == prediction_id)
        with self.database.read() as connection:
            return connection.execute(statement).one_or_none()

    def _is_whole(self, row: Row[Any]) -> bool:
        return all(map(self.blobs.is_whole, (row.document_key, row.arrays_key, row.cutout_key)))

    def _is_damaged(self, prediction_id: str) -> bool:
        row = self._find(prediction_id)
        return row is not None and not self._is_whole(row)

    def _prediction_row(self, result: PredictionResult) -> dict[str, Any]:
        """Write the blobs of a prediction; its row, but for the image, which the job knows."""
        document = result.prediction
        return {
            "id": document.id,
            "created": document.created.timestamp(),
            "object_id": document.object.object_id,
            "ra": document.object.ra,
            "dec": document.object.dec,
            "cell": _cell(document.object),
            "redshift": document.properties.redshift.value,
            "model_version": document.provenance.model.version,
            "document_key": self.blobs.put(document.model_dump_json(by_alias=True).encode()),
            "arrays_key": self.blobs.put(encode_arrays(result.arrays)),
        }

    def _finish(
        self,
        connection: Connection,
        job_id: str,
        lease_token: str,
        row: dict[str, Any],
        *,
        is_replaced: bool,
    ) -> bool:
        wanted = select(JOB.c.cutout_key, JOB.c.owner).where(JOB.c.id == job_id, held_by(lease_token))
        job = connection.execute(wanted.with_for_update()).one_or_none()
        if job is None:
            return False
        new = self.database.insert(PREDICTION).values(cutout_key=job.cutout_key, owner=job.owner, **row)
        connection.execute(
            new.on_conflict_do_update(
                index_elements=[PREDICTION.c.id],
                set_={name: row[name] for name in ("created", "document_key", "arrays_key")},
            )
            if is_replaced
            else new.on_conflict_do_nothing()
        )
        if row["object_id"] is not None:
            self._write_object(connection, row, owner=job.owner)
        change_jobs(
            connection,
            JOB.c.id == job_id,
            phase=JobPhase.COMPLETED,
            ended=NOW,
            prediction_id=row["id"],
            progress_stage="done",
            progress_done=JOB.c.progress_total,
            lease_token=None,
            lease_until=None,
        )
        return True

    def _write_object(self, connection: Connection, row: dict[str, Any], *, owner: str) -> None:
        """Note an object under the position of its newest prediction."""
        facts = {"ra": row["ra"], "dec": row["dec"], "updated": NOW}
        new = self.database.insert(OBJECT).values(owner=owner, object_id=row["object_id"], **facts)
        key = [OBJECT.c.owner, OBJECT.c.object_id]
        connection.execute(new.on_conflict_do_update(index_elements=key, set_=facts))


def summary_of(row: Row[Any]) -> PredictionSummary:
    """Summary in a row that has the columns of one."""
    return PredictionSummary(
        id=row.id,
        created=datetime.fromtimestamp(row.created, tz=UTC),
        object_id=row.object_id,
        ra=row.ra,
        dec=row.dec,
        redshift=row.redshift,
        model_version=row.model_version,
    )


def _cell(place: ObjectInfo) -> int | None:
    return None if place.ra is None or place.dec is None else int(cell_of(place.ra, place.dec))
