"""Real pairs of the Sloan Digital Sky Survey: catalogue, downloads, spectra, images, splits, shards.

Never torch or SQL.
"""

__all__: list[str] = []
