"""Fiberless: the optical spectrum of a galaxy, predicted from its five-band image.

The library: all science and all shared words. It never imports fastapi; only `fiberless.storage` speaks SQL.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
