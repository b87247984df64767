"""Distributions of simulated galaxies against percentiles of the Main Galaxy Sample."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from fiberless.errors import UsageError
from fiberless.evaluation.sky.observed_mocks import ObservedMocks

__all__ = ["PERCENTILE_TABLE", "PercentileRow", "Percentiles", "compare_percentiles", "read_percentiles"]

PERCENTILE_TABLE: Final = "real_mgs_quantiles.json"
LEVELS: Final = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of a real sample: levels in %, and a value for each level of each quantity."""

    levels: tuple[int, ...]
    values: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class PercentileRow:
    """Percentiles 5, 25, 50, 75, 95 of one quantity, simulated and real."""

    name: str
    n_mock: int
    mock: tuple[float, ...]
    real: tuple[float, ...]

    @property
    def worst(self) -> float:
        """Largest |mock − real| of the five, in units of the real distance between 5 and 95 %."""
        difference = np.abs(np.array(self.mock) - np.array(self.real)).max()
        return float(difference / (self.real[-1] - self.real[0]))


def read_percentiles(folder: Path) -> Percentiles | None:
    """Percentiles of a folder's `real_mgs_quantiles.json`; None if there is no such file.

    Raises
    ------
    UsageError
        `invalid-parameter` if the file is not of that form.

    """
    path = folder / PERCENTILE_TABLE
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        levels = tuple(int(level) for level in document["source"]["percentiles"])
        values = {name: [float(v) for v in row] for name, row in document["quantiles"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError("invalid-parameter", f"{path} holds no percentiles: {error!r}") from error
    if not set(LEVELS) <= set(levels) or any(len(row) != len(levels) for row in values.values()):
        raise UsageError("invalid-parameter", f"{path} lacks one of the percentiles {LEVELS}")
    return Percentiles(levels, values)


def compare_percentiles(mocks: ObservedMocks, real: Percentiles) -> list[PercentileRow]:
    """A row for each quantity that both have."""
    at = [real.levels.index(level) for level in LEVELS]
    rows = []
    for name, values in mocks.values.items():
        known = values[np.isfinite(values)]
        if name in real.values and len(known) > 0:
            of_real = tuple(real.values[name][index] for index in at)
            rows.append(
                PercentileRow(name, len(known), tuple(np.percentile(known, LEVELS).tolist()), of_real)
            )
    return rows
