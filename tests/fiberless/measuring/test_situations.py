"""Every situation of `tests/inputs/spectrum_files.py` ends as it says, with the numbers that were written."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

from fiberless.errors import UsageError
from fiberless.measuring import formats
from fiberless.measuring.files import measure_file
from fiberless.measuring.readers import read_spectrum_file
from tests.inputs.spectrum_files import LINE_FLUX, REDSHIFT, SDSS, SITUATIONS, SURVEYS, galaxy

READ = [case for case in SITUATIONS if case.outcome == "read"]
REFUSED = [case for case in SITUATIONS if case.outcome == "refused"]
TITLE = {"ids": lambda case: case.situation}


def built(case, folder):
    if "specutils" in case.situation:
        pytest.importorskip("specutils")
    return case.build(folder, galaxy())


@pytest.mark.parametrize("case", READ, **TITLE)
def test_what_is_read_is_what_was_written(case, tmp_path):
    source, found = galaxy(), read_spectrum_file(built(case, tmp_path))
    spectrum = found.spectrum
    used = ~spectrum.mask
    assert used.mean() > 0.95
    # no cosmic ray on a bad pixel is left; wavelengths are good to a hundredth of a pixel's 1.2 Å
    true = np.interp(spectrum.wave_aa, source.wave_aa, source.flux)
    assert np.abs(spectrum.flux - true)[used].max() < 0.3
    step = np.gradient(true, spectrum.wave_aa)
    assert abs(np.sum((spectrum.flux - true) * step, where=used) / np.sum(step**2, where=used)) < 0.02
    if case.has_error:
        assert np.median(spectrum.uncertainty[used]) == pytest.approx(0.8, rel=0.01)
    else:
        assert spectrum.uncertainty is None
    notes = "\n".join(found.notes)
    assert [word for word in case.said if word not in notes] == []
    assert [word for word in case.unsaid if word in notes] == []
    assert ("no errors" in notes) is False


@pytest.mark.parametrize("case", REFUSED, **TITLE)
def test_what_is_refused_says_what_was_found(case, tmp_path):
    with pytest.raises(UsageError) as caught:
        read_spectrum_file(built(case, tmp_path))
    assert caught.value.slug == case.slug
    assert [word for word in case.said if word not in caught.value.detail] == []


@pytest.fixture(scope="module")
def in_sdss_layout(tmp_path_factory):
    return measure_file(SDSS[3].build(tmp_path_factory.mktemp("sdss"), galaxy())).document


LAYOUTS = [case for case in (*SDSS[-1:], *SURVEYS) if case.outcome == "read"] + [
    case for case in SITUATIONS if case.situation.startswith("IRAF") and case.outcome == "read"
]


@pytest.mark.parametrize("case", LAYOUTS, **TITLE)
def test_other_layouts_are_measured_as_the_survey_s(case, tmp_path, in_sdss_layout):
    """The bars: z within 5e-4, fluxes within 5 %."""
    document = measure_file(built(case, tmp_path)).document
    assert document.redshift_issues == ()
    assert document.redshift.value == pytest.approx(REDSHIFT, abs=5e-4)
    for name in ("Halpha", "NII_6583", "Hbeta", "OIII_5007"):
        expected = in_sdss_layout.lines[name].flux.value
        assert document.lines[name].flux.value == pytest.approx(expected, rel=0.05), name


def test_the_sdss_layout_gives_what_was_put_in(in_sdss_layout):
    assert in_sdss_layout.redshift.value == pytest.approx(REDSHIFT, abs=1e-4)
    halpha = in_sdss_layout.lines["Halpha"].flux.value
    assert halpha == pytest.approx(LINE_FLUX["Halpha"], rel=0.05)


def test_situations_have_names_of_their_own():
    names = [case.situation for case in SITUATIONS]
    assert len(set(names)) == len(names)
    assert len(names) >= 60


UNFAMILIAR = {
    "arms.desi_spectrum": "DESI coadd of one target: arms B, R and Z",
    "arms.joined_arms": "DESI arms on grids that do not match",
    "columns.chosen_columns": "named columns that are not known",
    "columns.truths": "mask in words that are not known",
    "compressed.unpacked": "an HDF5 file",
    "fits_file.fits_spectrum": "a file of an HDU kind that is not known",
    "fits_file.described_hdus": "pixels without a wavelength axis",
    "image.described_rows": "rows whose names are not known",
    "image.image_spectrum": "an HDU beside the flux that is not known",
    "image.rows_spectrum": "rows whose names are not known",
    "product.is_product": "an ECSV table of a kind that is not known",
    "product.is_product_columns": "columns named predicted and observed side by side",
    "product.product_of_columns": "an ECSV table of a kind that is not known",
    "product.product_of_fits": "a predicted file without its samples",
    "spectrum_file.finished": "AIRORVAC with a word that is not known",
    "table.flux_in_our_unit": "flux in magnitudes",
    "table.medium_of_cards": "AIRORVAC with a word that is not known",
    "table.spectrum_of_columns": "a column of errors under a name that is not known",
    "text.decoded": "names in a Latin-1 comment",
    "text.text_table": "lines of different numbers of cells",
    "unit_text.flux_unit": "BUNIT that is not known",
    "unit_text.is_unit_text": "words in brackets that are no unit",
    "unit_text.to_wave_aa": "CUNIT1 that is not known",
    "unit_text.wave_unit": "wavelengths in a unit that is not known",
}
"""For each reader the situation that gives it something present but unfamiliar."""


def readers():
    """Public functions of all readers' modules."""
    for module in pkgutil.iter_modules(formats.__path__):
        loaded = importlib.import_module(f"{formats.__name__}.{module.name}")
        for name in loaded.__all__:
            if inspect.isfunction(getattr(loaded, name)):
                yield f"{module.name}.{name}"


def test_every_reader_is_given_something_present_but_unfamiliar():
    assert sorted(UNFAMILIAR) == sorted(readers())
    known = {case.situation: case for case in SITUATIONS}
    for situation in UNFAMILIAR.values():
        case = known[situation]
        # something is said of it, be it read or refused
        assert case.said, situation


def test_errors_that_are_not_recognised_are_not_called_absent(tmp_path):
    (case,) = [case for case in SITUATIONS if case.situation == UNFAMILIAR["table.spectrum_of_columns"]]
    notes = " ".join(measure_file(built(case, tmp_path), redshift=REDSHIFT).document.notes)
    assert "nothing in the file is known as errors" in notes
    assert "no errors given" not in notes
