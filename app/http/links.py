"""`Links`: the addresses that answers carry, by the routes' names, under the service's root path."""

import json
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.applications import Starlette

from app.http.proxy_prefix import prefix_of
from fiberless.contract import (
    Batch,
    BatchItem,
    BatchItemLinks,
    BatchLinks,
    Job,
    JobLinks,
    LinkedBatch,
    LinkedBatchItem,
    LinkedJob,
    PredictionLinks,
)

__all__ = ["Links", "LinksDep"]


@dataclass(frozen=True, eq=False)
class Links:
    """Paths of an application's resources.

    Parameters
    ----------
    application : whose routes are named `job`, `prediction`, …
    root_path : prefix under which a proxy shows the application; without a slash at its end

    """

    application: Starlette
    root_path: str = ""

    def path(self, route: str, **parameters: str) -> str:
        """Path of a route by its name."""
        return f"{self.root_path}{self.application.url_path_for(route, **parameters)}"

    def job(self, job: Job) -> LinkedJob:
        """A job with its links."""
        links = JobLinks(
            self=self.path("job", job_id=job.id),
            events=self.path("job_events", job_id=job.id),
            prediction=self._prediction_path(job.prediction_id),
        )
        return LinkedJob(**_fields(job), links=links)

    def batch(self, batch: Batch) -> LinkedBatch:
        """A batch with its links."""
        own, items, results = (
            self.path(route, batch_id=batch.id) for route in ("batch", "batch_items", "batch_results")
        )
        return LinkedBatch(**_fields(batch), links=BatchLinks(self=own, items=items, results=results))

    def item(self, item: BatchItem) -> LinkedBatchItem:
        """A row of a batch with its links."""
        prediction = self._prediction_path(item.prediction_id)
        links = BatchItemLinks(job=self.path("job", job_id=item.job_id), prediction=prediction)
        return LinkedBatchItem(**_fields(item), links=links)

    def prediction(self, prediction_id: str) -> PredictionLinks:
        """Links of a prediction."""
        own, spectrum, cutout, preview = (
            self.path(route, prediction_id=prediction_id)
            for route in ("prediction", "spectrum", "cutout", "preview")
        )
        return PredictionLinks(
            self=own,
            spectrum_fits=f"{spectrum}?format=fits",
            candidate=f"{spectrum}?candidate={{k}}",
            cutout=cutout,
            preview=preview,
        )

    def added_to(self, document: bytes, prediction_id: str) -> bytes:
        """Stored document of a prediction with its links.

        They are written at its end: to read 300 kB and write the same again would be the whole cost.
        """
        links = json.dumps(self.prediction(prediction_id).model_dump(mode="json"))
        return document.rstrip()[:-1] + b',"links":' + links.encode() + b"}"

    def _prediction_path(self, prediction_id: str | None) -> str | None:
        return None if prediction_id is None else self.path("prediction", prediction_id=prediction_id)


def _links_of(request: Request) -> Links:
    return Links(request.app, prefix_of(request.scope))


LinksDep = Annotated[Links, Depends(_links_of)]


def _fields(document: Job | Batch | BatchItem) -> dict[str, object]:
    """Fields of a document as they are: no copy of what is inside them."""
    return {name: getattr(document, name) for name in type(document).model_fields}
