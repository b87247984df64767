"""Words of the contract with links: what the API answers, and its clients read. What is stored has none."""

from pydantic import Field

from fiberless.contract.batch import Batch, BatchItem
from fiberless.contract.frozen import Frozen
from fiberless.contract.job import Job
from fiberless.contract.prediction import Prediction, PredictionLinks

__all__ = [
    "BatchItemLinks",
    "BatchLinks",
    "JobLinks",
    "LinkedBatch",
    "LinkedBatchItem",
    "LinkedJob",
    "LinkedPrediction",
]


class JobLinks(Frozen):
    """Where to go from a job: paths on the service's host."""

    self: str
    events: str = Field(description="Server-sent events: every change of the job, as it happens")
    prediction: str | None = Field(default=None, description="The prediction, once there is one")
    uws: str | None = Field(default=None, description="The same job in the UWS interface, where there is one")


class LinkedJob(Job):
    """A job as the API shows it."""

    links: JobLinks


class BatchLinks(Frozen):
    """Where to go from a batch: paths on the service's host."""

    self: str
    items: str
    results: str


class LinkedBatch(Batch):
    """A batch as the API shows it."""

    links: BatchLinks


class BatchItemLinks(Frozen):
    """Where to go from a row of a batch: paths on the service's host."""

    job: str
    prediction: str | None = None


class LinkedBatchItem(BatchItem):
    """A row of a batch as the API shows it."""

    links: BatchItemLinks


class LinkedPrediction(Prediction):
    """A prediction as the API shows it."""

    links: PredictionLinks
