"""From the bytes of a batch to its rows: JSON, CSV, ECSV, VOTable, Parquet, and several FITS files."""

__all__: list[str] = []
