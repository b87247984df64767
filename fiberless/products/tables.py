"""A spectrum as an astropy table, and that as ECSV, CSV and Parquet bytes."""

from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from astropy.table import Column as TableColumn
from astropy.table import MaskedColumn, Table

from fiberless.products.columns import SPECTRUM_COLUMNS
from fiberless.products.spectrum import SpectrumProduct

__all__ = ["spectrum_csv", "spectrum_ecsv", "spectrum_parquet", "spectrum_table"]


def spectrum_table(product: SpectrumProduct) -> Table:
    """Table of a spectrum, with units, descriptions, UCDs and utypes of its columns; its facts in `meta`."""
    made = Table(meta=product.facts)
    for column in SPECTRUM_COLUMNS:
        words = {"ucd": column.ucd} | ({"utype": column.utype} if column.utype else {})
        made[column.name] = TableColumn(
            product.columns[column.name],
            unit=column.unit or None,
            description=column.description,
            meta=words,
        )
    return made


def spectrum_ecsv(product: SpectrumProduct) -> bytes:
    """ECSV of a spectrum: units and facts in its YAML head, which pandas skips as comments."""
    stream = StringIO()
    spectrum_table(product).write(stream, format="ascii.ecsv")
    return stream.getvalue().encode()


def spectrum_csv(product: SpectrumProduct) -> bytes:
    """CSV of a spectrum: one header line that names units and says `predicted`, empty cells for NaN."""
    made = Table()
    for column in SPECTRUM_COLUMNS:
        values = product.columns[column.name]
        name = column.name if column.name in {"wavelength", "mask"} else f"predicted_{column.name}"
        if column.name == "wavelength":
            name = f"{product.frame}_{name}"
        title = f"{name} [{column.unit}]" if column.unit else name
        made[title] = MaskedColumn(values, mask=_is_nan(values))
    stream = StringIO()
    made.write(stream, format="ascii.csv")
    return stream.getvalue().encode()


def spectrum_parquet(product: SpectrumProduct) -> bytes:
    """Parquet of a spectrum, with the metadata that astropy writes: units, descriptions and facts."""
    with TemporaryDirectory(prefix="fiberless-") as folder:  # astropy writes Parquet to a path only
        path = Path(folder) / "spectrum.parquet"
        spectrum_table(product).write(path, format="parquet")
        return path.read_bytes()


def _is_nan(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=np.bool_)
