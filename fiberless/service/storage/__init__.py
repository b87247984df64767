"""Jobs, predictions and blobs: the only SQL of the project. Answers contract models, never rows; no torch."""

from fiberless.service.storage.batch_rows import BatchHead, BatchRow
from fiberless.service.storage.batches import BatchesPage, BegunBatch, ItemsPage
from fiberless.service.storage.heartbeats import Heartbeat
from fiberless.service.storage.job_rows import JobEvent
from fiberless.service.storage.jobs import JobsPage, QueueLimits, SubmitJob
from fiberless.service.storage.leases import ClaimedJob
from fiberless.service.storage.objects import ConePage, Neighbour
from fiberless.service.storage.predictions import PredictionSummary
from fiberless.service.storage.store import Store, open_store

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
    "QueueLimits",
    "Store",
    "SubmitJob",
    "open_store",
]
