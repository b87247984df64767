import numpy as np
import pytest

from fiberless.analysis.indices.lick import (
    COMPOSED_OF,
    COMPOSITES,
    LickValues,
    composites,
    index_bands,
    lick_index,
    lick_indices,
)
from fiberless.analysis.rebinning import PixelFlux
from fiberless.astro.wavelength import OBSERVED_WAVE_AA


def absorbed(wave_rest_aa: float, width_aa: float, redshift: float, slope: float = 0.0):
    """Continuum with a Gaussian line of σ = 4 Å (rest) and a given rest-frame equivalent width."""
    rest = OBSERVED_WAVE_AA / (1 + redshift)
    depth = width_aa / (4.0 * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((rest - wave_rest_aa) / 4.0) ** 2)
    return (3 + slope * (rest - 5000)) * (1 - depth)


def test_bands_are_those_of_worthey_and_ottaviani_in_vacuum():
    bands = index_bands()["HdeltaA"]
    np.testing.assert_allclose(bands.feature_aa, [4084.65, 4123.41], atol=0.02)
    np.testing.assert_allclose(bands.blue_aa, [4042.74, 4082.65], atol=0.02)
    np.testing.assert_allclose(bands.red_aa, [4129.66, 4162.17], atol=0.02)


@pytest.mark.parametrize("redshift", [0.05, 0.093, 0.15])
@pytest.mark.parametrize(("name", "wave"), [("HdeltaA", 4103.0), ("NaD", 5894.5)])
def test_a_line_inside_the_band_has_its_equivalent_width(redshift, name, wave):
    spectra = np.stack([absorbed(wave, width, redshift, 1e-4) for width in (0.0, 2.5, -4.0)])
    found = lick_index(PixelFlux.of(OBSERVED_WAVE_AA, spectra), np.full(3, redshift), name)
    np.testing.assert_allclose(found, [0.0, 2.5, -4.0], atol=0.02)


def test_what_is_not_covered_is_not_measured():
    flat = np.ones((1, OBSERVED_WAVE_AA.size))
    assert np.isnan(lick_index(PixelFlux.of(OBSERVED_WAVE_AA, flat), np.array([-0.05]), "HdeltaA")).all()
    hole = np.where((OBSERVED_WAVE_AA > 4500) & (OBSERVED_WAVE_AA < 4540), np.nan, flat)
    assert np.isnan(lick_index(PixelFlux.of(OBSERVED_WAVE_AA, hole), np.array([0.1]), "HdeltaA")).all()


def test_the_table_holds_the_25_indices_of_the_system():
    assert set(index_bands()) == {
        "CN1", "CN2", "Ca4227", "G4300", "Fe4383", "Ca4455", "Fe4531", "C24668", "Hbeta", "Fe5015", "Mg1",
        "Mg2", "Mgb", "Fe5270", "Fe5335", "Fe5406", "Fe5709", "Fe5782", "NaD", "TiO1", "TiO2", "HdeltaA",
        "HgammaA", "HdeltaF", "HgammaF",
    }  # fmt: skip
    molecular = {name for name, bands in index_bands().items() if bands.unit == "mag"}
    assert molecular == {"CN1", "CN2", "Mg1", "Mg2", "TiO1", "TiO2"}
    for name, bands in index_bands().items():
        assert bands.blue_aa[0] < bands.blue_aa[1] < bands.red_aa[0] < bands.red_aa[1], name
        assert bands.feature_aa[0] < bands.feature_aa[1], name


@pytest.mark.parametrize("name", index_bands())
def test_a_box_inside_any_band_has_its_known_index(name):
    """A trough of half the continuum over the middle half of the band: a quarter of the width is missing."""
    bands = index_bands()[name]
    low, high = bands.feature_aa
    edges = np.unique(
        np.concatenate([np.arange(3900.0, 6600.0, 0.5), [low + (high - low) / 4, high - (high - low) / 4]])
    )
    middle = (edges[1:] + edges[:-1]) / 2
    in_box = (middle > low + (high - low) / 4) & (middle < high - (high - low) / 4)
    touched = [
        (band[0] < high - (high - low) / 4) & (band[1] > low + (high - low) / 4) for band in bands[1:3]
    ]
    assert not any(touched), "the side bands of every index are free of the middle half of its band"
    flux = np.where(in_box, 1.0, 2.0)[None]
    pixels = PixelFlux(edges, flux, np.ones(flux.shape, dtype=bool), None)
    found = lick_indices(pixels, np.zeros(1), names=(name,)).value[0, 0]
    expected = (high - low) / 4 if bands.unit == "Angstrom" else -2.5 * np.log10(0.75)
    assert found == pytest.approx(expected, abs=1e-4)


def test_one_index_is_that_of_all():
    spectra = absorbed(4103.0, 2.0, 0.1)[None]
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, spectra)
    together = lick_indices(pixels, np.array([0.1]))
    for name, value in zip(together.names, together.value[0], strict=True):
        np.testing.assert_allclose(lick_index(pixels, np.array([0.1]), name)[0], value, atol=2e-3)


def test_errors_are_the_scatter_of_noisy_spectra():
    rng = np.random.default_rng(1)
    spectra = 3 + rng.normal(0, 0.1, (300, OBSERVED_WAVE_AA.size))
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, spectra, np.full(spectra.shape, 100.0))
    found = lick_indices(pixels, np.full(300, 0.1))
    ratio = found.value.std(axis=0) / found.error.mean(axis=0)
    assert np.all((ratio > 0.85) & (ratio < 1.15))


def test_a_gap_is_taken_to_be_like_the_rest():
    flat = np.full((1, OBSERVED_WAVE_AA.size), 2.0)
    flat[0, np.searchsorted(OBSERVED_WAVE_AA, 1.1 * 4103)] = np.nan
    found = lick_index(PixelFlux.of(OBSERVED_WAVE_AA, flat), np.array([0.1]), "HdeltaA")
    assert found[0] == pytest.approx(0.0, abs=1e-9)


def test_composites_by_hand():
    mgfe, mean = composites(np.array([3.0, -1.0]), np.array([2.0, 1.0]), np.array([1.0, 1.0]))
    assert mgfe[0] == pytest.approx(np.sqrt(3 * (1.44 + 0.28)))
    assert mean[0] == 1.5
    assert np.isnan(mgfe[1])


def test_composites_stand_at_the_end_and_have_no_error():
    own = LickValues(COMPOSED_OF, np.array([[3.0, 2.0, 1.0]]), np.full((1, 3), 0.1))
    both = own.with_composites()
    assert both.names == (*COMPOSED_OF, *COMPOSITES)
    assert both.of("mean_Fe").tolist() == [1.5]
    assert both.error is not None
    assert np.isnan(both.error[0]).tolist() == [False, False, False, True, True]
