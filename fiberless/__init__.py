"""Fiberless: the optical spectrum of a galaxy, predicted from its five-band image.

The library: all science and all shared words. It never imports fastapi; only `service.storage` speaks SQL.
"""

from importlib import import_module
from typing import Any

__all__ = ["__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load the clients when they are asked for: the library itself needs no httpx."""
    if name in {"AsyncClient", "Client"}:
        return getattr(import_module("fiberless.client"), name)
    raise AttributeError(f"module 'fiberless' has no attribute {name!r}")
