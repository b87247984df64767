"""`Archive`: predictions, stored once and in one transaction with the end of their jobs, and read back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from fiberless.contract import JobPhase, Prediction, PredictionArrays, PredictionResult
from fiberless.cutout import Cutout
from fiberless.errors import UsageError
from fiberless.storage.encoding import decode_arrays, decode_cutout, encode_arrays
from fiberless.storage.engine import NOW
from fiberless.storage.leases import held_by
from fiberless.storage.opened import Opened
from fiberless.storage.schema import JOB, OBJECT, PREDICTION

__all__ = ["Archive", "PredictionSummary"]


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


class Archive(Opened):
    """Predictions."""

    def finish(self, job_id: str, owner: str, result: PredictionResult) -> bool:
        """Store a prediction and complete its job; False, and no row written, if the job is another's now."""
        return job_id in self.finish_batch(owner, {job_id: result})

    def finish_batch(self, owner: str, results: Mapping[str, PredictionResult]) -> frozenset[str]:
        """Store the predictions of a batch and complete its jobs, all in one transaction.

        A prediction that is there already stays as it is: equal requests give equal ids.

        Parameters
        ----------
        results : results by job id

        Returns
        -------
        Ids of the jobs that were still the owner's and are now complete.

        """
        rows = {job_id: self._prediction_row(result) for job_id, result in results.items()}
        with self.database.write() as connection:
            return frozenset(
                job_id for job_id, row in sorted(rows.items()) if self._finish(connection, job_id, owner, row)
            )

    def has_prediction(self, prediction_id: str) -> bool:
        """Whether a prediction is stored."""
        statement = select(PREDICTION.c.id).where(PREDICTION.c.id == prediction_id)
        with self.database.read() as connection:
            return connection.execute(statement).first() is not None

    def prediction_json(self, prediction_id: str) -> bytes:
        """Document of a prediction, the very bytes that the API answers.

        Raises
        ------
        UsageError
            `not-found`.

        """
        return self.blobs.get(self._row(prediction_id).document_key)

    def prediction(self, prediction_id: str) -> Prediction:
        """Prediction by its id; raises as `prediction_json`."""
        return Prediction.model_validate_json(self.prediction_json(prediction_id))

    def prediction_arrays(self, prediction_id: str) -> PredictionArrays:
        """Candidate spectra of a prediction; raises as `prediction_json`."""
        return decode_arrays(self.blobs.get(self._row(prediction_id).arrays_key))

    def cutout(self, prediction_id: str) -> Cutout:
        """Image that a prediction was made from; raises as `prediction_json`."""
        return decode_cutout(self.blobs.get(self._row(prediction_id).cutout_key))

    def predictions_of(self, object_id: str) -> list[PredictionSummary]:
        """All predictions of an object, newest first; empty if there is none."""
        statement = (
            select(PREDICTION)
            .where(PREDICTION.c.object_id == object_id)
            .order_by(PREDICTION.c.created.desc(), PREDICTION.c.id)
        )
        with self.database.read() as connection:
            return [_summary_of(row) for row in connection.execute(statement)]

    def _row(self, prediction_id: str) -> Row[Any]:
        statement = select(PREDICTION).where(PREDICTION.c.id == prediction_id)
        with self.database.read() as connection:
            row = connection.execute(statement).one_or_none()
        if row is None:
            raise UsageError("not-found", "there is no such prediction")
        return row

    def _prediction_row(self, result: PredictionResult) -> dict[str, Any]:
        """Write the blobs of a prediction; its row, but for the image, which the job knows."""
        document = result.prediction
        return {
            "id": document.id,
            "created": document.created.timestamp(),
            "object_id": document.object.object_id,
            "ra": document.object.ra,
            "dec": document.object.dec,
            "redshift": document.properties.redshift.value,
            "model_version": document.provenance.model.version,
            "document_key": self.blobs.put(document.model_dump_json(by_alias=True).encode()),
            "arrays_key": self.blobs.put(encode_arrays(result.arrays)),
        }

    def _finish(self, connection: Connection, job_id: str, owner: str, row: dict[str, Any]) -> bool:
        held = select(JOB.c.cutout_key).where(JOB.c.id == job_id, held_by(owner)).with_for_update()
        job = connection.execute(held).one_or_none()
        if job is None:
            return False
        new = self.database.insert(PREDICTION).values(cutout_key=job.cutout_key, **row)
        connection.execute(new.on_conflict_do_nothing())
        if row["object_id"] is not None:
            self._write_object(connection, row)
        connection.execute(
            update(JOB)
            .where(JOB.c.id == job_id)
            .values(
                phase=JobPhase.COMPLETED,
                ended=NOW,
                prediction_id=row["id"],
                progress_stage="done",
                progress_done=JOB.c.progress_total,
                lease_owner=None,
                lease_until=None,
            )
        )
        return True

    def _write_object(self, connection: Connection, row: dict[str, Any]) -> None:
        """Note an object under the position of its newest prediction."""
        facts = {"ra": row["ra"], "dec": row["dec"], "updated": NOW}
        new = self.database.insert(OBJECT).values(object_id=row["object_id"], **facts)
        connection.execute(new.on_conflict_do_update(index_elements=[OBJECT.c.object_id], set_=facts))


def _summary_of(row: Row[Any]) -> PredictionSummary:
    return PredictionSummary(
        id=row.id,
        created=datetime.fromtimestamp(row.created, tz=UTC),
        object_id=row.object_id,
        ra=row.ra,
        dec=row.dec,
        redshift=row.redshift,
        model_version=row.model_version,
    )
