"""The FITS product: HDUs, columns, cards and checksums as the contract promises them."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS
from specutils import Spectrum

from fiberless.contract import ObjectInfo
from fiberless.errors import UsageError
from fiberless.images.fits.read import read_cutout
from fiberless.products.fits import prediction_fits

COUNT = 3
LENGTH = 4500


@pytest.fixture
def hdus(prediction, arrays, cutout):
    with fits.open(BytesIO(prediction_fits(prediction, arrays, cutout)), checksum=True) as opened:
        yield opened


def test_the_hdus_are_there_and_valid(hdus):
    hdus.verify("exception")
    names = ["PRIMARY", "SPECTRUM", "CANDIDATES", "PROPERTIES", "SAMPLES", "CUTOUT", "PROVENANCE"]
    assert [hdu.name for hdu in hdus] == names
    assert all("CHECKSUM" in hdu.header and "DATASUM" in hdu.header for hdu in hdus)


def test_the_primary_cards(hdus):
    header = hdus[0].header
    expected = {"OBJECT": "sdss:123", "RA": 180.0, "DEC": 30.0, "RADESYS": "ICRS", "ORIGIN": "fiberless 1.2"}
    expected |= {"DATE": "2026-01-02T03:04:05", "PREDICT": True, "MODELVER": "v1", "WGTSHA": "a" * 64}
    expected |= {"CUTSRC": "upload", "SEED": 7, "NSAMP": COUNT, "SPECSYS": "BARYCENT", "AIRORVAC": "vac"}
    assert {card: header[card] for card in expected} == expected
    assert header["Z_LO"] <= header["Z_MED"] <= header["Z_HI"]
    assert (header["Z_MED"], header["Z_SHOWN"]) == (0.1, 0.1)
    assert "TELESCOP" not in header
    assert header["HISTORY"][0] == "warning padded: noise of ?"


def test_the_spectrum_s_columns_are_in_the_order_that_readers_need(hdus):
    table = hdus["SPECTRUM"]
    names = ["wavelength", "flux", "uncertainty", "mask", "ivar", "flux_p16", "flux_p50", "flux_p84"]
    assert table.columns.names == names
    assert units.Unit(table.columns["wavelength"].unit) == units.AA
    assert units.Unit(table.columns["flux"].unit) == 1e-17 * units.erg / units.s / units.cm**2 / units.AA
    assert units.Unit(table.columns["ivar"].unit) == units.Unit(table.columns["flux"].unit) ** -2
    row = table.data[2]
    assert [float(row[name]) for name in names] == [4002.0, 1.0, 0.5, 0.0, 4.0, 1.0, 2.0, 1.0]
    assert np.isnan(table.data["flux"][:2]).all()
    assert table.data["mask"][:3].tolist() == [True, True, False]
    assert table.data["ivar"][:2].tolist() == [0.0, 0.0]


def test_candidates_and_samples(hdus, arrays):
    assert hdus["CANDIDATES"].data["rank"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(hdus["CANDIDATES"].data["redshift"], [0.10, 0.11, 0.12])
    np.testing.assert_array_equal(hdus["SAMPLES"].data["flux"], arrays.candidate_flux)


def test_every_property_has_its_row(hdus):
    rows = {row["name"]: row for row in hdus["PROPERTIES"].data}
    names = {"redshift", "dn4000", "agn_probability", "bpt_class", "lines.Halpha.flux", "lines.Halpha.ew"}
    assert set(rows) == names
    assert rows["lines.Halpha.flux"]["value"] == 12.5
    assert np.isnan(rows["lines.Halpha.ew"]["value"])
    assert rows["bpt_class"]["class"] == "agn"
    assert rows["bpt_class"]["value"] == 0.75


def test_the_image_and_its_coordinates(hdus, cutout):
    np.testing.assert_array_equal(hdus["CUTOUT"].data, cutout.flux_nmgy)
    assert WCS(hdus["CUTOUT"].header).celestial.pixel_to_world_values(31.5, 31.5) == pytest.approx((180, 30))


def test_provenance_is_complete(hdus):
    rows = dict(hdus["PROVENANCE"].data.tolist())
    assert rows["model.weights_sha256"] == "a" * 64
    assert rows["sampler.seed"] == "7"
    assert rows["cutout.bands"] == "u,g,r,i,z"
    assert rows["warning.padded"] == "noise of ?"


def test_a_candidate_takes_the_place_of_the_flux(prediction, arrays, cutout):
    with fits.open(BytesIO(prediction_fits(prediction, arrays, cutout, candidate=1))) as hdus:
        data = hdus["SPECTRUM"].data
        np.testing.assert_array_equal(data["flux"], arrays.candidate_flux[1])
        assert data["mask"].tolist() == [True] * 4 + [False] * (LENGTH - 4)
        assert np.isnan(data["uncertainty"]).all()
        assert hdus[0].header["CANDIDAT"] == 1


@pytest.mark.parametrize("candidate", [-1, COUNT])
def test_an_unknown_candidate_is_refused(prediction, arrays, cutout, candidate):
    with pytest.raises(UsageError) as caught:
        prediction_fits(prediction, arrays, cutout, candidate=candidate)
    assert caught.value.slug == "invalid-parameter"


def test_the_same_prediction_gives_the_same_bytes(prediction, arrays, cutout):
    assert prediction_fits(prediction, arrays, cutout) == prediction_fits(prediction, arrays, cutout)


def test_an_object_without_position_has_no_position_cards(prediction, arrays, cutout):
    nameless = prediction.model_copy(update={"object": ObjectInfo()})
    placeless = replace(cutout, ra=None, dec=None, wcs=None)
    with fits.open(BytesIO(prediction_fits(nameless, arrays, placeless))) as hdus:
        assert hdus[0].header["OBJECT"] == "p_1"
        assert "RA" not in hdus[0].header


def test_the_product_s_own_image_can_be_sent_in_again(prediction, arrays, cutout):
    assert read_cutout(prediction_fits(prediction, arrays, cutout)).sha256 == cutout.sha256


@pytest.mark.parametrize("from_path", [True, False])
def test_specutils_opens_it_as_a_spectrum(prediction, arrays, cutout, tmp_path, from_path):
    data = prediction_fits(prediction, arrays, cutout)
    path = tmp_path / "prediction.fits"
    path.write_bytes(data)
    spectrum = Spectrum.read(path if from_path else BytesIO(data))
    shown = prediction.spectrum
    np.testing.assert_array_equal(spectrum.spectral_axis.to_value(units.AA), shown.wavelength.values)
    assert spectrum.flux.unit == units.Unit("1e-17 erg / (Angstrom s cm2)")
    np.testing.assert_array_equal(spectrum.flux.value[2:], shown.flux.values[2:])
    assert spectrum.uncertainty.uncertainty_type == "std"
    np.testing.assert_array_equal(spectrum.uncertainty.array[2:], shown.uncertainty.values[2:])
    np.testing.assert_array_equal(spectrum.mask, shown.mask)


def test_in_the_rest_frame_the_energy_stays_and_the_cards_say_so(prediction, arrays, cutout):
    observed, rest = (
        fits.open(BytesIO(prediction_fits(prediction, arrays, cutout, frame=frame)))
        for frame in ("observed", "rest")
    )
    with observed, rest:
        before, after = observed["SPECTRUM"].data, rest["SPECTRUM"].data
        np.testing.assert_allclose(after["wavelength"], before["wavelength"] / 1.1)
        assert after["flux"][5] * np.diff(after["wavelength"])[5] == pytest.approx(
            before["flux"][5] * np.diff(before["wavelength"])[5]
        )
        assert after["ivar"][5] * after["uncertainty"][5] ** 2 == pytest.approx(1)
        cards = {"SPECSYS": "SOURCE", "ZSOURCE": 0.1, "SSYSSRC": "BARYCENT"}
        assert {name: rest[0].header[name] for name in cards} == cards
        assert observed[0].header["REDSHIFT"] == 0.1
        np.testing.assert_array_equal(rest["SAMPLES"].data["flux"], observed["SAMPLES"].data["flux"])


def test_samples_say_their_own_wavelengths(hdus):
    header = hdus["SAMPLES"].header
    wave_aa = header["1CRVL3"] + header["1CDLT3"] * (np.arange(LENGTH) + 1 - header["1CRPX3"])
    np.testing.assert_array_equal(wave_aa, hdus["SPECTRUM"].data["wavelength"])
    assert (header["1CTYP3"], header["1CUNI3"], header["SPEC3"]) == ("WAVE", "Angstrom", "BARYCENT")
