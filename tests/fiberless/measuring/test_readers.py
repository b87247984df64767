"""Every kind of file gives the spectrum that was written into it, and bad ones a clear refusal."""

import sys

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table

from fiberless.astro.wavelength import air_to_vacuum, vacuum_to_air
from fiberless.errors import UsageError
from fiberless.measuring.readers import convert_specutils, read_spectrum_file


def refusal(path, **options):
    with pytest.raises(UsageError) as caught:
        read_spectrum_file(path, **options)
    return caught.value


def rows(pattern):
    """Three hundred lines of a table, each with its own wavelength."""
    return b"\n".join(pattern % n for n in range(4000, 4300))


def test_a_survey_file(galaxy, write_sdss):
    found = read_spectrum_file(write_sdss())
    np.testing.assert_allclose(found.spectrum.wave_aa, galaxy.wave_aa, rtol=1e-6)
    np.testing.assert_allclose(found.spectrum.flux, galaxy.flux, rtol=1e-5)
    np.testing.assert_allclose(found.spectrum.uncertainty, galaxy.error, rtol=1e-5)
    assert not found.spectrum.mask.any()
    assert (found.pipeline.kind, found.pipeline.lines["H_alpha"].flux) == ("GALAXY", 286.0)


def test_pixels_under_bright_sky_are_masked(write_sdss):
    found = read_spectrum_file(write_sdss(bright=slice(100, 110)))
    np.testing.assert_array_equal(np.flatnonzero(found.spectrum.mask), np.arange(100, 110))


def test_a_survey_file_without_results_of_the_pipeline(write_sdss):
    assert read_spectrum_file(write_sdss(pipeline=False)).pipeline is None


def test_a_survey_file_is_never_in_air(write_sdss):
    assert refusal(write_sdss(), air=True).slug == "invalid-parameter"


@pytest.mark.parametrize("header", ["wavelength,flux,error\n", "wave,flux,flux_err\n", "col1,col2,col3\n"])
def test_a_table_of_three_columns(galaxy, write_csv, header):
    found = read_spectrum_file(write_csv(header=header))
    np.testing.assert_allclose(found.spectrum.flux, galaxy.flux, atol=1e-5)
    np.testing.assert_allclose(found.spectrum.uncertainty, galaxy.error, atol=1e-5)
    assert any("no flux unit" in note for note in found.notes)


def test_a_table_of_two_columns_has_no_errors(write_csv):
    assert read_spectrum_file(write_csv(header="")).spectrum.uncertainty is None


def test_columns_of_plain_text(galaxy, tmp_path):
    path = tmp_path / "spectrum.txt"
    np.savetxt(path, np.column_stack([galaxy.wave_aa, galaxy.flux, galaxy.error]))
    np.testing.assert_allclose(read_spectrum_file(path).spectrum.flux, galaxy.flux)


def test_wavelengths_in_air_come_out_in_vacuum(galaxy, write_csv):
    path = write_csv(wave_aa=vacuum_to_air(galaxy.wave_aa))
    np.testing.assert_allclose(read_spectrum_file(path, air=True).spectrum.wave_aa, galaxy.wave_aa, atol=1e-5)
    shift = air_to_vacuum(np.array([5000.0]))[0] - 5000
    assert shift == pytest.approx(1.39, abs=0.01)


@pytest.mark.parametrize("kind", ["ecsv", "fits"])
def test_units_of_a_table_are_converted(galaxy, tmp_path, kind):
    table = Table(
        {
            "wavelength": galaxy.wave_aa / 10 * units.nm,
            "flux": galaxy.flux * 1e-17 * units.Unit("W / (m2 Angstrom)") / 1e3,
            "uncertainty": galaxy.error * 1e-17 * units.Unit("erg / (s cm2 Angstrom)"),
        }
    )
    path = tmp_path / f"spectrum.{kind}"
    table.write(path)
    found = read_spectrum_file(path)
    np.testing.assert_allclose(found.spectrum.wave_aa, galaxy.wave_aa, rtol=1e-9)
    np.testing.assert_allclose(found.spectrum.flux, galaxy.flux, rtol=1e-6)
    np.testing.assert_allclose(found.spectrum.uncertainty, galaxy.error, rtol=1e-6)
    assert not any("unit" in note for note in found.notes)


def test_descending_wavelengths_are_turned_round(galaxy, write_csv, tmp_path):
    path = tmp_path / "reversed.csv"
    lines = write_csv().read_text().splitlines()
    path.write_text("\n".join([lines[0], *reversed(lines[1:])]))
    np.testing.assert_allclose(read_spectrum_file(path).spectrum.flux, galaxy.flux, atol=1e-5)


def test_a_linear_image(galaxy, tmp_path):
    wave_aa = np.arange(4000.0, 8000.0, 2.0)
    header = fits.Header(
        {"CTYPE1": "WAVE", "CUNIT1": "Angstrom", "CRVAL1": 4000.0, "CDELT1": 2.0, "CRPIX1": 1.0,
         "BUNIT": "1e-17 erg / (s cm2 Angstrom)"}
    )  # fmt: skip
    path = tmp_path / "image.fits"
    fits.PrimaryHDU(np.interp(wave_aa, galaxy.wave_aa, galaxy.flux), header=header).writeto(path)
    found = read_spectrum_file(path)
    np.testing.assert_allclose(found.spectrum.wave_aa, wave_aa, rtol=1e-9)
    assert "read by specutils" not in found.notes


def test_without_specutils_the_refusal_says_what_is_missing(tmp_path, monkeypatch):
    path = tmp_path / "image.fits"
    fits.PrimaryHDU(np.ones(200)).writeto(path)
    monkeypatch.setitem(sys.modules, "specutils", None)
    assert "pip install specutils" in refusal(path).detail


def test_bad_pixels_are_masked(write_csv, tmp_path):
    lines = write_csv().read_text().splitlines()
    wave = [line.split(",")[0] for line in lines]
    lines[10], lines[11], lines[12] = f"{wave[10]},nan,1", f"{wave[11]},5,0", f"{wave[12]},5,nan"
    path = tmp_path / "holes.csv"
    path.write_text("\n".join(lines))
    np.testing.assert_array_equal(np.flatnonzero(read_spectrum_file(path).spectrum.mask), [9, 10, 11])


@pytest.mark.parametrize(
    ("content", "slug", "said"),
    [
        (b"", "not-a-spectrum", "empty"),
        (b"\x00\xff\xfe" * 100, "not-a-spectrum", "no table"),
        (b"wavelength\n" + rows(b"%d"), "not-a-spectrum", "one column"),
        (b"wavelength,flux\n4000,1\n4001,2\n", "not-a-spectrum", "fewer than 100"),
        (b"wavelength,flux\n" + rows(b"%d,a"), "not-a-spectrum", "numbers"),
        (b"wavelength,flux\n" + rows(b"0.%d,1"), "not-a-spectrum", "in Å"),
        (b"wavelength,flux\n" + b"4000,1\n" * 300, "not-a-spectrum", "distinct"),
        (b"wavelength,flux,error\n" + rows(b"%d,1,0"),
         "no-valid-pixels", "positive error"),
        (b"SIMPLE  =                    T".ljust(2880), "not-a-spectrum", "bad.dat"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_with_a_reason(tmp_path, content, slug, said):
    path = tmp_path / "bad.dat"
    path.write_bytes(content)
    error = refusal(path)
    assert error.slug == slug
    assert said in error.detail


def test_a_missing_file_is_refused(tmp_path):
    assert refusal(tmp_path / "no.fits").slug == "not-a-spectrum"


def test_a_flux_in_magnitudes_is_refused(galaxy, tmp_path):
    path = tmp_path / "spectrum.ecsv"
    Table({"wavelength": galaxy.wave_aa * units.AA, "flux": galaxy.flux * units.km}).write(path)
    assert refusal(path).slug == "unknown-unit"


def test_what_only_specutils_knows(galaxy, tmp_path):
    """Cards of the header that it passes on are read as in our own readers."""
    specutils = pytest.importorskip("specutils")
    read = specutils.Spectrum(
        flux=galaxy.flux * units.Unit("1e-17 erg / (s cm2 Angstrom)"),
        spectral_axis=vacuum_to_air(galaxy.wave_aa) * units.AA,
        meta={"header": {"AIRORVAC": "air"}},
    )
    found = convert_specutils(read, tmp_path / "any", air=False)
    np.testing.assert_allclose(found.spectrum.wave_aa, galaxy.wave_aa, atol=1e-5)
    assert "read by specutils" in found.notes
    assert any("in air" in note for note in found.notes)
