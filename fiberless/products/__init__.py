"""What leaves the house: predictions as FITS, VOTable, ECSV, CSV, Parquet and PNG, and all their columns.

Imports the contract and what lies below it, the cutouts and the plot. Never torch, SQL or the web framework.
"""

__all__: list[str] = []
