"""Real pairs of the Sloan Digital Sky Survey: catalogue, downloads, spectra, images, splits, shards.

Imports cutouts, the shard format and what lies below them. Never torch or SQL.
"""

__all__: list[str] = []
