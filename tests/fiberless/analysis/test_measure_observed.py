"""Real SDSS spectra against the survey's own line fits."""

import numpy as np
import pytest

from fiberless.analysis.gas.bpt import BptClass
from fiberless.analysis.measure import VELOCITY_SEARCH_KMS, sample_values

STAR_FORMING = ("1045-52725-0628", "0266-51602-0107", "0412-51871-0308", "0412-52258-0302")
AGN = ("0295-51585-0596",)
PASSIVE = ("0266-51602-0166", "0266-51602-0614", "2515-54180-0377")
PIPELINE_NAME = {
    "Halpha": "H_alpha",
    "Hbeta": "H_beta",
    "OIII_5007": "[O_III] 5007",
    "NII_6583": "[N_II] 6583",
    "SII_6716": "[S_II] 6716",
    "SII_6731": "[S_II] 6730",
    "OI_6300": "[O_I] 6300",
}
HBETA_ABSORPTION_MISSED = "0266-51602-0107"
"""The pipeline's continuum does not follow this galaxy's Hβ absorption: it finds Hα/Hβ = 8.9."""
COMPARISONS = [
    (name, key)
    for name in STAR_FORMING + AGN
    for key in PIPELINE_NAME
    if (name, key) != (HBETA_ABSORPTION_MISSED, "Hbeta")
]


@pytest.fixture(scope="module")
def measured(observed):
    def measure(name):
        spectrum = observed(name)
        values = sample_values(
            spectrum.wave_aa,
            spectrum.flux,
            spectrum.redshift,
            ivar=spectrum.ivar,
            velocities_kms=VELOCITY_SEARCH_KMS,
        )
        return values, spectrum.pipeline_flux

    return measure


@pytest.mark.parametrize(("name", "key"), COMPARISONS)
def test_fluxes_agree_with_the_pipeline(measured, name, key):
    values, pipeline = measured(name)
    assert values.lines.flux_of(key)[0] == pytest.approx(pipeline[PIPELINE_NAME[key]], rel=0.2)


@pytest.mark.parametrize("key", ["Halpha", "Hbeta", "OIII_5007", "NII_6583"])
def test_the_median_of_all_fluxes_is_the_pipeline_s(measured, key):
    """Of all five galaxies; Hβ is 8 % stronger, since the pipeline's continuum is not the stars'."""
    found = [measured(name) for name in STAR_FORMING + AGN]
    ratios = [values.lines.flux_of(key)[0] / pipeline[PIPELINE_NAME[key]] for values, pipeline in found]
    assert np.median(ratios) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("name", STAR_FORMING + AGN)
def test_balmer_decrement_is_physical(measured, name):
    """Case B is 2.86; 6.7 would be reached at A_V of about 2.7 mag."""
    values, _ = measured(name)
    assert 2.7 < values.lines.flux_of("Halpha")[0] / values.lines.flux_of("Hbeta")[0] < 6.7


@pytest.mark.parametrize(
    ("names", "low", "high"), [(STAR_FORMING, 1.05, 1.45), (AGN, 1.05, 1.5), (PASSIVE, 1.75, 2.15)]
)
def test_break_is_that_of_the_type(measured, names, low, high):
    for name in names:
        values, _ = measured(name)
        assert low < values.breaks.dn4000[0] < high
        assert 0 < values.breaks.dn4000_error[0] < 0.05


@pytest.mark.parametrize("name", STAR_FORMING)
def test_star_forming_galaxies_are_classed_so(measured, name):
    assert measured(name)[0].bpt_class[0] == BptClass.STAR_FORMING


def test_agn_is_classed_so(measured):
    assert measured(AGN[0])[0].bpt_class[0] == BptClass.SEYFERT


@pytest.mark.parametrize("name", PASSIVE)
def test_passive_galaxies_are_classed_so(measured, name):
    assert measured(name)[0].bpt_class[0] == BptClass.RETIRED_OR_PASSIVE


def test_same_galaxy_twice_gives_the_same_widths(measured):
    first, second = measured("0412-51871-0308")[0], measured("0412-52258-0302")[0]
    for key in PIPELINE_NAME:
        assert first.lines.ew_of(key)[0] == pytest.approx(second.lines.ew_of(key)[0], rel=0.1)
    assert first.breaks.dn4000[0] == pytest.approx(second.breaks.dn4000[0], abs=0.06)


def test_empty_fibre_measures_nothing(measured):
    values, _ = measured("0269-51581-0003")
    assert np.isnan(values.lines.ew_of("Halpha")[0])
    assert np.isnan(values.breaks.dn4000[0])
