"""The simulated basis against the survey's own spectra; those are looked for beside the repository."""

from pathlib import Path

import numpy as np
import pytest

from fiberless.datasets.mock.survey import simulate
from fiberless.datasets.sdss.spectra import Rejected
from fiberless.evaluation.real_spectra import Locus, SpectrumCheck, check_spectrum, spectra_table
from fiberless.inference.basis import SpectralBasis

SPECTRA = Path(__file__).parents[3] / ".." / "shared" / "data" / "spectra"
GALAXIES = (
    *("0266-51602-0001", "0266-51602-0107", "0266-51602-0166", "0266-51602-0614", "0295-51585-0596"),
    *("0412-51871-0308", "0412-52258-0302", "1045-52725-0628", "2515-54180-0377"),
)
needs_spectra = pytest.mark.skipif(not SPECTRA.exists(), reason="no real spectra beside the repository")


@pytest.fixture(scope="module")
def checks():
    basis = SpectralBasis.fit(simulate(7, 1000)["ln_shape"], 52)
    return [check_spectrum(basis, SPECTRA / f"spec-{name}.fits") for name in GALAXIES]


@needs_spectra
def test_the_simulated_basis_fits_real_galaxies(checks):
    """The limits that the shipped basis must hold, which is learned from 20 times as many."""
    assert np.median([check.chi2 for check in checks]) < 1.25
    assert np.median([check.chi2_calibrated for check in checks]) < 1.10
    assert max(check.largest for check in checks) < 6
    assert max(abs(check.velocity_kms) for check in checks) < 60


@needs_spectra
def test_indices_of_real_galaxies_are_as_their_types_say(checks):
    found = {check.name.removeprefix("spec-"): check for check in checks}
    old, young = found["2515-54180-0377"], found["0412-51871-0308"]
    assert old.dn4000 > 1.8
    assert old.hdelta_a < 0 < young.hdelta_a
    assert old.na_d > 4 > young.na_d
    assert young.ew_halpha == pytest.approx(found["0412-52258-0302"].ew_halpha, rel=0.1)  # one galaxy, twice
    assert old.snr == pytest.approx(53, abs=2)


@needs_spectra
@pytest.mark.parametrize("name", ["0269-51581-0003", "1931-53358-0251", "1942-53415-0005"])
def test_what_is_no_galaxy_is_refused(name):
    basis = SpectralBasis.fit(np.random.default_rng(0).normal(0, 0.1, (20, 3902)), 2)
    with pytest.raises(Rejected, match=r"all-zero|not-a-galaxy"):
        check_spectrum(basis, SPECTRA / f"spec-{name}.fits")


def test_the_table_says_what_was_found():
    values = dict.fromkeys(SpectrumCheck.__dataclass_fields__, 1.0)
    checks = [
        SpectrumCheck(**values | {"name": name, "chi2": chi2}) for name, chi2 in (("a", 1.1), ("b", 1.3))
    ]
    locus = Locus(np.full(50, 1.02), np.linspace(0, 10, 50))
    text = spectra_table(checks, locus)
    assert "| b | 1.0000 | 1 | 1.300 |" in text
    assert "0.2 to 9.8" in text
    assert text.endswith("Median χ² per pixel: 1.200; with polynomial 1.000.")
    lines = text.splitlines()
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert "–" in spectra_table(checks)


def test_a_locus_without_galaxies_says_nothing():
    assert np.isnan(Locus(np.array([1.5]), np.array([2.0])).hdelta_range(1.5)).all()
