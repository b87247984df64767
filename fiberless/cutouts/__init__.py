"""Cutouts: FITS bytes to a `Cutout` and back, and sources that cut one at a position of the sky.

Imports the contract and what lies below it, numpy and astropy. Never torch, SQL or the web framework.
"""

__all__: list[str] = []
