"""Holds the spectral basis, and with it the simulated survey, against spectra that a survey has observed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from fiberless.analysis.indices.breaks import dn4000
from fiberless.analysis.indices.lick import lick_index
from fiberless.analysis.measure import VELOCITY_SEARCH_KMS, sample_values
from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import REST_WAVE_AA
from fiberless.datasets.sdss.spectra import RawSpectrum, Rejected, Rejection, read_spectrum
from fiberless.datasets.shards import ShardSet
from fiberless.inference.basis import SpectralBasis
from fiberless.inference.basis_posterior import BasisFit, Nuisance
from fiberless.inference.projection import fit_basis

__all__ = ["BASIS_NUISANCE", "Locus", "SpectrumCheck", "check_spectrum", "mock_locus", "spectra_table"]

_R_BAND_AA: Final = (5600.0, 6900.0)
BASIS_NUISANCE: Final = Nuisance(degree=0, velocity_kms=50.0, model_error=0.0)
"""The basis by itself: redshift free by 50 km/s, nothing else."""
_CALIBRATED: Final = Nuisance(degree=8, calibration_rms=0.10, velocity_kms=50.0, model_error=0.0)
_LOCUS_HALF_WIDTH: Final = 0.05
_MIN_IN_LOCUS: Final = 20


@dataclass(frozen=True)
class SpectrumCheck:
    """One observed spectrum.

    Parameters
    ----------
    name : of the file
    redshift : the survey's
    snr : median signal-to-noise ratio per pixel at 5600–6900 Å
    chi2, chi2_calibrated : χ² per pixel of the basis alone and times a degree-8 polynomial
    n_pixels : pixels fitted
    largest : largest whitened coefficient with polynomial, in standard deviations of the simulated population
    velocity_kms : of the spectrum against the survey's redshift, with polynomial
    dn4000, hdelta_a, na_d : indices of the observed spectrum, Å but for the break
    ew_halpha, gas_sigma_kms : Hα in rest-frame Å, emission positive; dispersion of the gas
    model_hdelta_a : HδA of the fitted model, at the observed pixels

    """

    name: str
    redshift: float
    snr: float
    chi2: float
    chi2_calibrated: float
    n_pixels: int
    largest: float
    velocity_kms: float
    dn4000: float
    hdelta_a: float
    na_d: float
    ew_halpha: float
    gas_sigma_kms: float
    model_hdelta_a: float


@dataclass(frozen=True, eq=False)
class Locus:
    """Dn4000 and HδA of simulated galaxies, each (N,)."""

    dn4000: FloatArray
    hdelta_a: FloatArray

    def hdelta_range(self, at_dn4000: float) -> tuple[float, float]:
        """2.5 and 97.5 % of HδA within 0.05 of a break; NaN where fewer than 20 galaxies are."""
        near = self.hdelta_a[np.abs(self.dn4000 - at_dn4000) < _LOCUS_HALF_WIDTH]
        if len(near) < _MIN_IN_LOCUS:
            return float("nan"), float("nan")
        low, high = np.quantile(near, [0.025, 0.975])
        return float(low), float(high)


def check_spectrum(basis: SpectralBasis, path: Path) -> SpectrumCheck:
    """Fit and measure one spectrum file of the survey.

    Raises
    ------
    Rejected
        `damaged-spectrum` if the file is not one, `not-a-galaxy` or `all-zero` by what it holds.

    """
    raw = _read_galaxy(path)
    # the basis, with and without a polynomial for the calibration
    plain, _ = _fit(basis, raw, BASIS_NUISANCE)
    fit, model = _fit(basis, raw, _CALIBRATED)
    z = np.array([raw.redshift])
    # the same quantities on the data and on the fit
    observed = PixelFlux.of(raw.wave_aa, raw.flux[None], raw.ivar[None])
    fitted = PixelFlux.of(raw.wave_aa, model[None])
    measured = sample_values(
        raw.wave_aa, raw.flux[None], z, ivar=raw.ivar[None], velocities_kms=VELOCITY_SEARCH_KMS
    )
    in_r = (raw.wave_aa > _R_BAND_AA[0]) & (raw.wave_aa < _R_BAND_AA[1])
    return SpectrumCheck(
        name=path.stem,
        redshift=raw.redshift,
        snr=float(np.median((raw.flux * np.sqrt(np.clip(raw.ivar, 0, None)))[in_r])),
        chi2=float(plain.chi2_per_pixel[0]),
        chi2_calibrated=float(fit.chi2_per_pixel[0]),
        n_pixels=int(fit.n_pixels[0]),
        largest=float(np.abs(fit.whitened[0]).max()),
        velocity_kms=float(fit.velocity_kms[0]),
        dn4000=float(dn4000(observed, z)[0]),
        hdelta_a=float(lick_index(observed, z, "HdeltaA")[0]),
        na_d=float(lick_index(observed, z, "NaD")[0]),
        ew_halpha=float(measured.lines.ew_of("Halpha")[0]),
        gas_sigma_kms=float(measured.gas_sigma[0]),
        model_hdelta_a=float(lick_index(fitted, z, "HdeltaA")[0]),
    )


def _read_galaxy(path: Path) -> RawSpectrum:
    raw = read_spectrum(path)
    if raw.kind != "GALAXY":
        raise Rejected(Rejection.NOT_A_GALAXY, f"class {raw.kind}")
    if not (raw.ivar > 0).any():
        raise Rejected(Rejection.ALL_ZERO, "no pixel holds light")
    return raw


def _fit(basis: SpectralBasis, raw: RawSpectrum, nuisance: Nuisance) -> tuple[BasisFit, FloatArray]:
    return fit_basis(basis, raw.wave_aa, raw.flux, raw.ivar, raw.redshift, nuisance=nuisance)


def mock_locus(data: ShardSet, *, limit: int = 4000) -> Locus:
    """Indices of the noiseless spectra of a simulated data set, on the rest grid."""
    ln_shape = data.column("ln_shape", limit=limit)
    pixels = PixelFlux.of(REST_WAVE_AA, np.exp(ln_shape.astype(np.float64)))
    at_rest = np.zeros(len(ln_shape))
    return Locus(dn4000(pixels, at_rest), lick_index(pixels, at_rest, "HdeltaA"))


def spectra_table(checks: Sequence[SpectrumCheck], locus: Locus | None = None) -> str:
    """Markdown table of checks, the medians of χ² below; with a locus, the simulated range of HδA."""
    header = (
        "| spectrum | z | S/N | χ²/px | with polynomial | largest coefficient | v (km/s) | Dn4000 | HδA (Å) "
        "| of the model | of mocks, 95 % | Na D (Å) | EW(Hα) (Å) | σ gas (km/s) |"
    )
    rule = "|---" * header.count(" | ") + "|---|"
    rows = [_row(check, locus) for check in checks]
    medians = [float(np.median([getattr(c, name) for c in checks])) for name in ("chi2", "chi2_calibrated")]
    summary = f"Median χ² per pixel: {medians[0]:.3f}; with polynomial {medians[1]:.3f}."
    return "\n".join([header, rule, *rows, "", summary])


def _row(check: SpectrumCheck, locus: Locus | None) -> str:
    low, high = (float("nan"),) * 2 if locus is None else locus.hdelta_range(check.dn4000)
    cells = (
        check.name,
        f"{check.redshift:.4f}",
        f"{check.snr:.0f}",
        f"{check.chi2:.3f}",
        f"{check.chi2_calibrated:.3f}",
        f"{check.largest:.1f}",
        f"{check.velocity_kms:+.0f}",
        f"{check.dn4000:.2f}",
        f"{check.hdelta_a:.1f}",
        f"{check.model_hdelta_a:.1f}",
        "–" if np.isnan(low) else f"{low:.1f} to {high:.1f}",
        f"{check.na_d:.1f}",
        f"{check.ew_halpha:.1f}",
        f"{check.gas_sigma_kms:.0f}",
    )
    return "| " + " | ".join(cells) + " |"
