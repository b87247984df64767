"""From the bytes of a batch to its rows: JSON, text, VOTable, Parquet, FITS tables, and FITS images."""

__all__: list[str] = []
