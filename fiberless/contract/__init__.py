"""The words that cross process borders: queues, job phases, requests, predictions, error reports.

`Prediction` is the API's response model, the stored model and the worker's result at once. Imports the nouns
only.
"""

from fiberless.contract.batch import (
    Batch,
    BatchItem,
    BatchItemLinks,
    BatchLinks,
)
from fiberless.contract.job import (
    QUEUE_FETCH,
    QUEUE_PREDICT,
    TASK_FETCH,
    TASK_PREDICT,
    ErrorReport,
    Job,
    JobLinks,
    JobPhase,
    JobProgress,
    Watch,
)
from fiberless.contract.prediction import (
    Candidate,
    CutoutInfo,
    ModelInfo,
    ObjectInfo,
    PredictedSpectrum,
    Prediction,
    PredictionArrays,
    PredictionLinks,
    PredictionResult,
    PredictionWarning,
    Provenance,
    Quantity,
    SamplerInfo,
    ServiceInfo,
)
from fiberless.contract.request import (
    DEFAULT_CANDIDATES,
    ObjectId,
    PredictionOptions,
    PredictionRequest,
    Target,
    prediction_id,
)

__all__ = [
    "DEFAULT_CANDIDATES",
    "QUEUE_FETCH",
    "QUEUE_PREDICT",
    "TASK_FETCH",
    "TASK_PREDICT",
    "Batch",
    "BatchItem",
    "BatchItemLinks",
    "BatchLinks",
    "Candidate",
    "CutoutInfo",
    "ErrorReport",
    "Job",
    "JobLinks",
    "JobPhase",
    "JobProgress",
    "ModelInfo",
    "ObjectId",
    "ObjectInfo",
    "PredictedSpectrum",
    "Prediction",
    "PredictionArrays",
    "PredictionLinks",
    "PredictionOptions",
    "PredictionRequest",
    "PredictionResult",
    "PredictionWarning",
    "Provenance",
    "Quantity",
    "SamplerInfo",
    "ServiceInfo",
    "Target",
    "Watch",
    "prediction_id",
]
