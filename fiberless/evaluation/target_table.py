"""`TargetTable`: values of the quantities that are scored, of galaxies or of their candidates."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from fiberless.analysis.gas.bpt import RETIRED_EW_AA
from fiberless.analysis.measure import sample_values
from fiberless.arrays import FloatArray, IntArray
from fiberless.astro.wavelength import OBSERVED_WAVE_AA, resample_log_flux
from fiberless.evaluation.targets import CLASS, EW_FLOOR_AA, SCORED_LINES, TARGETS

__all__ = ["TargetTable", "measure_observed_targets", "measure_targets"]


@dataclass(frozen=True, eq=False)
class TargetTable:
    """Some of `TARGETS`, and the ionisation class, of n galaxies or of K candidates of each.

    Parameters
    ----------
    columns : by name of the target, (n,) or (n, K); NaN where it is not measurable or not known
    classes : (n,) or (n, K) `BptClass`, NaN where there is none

    Raises
    ------
    KeyError
        If a column is none of `TARGETS`.

    """

    columns: Mapping[str, FloatArray]
    classes: FloatArray

    def __post_init__(self) -> None:
        unknown = set(self.columns) - set(TARGETS)
        if unknown:
            raise KeyError(f"no targets: {sorted(unknown)}")

    def __getitem__(self, name: str) -> FloatArray:
        return self.columns[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Targets that the table has."""
        return tuple(self.columns)

    def only(self, names: Iterable[str]) -> Self:
        """Some of the targets, in another order perhaps."""
        return type(self)({name: self.columns[name] for name in names}, self.classes)

    def also(self, columns: Mapping[str, FloatArray]) -> Self:
        """The same with further targets, or with others' values."""
        return type(self)({**self.columns, **columns}, self.classes)

    def rows(self, chosen: slice | IntArray) -> Self:
        """Some of the galaxies; of (n, M) rows a table of M samples for each of n others."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return type(self)(columns, self.classes[chosen])

    def reshape(self, *shape: int) -> Self:
        """Every column in another shape."""
        columns = {name: values.reshape(shape) for name, values in self.columns.items()}
        return type(self)(columns, self.classes.reshape(shape))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Tables of the same targets one below another."""
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0].names}
        return cls(columns, np.concatenate([part.classes for part in parts]))

    def to_arrays(self) -> Mapping[str, FloatArray]:
        """Columns as a file has them, the class among them."""
        return {**self.columns, CLASS: self.classes}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> Self:
        """Invert `to_arrays`."""
        return cls({name: values for name, values in arrays.items() if name != CLASS}, arrays[CLASS])


def measure_targets(ln_flux_rest: FloatArray, redshift: FloatArray) -> TargetTable:
    """`SPECTRAL_TARGETS` and classes of N spectra.

    Parameters
    ----------
    ln_flux_rest : (N, 3902) ln of the observed F_λ in 1e-17 erg/(s cm2 Å) on the rest grid
    redshift : (N,)

    """
    return measure_observed_targets(resample_log_flux(ln_flux_rest, redshift, OBSERVED_WAVE_AA), redshift)


def measure_observed_targets(ln_flux_observed: FloatArray, redshift: FloatArray) -> TargetTable:
    """Targets of N spectra as `measure_targets` gives them, of (N, 4500) on the observed grid."""
    values = sample_values(OBSERVED_WAVE_AA, np.exp(ln_flux_observed), redshift)
    targets = {"redshift": values.redshift, "dn4000": values.breaks.dn4000}
    for name in SCORED_LINES:
        ew, line_flux = values.lines.ew_of(name), values.lines.flux_of(name)
        targets[f"log_ew_{name}"] = np.log10(np.maximum(ew, EW_FLOOR_AA))
        # a flux is floored where its equivalent width is, so that both saturate together
        floor = line_flux * EW_FLOOR_AA / np.where(ew == 0, np.nan, ew)
        targets[f"log_flux_{name}"] = np.log10(np.maximum(line_flux, np.abs(floor)))
    emits = values.lines.ew_of("Halpha") > RETIRED_EW_AA
    for name, above, below in (("n2", "NII_6583", "Halpha"), ("o3", "OIII_5007", "Hbeta")):
        ratio = targets[f"log_flux_{above}"] - targets[f"log_flux_{below}"]
        targets[name] = np.where(emits, ratio, np.nan)
    return TargetTable(targets, values.bpt_class)
