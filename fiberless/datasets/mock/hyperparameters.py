"""Numbers of the simulated population that colours of real galaxies tell something of.

`fiberless sky-fit` fits them and writes a file; docs/sky.md says how, and what could not be matched. Two sets
are shipped: `trained`, which data sets are drawn from and the model has learned from, and `sky`, fitted to
real galaxies, which the next model version is to learn from.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from fiberless.arrays import FloatArray
from fiberless.errors import UsageError

__all__ = ["LIBRARY_KNOTS_AA", "DensityRatio", "Hyperparameters", "shipped_population"]

LIBRARY_KNOTS_AA: Final = (2400.0, 3250.0, 3700.0, 4270.0, 5600.0, 6800.0, 8090.0, 11400.0)
"""Rest wavelengths between which the correction of the stellar library is interpolated."""
_REACH: Final = 3.0
_SMALLEST_CHANCE: Final = 1e-4
_NOT_FITTED: Final = ("main_sequence_evolution", "age_evolution", "selection")


@dataclass(frozen=True)
class DensityRatio:
    """Chance that a drawn galaxy is kept, by its redshift and noiseless photometry: a density ratio.

    ln w is a polynomial in standardised (z, r, u−g, g−r, r−i, i−z), each limited to ±3 deviations.

    Parameters
    ----------
    centre, spread : (6,) mean and deviation of each
    powers : (T, 6) exponents of each term
    weights : (T,) coefficients
    log_largest : ln w at which the chance is one; larger values keep it

    """

    centre: tuple[float, ...]
    spread: tuple[float, ...]
    powers: tuple[tuple[int, ...], ...]
    weights: tuple[float, ...]
    log_largest: float

    def log_ratio(self, features: FloatArray) -> FloatArray:
        """Ln of real over simulated density for (N, 6) z, r and four colours. (N,)"""
        return self.terms(features) @ np.array(self.weights)

    def terms(self, features: FloatArray) -> FloatArray:
        """Terms of the polynomial. (N, T)"""
        scaled = np.clip((features - np.array(self.centre)) / np.array(self.spread), -_REACH, _REACH)
        return np.stack([np.prod(scaled ** np.array(power), axis=1) for power in self.powers], axis=1)

    def chance(self, features: FloatArray) -> FloatArray:
        """Chance to be kept. (N,)"""
        return np.clip(np.exp(self.log_ratio(features) - self.log_largest), _SMALLEST_CHANCE, 1.0)


@dataclass(frozen=True)
class Hyperparameters:
    """What of the population can be fitted; defaults are the population that the model was trained on.

    Parameters
    ----------
    library_old_mag, library_young_mag : correction of the stellar library at `LIBRARY_KNOTS_AA`, for
        populations above 3 Gyr and below 1 Gyr
    ultraviolet_scatter_mag : deviation between galaxies of the old stars' light below 3400 Å
    dust_slope, dust_slope_scatter : exponent that tilts the attenuation curve, (λ/5500 Å)^δ
    dust_scale : factor on A_V of star-forming galaxies
    main_sequence, main_sequence_scatter : dex, shift and scatter of lg sSFR
    passive_log_ssfr, passive_scatter : of quiescent galaxies
    green_share : of quiescent galaxies that are in the green valley
    quiescent_log_mass : lg M/M☉ at which 63 % are quiescent
    metallicity, metallicity_scatter : shift in dex, and factor on the scatter of [M/H]
    bulge_age_gyr : mean at z = 0.1 and 5e10 M☉
    starburst_share : of all galaxies; 5 % of them burst strongly
    main_sequence_evolution : exponent of 1 + z in the mean sSFR; 2.8 is that of Speagle et al. (2014, ApJS
        214, 15) at z < 0.4 and 1e10.5 M☉. Not fitted
    age_evolution : share of the light's travel time since z = 0.1 that the stars are younger by. Not fitted
    selection : None keeps every galaxy

    """

    library_old_mag: tuple[float, ...] = (0.25, 0.25, 0.13, 0.0, 0.015, -0.045, -0.018, -0.018)
    library_young_mag: tuple[float, ...] = (0.0,) * 8
    ultraviolet_scatter_mag: float = 0.0
    dust_slope: float = 0.0
    dust_slope_scatter: float = 0.0
    dust_scale: float = 1.0
    main_sequence: float = 0.0
    main_sequence_scatter: float = 0.32
    passive_log_ssfr: float = -12.4
    passive_scatter: float = 0.25
    green_share: float = 0.15
    quiescent_log_mass: float = 10.86
    metallicity: float = 0.0
    metallicity_scatter: float = 1.0
    bulge_age_gyr: float = 6.0
    starburst_share: float = 0.084
    main_sequence_evolution: float = 0.0
    age_evolution: float = 0.0
    selection: DensityRatio | None = None

    @classmethod
    def read(cls, path: Path) -> "Hyperparameters":
        """Read a file that `write` made.

        Raises
        ------
        UsageError
            `invalid-parameter` if it is none.

        """
        try:
            return TypeAdapter(cls).validate_json(path.read_bytes(), strict=False)
        except (OSError, ValidationError) as error:
            raise UsageError("invalid-parameter", f"{path} holds no hyperparameters: {error}") from error

    @property
    def name(self) -> str:
        """Eight hexadecimal digits that stand for these numbers."""
        text = json.dumps(_rounded(asdict(self)), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def write(self, path: Path) -> None:
        """Write as JSON, numbers to six digits."""
        path.write_text(json.dumps(_rounded(asdict(self)), indent=1) + "\n", encoding="utf-8")

    def vector(self) -> FloatArray:
        """The fitted numbers but for the selection, in the order of the fields. (P,)"""
        return np.concatenate([np.atleast_1d(getattr(self, f.name)) for f in _numbers()])

    def with_vector(self, vector: FloatArray) -> "Hyperparameters":
        """The same with other numbers of `vector`."""
        values: dict[str, Any] = {}
        start = 0
        for entry in _numbers():
            size = len(LIBRARY_KNOTS_AA) if entry.name.startswith("library") else 1
            part = [float(value) for value in vector[start : start + size]]
            values[entry.name] = tuple(part) if size > 1 else part[0]
            start += size
        return replace(self, **values)


def _numbers() -> list[Any]:
    return [f for f in fields(Hyperparameters) if f.name not in _NOT_FITTED]


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


@cache
def shipped_population(name: Literal["trained", "sky"] = "trained") -> Hyperparameters:
    """A set that the package ships."""
    return Hyperparameters.read(
        Path(str(files("fiberless.datasets.mock") / "tables" / f"population-{name}.json"))
    )
