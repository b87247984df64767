"""Jobs, predictions and blobs: the only SQL of the project. Answers contract models, never rows; no torch."""

from fiberless.storage.batch_rows import BatchHead, BatchRow
from fiberless.storage.batches import BatchesPage, BegunBatch, ItemsPage
from fiberless.storage.job_rows import JobEvent
from fiberless.storage.jobs import JobsPage, SubmitJob
from fiberless.storage.leases import ClaimedJob
from fiberless.storage.objects import ConePage, Neighbour
from fiberless.storage.predictions import PredictionSummary
from fiberless.storage.roster import Heartbeat
from fiberless.storage.store import Store, open_store

__all__ = [
    "BatchHead",
    "BatchRow",
    "BatchesPage",
    "BegunBatch",
    "ClaimedJob",
    "ConePage",
    "Heartbeat",
    "ItemsPage",
    "JobEvent",
    "JobsPage",
    "Neighbour",
    "PredictionSummary",
    "Store",
    "SubmitJob",
    "open_store",
]
