"""Cuts the openly licensed rows out of a table of real galaxies into the compact file that is shipped.

Sources `star_qso_galaxy` (CC0) and `mlz_mgs` (NCSA licence) alone; see NOTICE. Redshift and r are float32,
colours float16 (0.001 mag where they lie between 1 and 2).
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from fiberless.evaluation.sky.table import LICENSED_SOURCES, SPECTRAL_CLASSES, RealGalaxies

__all__ = ["cut_licensed"]


def cut_licensed(galaxies: RealGalaxies, out: Path) -> int:
    """Write the rows of `LICENSED_SOURCES` that have five magnitudes; return their number."""
    known = np.isin(galaxies.source, LICENSED_SOURCES) & np.isfinite(galaxies.magnitudes).all(axis=1)
    kept = galaxies.take(known)
    columns = {
        "source": np.array([LICENSED_SOURCES.index(name) for name in kept.source.tolist()], np.uint8),
        "spectral_class": np.array(
            [SPECTRAL_CLASSES.index(name) for name in kept.spectral_class.tolist()], np.uint8
        ),
        "redshift": kept.redshift.astype(np.float32),
        "r_mag": kept.magnitudes[:, 2].astype(np.float32),
        "colours": np.ascontiguousarray(-np.diff(kept.magnitudes, axis=1).astype(np.float16)),
    }
    save_file(columns, out, metadata={"sources": ",".join(LICENSED_SOURCES)})
    return len(kept)
