from fiberless.analysis.spectrum import Spectrum
from fiberless.client import AsyncClient, Client
from fiberless.contract import Prediction
from fiberless.contract.properties import Measurement
from fiberless.errors import FiberlessError
from fiberless.images.cutout import Cutout
from fiberless.measuring.document import MeasuredSpectrum
from fiberless.measuring.measure import measure
from fiberless.model import Model, load_model

__all__ = [
    "AsyncClient",
    "Client",
    "Cutout",
    "FiberlessError",
    "MeasuredSpectrum",
    "Measurement",
    "Model",
    "Prediction",
    "Spectrum",
    "__version__",
    "load_model",
    "measure",
]

__version__: str
