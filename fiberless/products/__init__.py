"""What is handed out: predictions as FITS, VOTable, ECSV, CSV, Parquet and PNG, and all their columns.

Never torch, SQL or the web framework.
"""

__all__: list[str] = []
