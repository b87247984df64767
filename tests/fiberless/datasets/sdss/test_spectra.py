"""Spectra on the observed grid: answers known beforehand, and the survey's own files."""

import numpy as np
import pytest

from fiberless.analysis.rebinning import PixelFlux
from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.datasets.sdss.options import Selection
from fiberless.datasets.sdss.spectra import (
    GridSpectrum,
    Rejected,
    Rejection,
    judge,
    ln_norm,
    read_spectrum,
    to_grid,
)

WAVE_AA = 10 ** (3.58 + 1e-4 * np.arange(3850))
KEY = (266, 51602, 1)


@pytest.fixture
def raw(tmp_path, write_spec):
    def make(flux=None, ivar=None, wave_aa=WAVE_AA, **header):
        path = tmp_path / "spec.fits"
        path.unlink(missing_ok=True)
        flux = np.full(len(wave_aa), 10.0) if flux is None else flux
        ivar = np.full(len(wave_aa), 4.0) if ivar is None else ivar
        write_spec(path, wave_aa=wave_aa, flux=flux, ivar=ivar, **header)
        return read_spectrum(path)

    return make


def test_a_flat_spectrum_stays_flat(raw):
    grid = to_grid(raw(), Selection())
    np.testing.assert_allclose(grid.flux, 10.0, rtol=1e-6)
    assert grid.valid.all()


def test_the_flux_of_a_line_is_kept(raw):
    flux = np.full(len(WAVE_AA), 10.0)
    flux[2000:2003] += [20, 50, 20]
    width = np.gradient(WAVE_AA)
    grid = to_grid(raw(flux), Selection())
    assert (grid.flux - 10).sum() == pytest.approx(np.sum((flux - 10) * width), rel=1e-4)


def test_it_agrees_with_the_library_s_other_averaging(raw):
    spectrum = raw(np.random.default_rng(1).normal(10, 1, len(WAVE_AA)))
    edges = np.append(OBSERVED_WAVE_AA - 0.5, OBSERVED_WAVE_AA[-1] + 0.5)
    other = PixelFlux.of(spectrum.wave_aa, spectrum.flux[None], spectrum.ivar[None]).rebin(edges[None])
    np.testing.assert_allclose(to_grid(spectrum, Selection()).flux, other.flux[0], rtol=1e-9)


def test_sigma_is_the_scatter_of_the_pixels(raw):
    rng = np.random.default_rng(2)
    draws = [to_grid(raw(10 + rng.normal(0, 0.5, len(WAVE_AA))), Selection()).flux for _ in range(60)]
    sigma = to_grid(raw(), Selection()).sigma
    assert np.mean((np.array(draws) - 10) ** 2 / sigma**2) == pytest.approx(1.0, abs=0.02)
    assert sigma.max() <= 0.5 + 1e-6


def test_masked_pixels_are_infinitely_uncertain_and_filled(raw):
    ivar = np.full(len(WAVE_AA), 4.0)
    flux = np.full(len(WAVE_AA), 10.0)
    hole = (WAVE_AA > 5000) & (WAVE_AA < 5020)
    ivar[hole], flux[hole] = 0, 1e6
    grid = to_grid(raw(flux, ivar), Selection())
    np.testing.assert_allclose(grid.flux, 10.0, rtol=1e-6)
    masked = OBSERVED_WAVE_AA[~grid.valid]
    assert 18 <= len(masked) <= 21
    assert masked.min() >= 4999
    assert masked.max() <= 5020


def expect(reason, call, *arguments, **named):
    with pytest.raises(Rejected) as caught:
        call(*arguments, **named)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        (Rejection.WRONG_SPECTRUM, {"key": (266, 51602, 2)}),
        (Rejection.ALL_ZERO, {"flux": np.zeros(len(WAVE_AA))}),
        (Rejection.ALL_ZERO, {"ivar": np.zeros(len(WAVE_AA))}),
        (Rejection.NOT_A_GALAXY, {"kind": "QSO"}),
        (Rejection.REDSHIFT_WARNING, {"warning": 4}),
        (Rejection.REDSHIFT_DIFFERS, {"z": 0.12}),
        (Rejection.REDSHIFT_DIFFERS, {"z": float("nan")}),
        (Rejection.DOES_NOT_COVER, {"wave_aa": WAVE_AA[150:]}),
        (Rejection.DOES_NOT_COVER, {"wave_aa": WAVE_AA[:3600]}),
    ],
)
def test_bad_spectra_are_refused_with_their_reason(raw, reason, changes):
    expect(reason, judge, raw(**changes), Selection(), key=KEY, redshift=0.1)


def test_a_good_spectrum_is_not(raw):
    judge(raw(), Selection(), key=KEY, redshift=0.1)


def test_too_many_masked_pixels_are_refused(raw):
    ivar = np.where((WAVE_AA > 5000) & (WAVE_AA < 5500), 0.0, 4.0)
    expect(Rejection.TOO_MANY_BAD_PIXELS, to_grid, raw(ivar=ivar), Selection())
    assert to_grid(raw(ivar=ivar), Selection(max_bad_share=0.2)).flux[1200] == pytest.approx(10)


def test_negative_light_is_refused_as_in_the_paper(raw):
    flux = np.where((WAVE_AA > 4100) & (WAVE_AA < 4120), -1.0, 10.0)
    expect(Rejection.NON_POSITIVE, to_grid, raw(flux), Selection())
    assert to_grid(raw(flux), Selection(require_positive=False)).flux[110] == pytest.approx(-1)


def test_one_negative_pixel_is_smoothed_over(raw):
    flux = np.full(len(WAVE_AA), 10.0)
    flux[1000:1002] = -1
    assert to_grid(raw(flux), Selection()).flux.min() < 0


def test_a_file_that_is_no_spectrum_is_damaged(tmp_path):
    path = tmp_path / "spec.fits"
    path.write_bytes(b"SIMPLE  =                    T".ljust(2880))
    expect(Rejection.DAMAGED_SPECTRUM, read_spectrum, path)


def test_the_norm_is_the_mean_over_the_rest_range():
    flux = np.where(OBSERVED_WAVE_AA < 4290, 1e6, 10.0)
    flux[OBSERVED_WAVE_AA > 8030] = 1e6
    grid = GridSpectrum(flux, np.ones(4500))
    assert ln_norm(grid, 0.1) == pytest.approx(np.log(10), rel=1e-9)
    assert np.isnan(ln_norm(grid, 0.17))
    assert np.isnan(ln_norm(grid, 0.02))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("0269-51581-0003", Rejection.ALL_ZERO),
        ("1931-53358-0251", Rejection.NOT_A_GALAXY),
        ("1942-53415-0005", Rejection.NOT_A_GALAXY),
    ],
)
def test_real_rejects(shared_data, name, reason):
    spectrum = read_spectrum(shared_data / "spectra" / f"spec-{name}.fits")
    key = tuple(map(int, name.split("-")))
    expect(reason, judge, spectrum, Selection(), key=key, redshift=spectrum.redshift)


@pytest.mark.parametrize("name", ["0266-51602-0107", "0295-51585-0596", "2515-54180-0377", "1045-52725-0628"])
def test_real_galaxies_keep_their_light(shared_data, name):
    spectrum = read_spectrum(shared_data / "spectra" / f"spec-{name}.fits")
    judge(spectrum, Selection(), key=tuple(map(int, name.split("-"))), redshift=spectrum.redshift)
    grid = to_grid(spectrum, Selection())
    inside = (spectrum.wave_aa > 5000) & (spectrum.wave_aa < 8000) & (spectrum.ivar > 0)
    total = np.trapezoid(spectrum.flux[inside], spectrum.wave_aa[inside])
    own = (OBSERVED_WAVE_AA > 5000) & (OBSERVED_WAVE_AA < 8000)
    assert np.trapezoid(grid.flux[own], OBSERVED_WAVE_AA[own]) == pytest.approx(total, rel=2e-3)
