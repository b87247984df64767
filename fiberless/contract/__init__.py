"""The words that cross process borders: queues, job phases, requests, predictions, error reports.

`Prediction` is the API's response model, the stored model and the worker's result at once. Imports the nouns
only.
"""

from fiberless.contract.batch import (
    Batch,
    BatchItem,
)
from fiberless.contract.job import (
    QUEUE_FETCH,
    QUEUE_PREDICT,
    TASK_FETCH,
    TASK_PREDICT,
    ErrorReport,
    Job,
    JobPhase,
    JobProgress,
    Watch,
)
from fiberless.contract.linked import (
    BatchItemLinks,
    BatchLinks,
    JobLinks,
    LinkedBatch,
    LinkedBatchItem,
    LinkedJob,
    LinkedPrediction,
)
from fiberless.contract.prediction import (
    SCHEMA_VERSION,
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
    "SCHEMA_VERSION",
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
    "LinkedBatch",
    "LinkedBatchItem",
    "LinkedJob",
    "LinkedPrediction",
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
