"""Fiberless: the optical spectrum of a galaxy, predicted from its five-band image, and measured.

The front door for Python. What it offers is loaded when it is asked for, so that `import fiberless` is quick
and needs neither torch nor a web server; `__init__.pyi` tells type checkers the same.
"""

from importlib import import_module
from typing import Any, Final

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

__version__ = "0.1.0"

_HOME_OF: Final = {
    "AsyncClient": "fiberless.client",
    "Client": "fiberless.client",
    "Cutout": "fiberless.images.cutout",
    "FiberlessError": "fiberless.errors",
    "MeasuredSpectrum": "fiberless.measuring.document",
    "Measurement": "fiberless.contract.properties",
    "Model": "fiberless.model",
    "Prediction": "fiberless.contract",
    "Spectrum": "fiberless.analysis.spectrum",
    "load_model": "fiberless.model",
    "measure": "fiberless.measuring.measure",
}


def __getattr__(name: str) -> Any:
    """Load a name of the front door when it is asked for (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'fiberless' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    """Names of the front door, loaded or not."""
    return sorted({*globals(), *__all__})
