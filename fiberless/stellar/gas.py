"""Emission lines as columns of the fit: Gaussians averaged over pixels, with their derivatives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from scipy.special import ndtr

from fiberless.analysis.lines.emission import tied_lines
from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.astro.lines import BALMER_DECREMENT, HELIUM_SHARES, NEIII_BLEND_SHARE, OII_AURORAL_RATIO, line
from fiberless.astro.wavelength import LIGHT_SPEED_KMS

__all__ = ["GAS_LINES", "GasColumns", "LineShapes", "line_waves_aa"]

_TIED: Final = {
    **tied_lines(),
    "NeIII_3870": (("NeIII_3870", 1.0), ("NeIII_3969", NEIII_BLEND_SHARE)),
    "Hdelta": tuple(
        (name, BALMER_DECREMENT[name] / BALMER_DECREMENT["Hdelta"]) for name in ("Hdelta", "H9", "H10")
    ),
    "HeI_5877": (("HeI_5877", 1.0), *HELIUM_SHARES.items()),
    "OII_7322": (("OII_7322", 1.0), ("OII_7332", 1 / OII_AURORAL_RATIO)),
    **{name: ((name, 1.0),) for name in ("HeII_4687", "NI_5201", "SIII_6314", "ArIII_7138")},
}
"""Each fitted flux and the lines tied to it. Free columns for H9 and H10 would fill in the stars' own by what
noise makes positive."""
GAS_LINES: Final = tuple(_TIED)
"""Names of the J fitted fluxes; those of lines with fixed ratios are of the named line alone."""
_REACH_SIGMA: Final = 7.0
_MAX_SIGMA_KMS: Final = 700.0


def line_waves_aa() -> FloatArray:
    """Rest-frame vacuum wavelengths (M,) of all single lines."""
    return np.array([line(name).wave_aa for tied in _TIED.values() for name, _ in tied])


class LineShapes(NamedTuple):
    """Columns (L, J) of unit flux, their derivatives with velocity and with ln of the gas dispersion."""

    columns: FloatArray
    by_velocity: FloatArray
    by_ln_sigma: FloatArray


@dataclass(frozen=True, eq=False)
class GasColumns:
    """Lines on the pixels of one spectrum: M single lines in J columns.

    Parameters
    ----------
    edges_rest_aa : (L + 1,)
    wave_aa : (M,) rest-frame vacuum wavelengths
    share : (M,) flux over that of the column's named line
    column : (M,) which column a line belongs to
    instrument_kms : (M,) dispersion of the spectrograph and of resampling
    window : (M, Q) pixels near each line
    near : (M, Q) which of those are pixels of the spectrum

    """

    edges_rest_aa: FloatArray
    wave_aa: FloatArray
    share: FloatArray
    column: IntArray
    instrument_kms: FloatArray
    window: IntArray
    near: BoolArray

    @classmethod
    def of(
        cls,
        edges_rest_aa: FloatArray,
        instrument: Callable[[FloatArray], FloatArray],
        *,
        resampling_kms: float = 0.0,
    ) -> Self:
        """Prepare for pixels with borders (L + 1,) in the rest frame.

        Parameters
        ----------
        edges_rest_aa : (L + 1,)
        instrument : dispersion of the spectrograph in km/s at rest-frame wavelengths
        resampling_kms : dispersion that resampling has added to the spectrum

        """
        named = [(name, share, j) for j, tied in enumerate(_TIED.values()) for name, share in tied]
        rows = [(line(name).wave_aa, share, j) for name, share, j in named]
        wave_aa, share, column = (np.array(values) for values in zip(*rows, strict=True))
        instrument_kms = np.hypot(instrument(wave_aa), resampling_kms)
        step = float(np.diff(np.log(edges_rest_aa)).min())
        reach = int(np.ceil(_REACH_SIGMA * _MAX_SIGMA_KMS / LIGHT_SPEED_KMS / step))
        middle = np.searchsorted(edges_rest_aa, wave_aa)
        window = middle[:, None] + np.arange(-reach, reach + 1)
        near = (window >= 0) & (window < edges_rest_aa.size - 1)
        window = np.clip(window, 0, edges_rest_aa.size - 2)
        return cls(edges_rest_aa, wave_aa, share, column.astype(np.intp), instrument_kms, window, near)

    @property
    def n_columns(self) -> int:
        """J"""
        return len(GAS_LINES)

    def shapes(self, velocity_kms: float, ln_sigma: float) -> LineShapes:
        """Columns at a velocity and at ln of the gas dispersion in km/s."""
        gas_kms2 = np.exp(2 * ln_sigma)
        sigma = np.sqrt(gas_kms2 + self.instrument_kms**2)[:, None]
        lower, upper = (self._distance(k, velocity_kms) / sigma for k in (0, 1))
        bell = np.stack([np.exp(-0.5 * t**2) / np.sqrt(2 * np.pi) for t in (lower, upper)])
        per_aa = self.near * self.share[:, None] / self._widths()
        return LineShapes(
            self._scatter((ndtr(upper) - ndtr(lower)) * per_aa),
            self._scatter((bell[0] - bell[1]) / sigma * per_aa),
            self._scatter((bell[0] * lower - bell[1] * upper) * gas_kms2 / sigma**2 * per_aa),
        )

    def _distance(self, side: int, velocity_kms: float) -> FloatArray:
        """Distance (M, Q) of the pixels' left or right borders from the lines, km/s."""
        edges = self.edges_rest_aa[self.window + side]
        away: FloatArray = np.log(edges / self.wave_aa[:, None]) * LIGHT_SPEED_KMS - velocity_kms
        return away

    def _widths(self) -> FloatArray:
        widths: FloatArray = self.edges_rest_aa[self.window + 1] - self.edges_rest_aa[self.window]
        return widths

    def _scatter(self, values: FloatArray) -> FloatArray:
        """Sum of the lines (M, Q) in their columns (L, J)."""
        result = np.zeros((self.edges_rest_aa.size - 1, len(GAS_LINES)))
        columns = np.broadcast_to(self.column[:, None], self.window.shape)
        np.add.at(result, (self.window, columns), values)
        return result

    def coverage(self, usable: BoolArray, half_width_kms: float) -> FloatArray:
        """Least share (J,) of usable pixels within a distance of the lines of each column; usable is (L,)."""
        close = self.near & (np.abs(self._distance(0, 0.0)) < half_width_kms)
        inside = (self.wave_aa > self.edges_rest_aa[0]) & (self.wave_aa < self.edges_rest_aa[-1])
        expected = 2 * half_width_kms / LIGHT_SPEED_KMS * self.wave_aa
        share = (usable[self.window] * close * self._widths()).sum(axis=1) / expected * inside
        least = np.ones(len(GAS_LINES))
        np.minimum.at(least, self.column, share)
        return least
