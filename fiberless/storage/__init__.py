"""Jobs, predictions and blobs: the only SQL of the project. Answers contract models, never rows; no torch."""

from fiberless.storage.jobs import SubmitJob
from fiberless.storage.leases import ClaimedJob
from fiberless.storage.predictions import PredictionSummary
from fiberless.storage.roster import Heartbeat
from fiberless.storage.store import Store, open_store

__all__ = ["ClaimedJob", "Heartbeat", "PredictionSummary", "Store", "SubmitJob", "open_store"]
