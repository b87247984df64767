"""The FITS product: HDUs, columns, cards and checksums as the contract promises them."""

from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS
from specutils import Spectrum

from fiberless.contract import (
    Candidate,
    CutoutInfo,
    ModelInfo,
    ObjectInfo,
    PredictedSpectrum,
    Prediction,
    PredictionArrays,
    PredictionLinks,
    PredictionWarning,
    Provenance,
    SamplerInfo,
    ServiceInfo,
)
from fiberless.cutout import Cutout
from fiberless.cutouts.fits import read_cutout
from fiberless.cutouts.product import prediction_fits
from fiberless.errors import UsageError
from fiberless.properties import Classification, LineMeasurement, Measurement, Properties
from fiberless.wavelength import OBSERVED_WAVE_AA

COUNT = 3
LENGTH = OBSERVED_WAVE_AA.size


def _measured(value: float | None) -> Measurement:
    return Measurement(value=value, lower=value, upper=value, unit="", method="test")


@pytest.fixture
def cutout(make) -> Cutout:
    return read_cutout(make.cube(**make.wcs()))


@pytest.fixture
def arrays() -> PredictionArrays:
    flux = np.arange(COUNT * LENGTH, dtype=np.float32).reshape(COUNT, LENGTH)
    flux[1, :4] = np.nan
    return PredictionArrays(candidate_flux=flux, candidate_redshift=np.array([0.1, 0.11, 0.12], np.float32))


@pytest.fixture
def prediction(cutout) -> Prediction:
    ones = [None, None, *[1.0] * (LENGTH - 2)]
    spectrum = PredictedSpectrum.model_validate(
        {
            "n": LENGTH,
            "wavelength": {"unit": "Angstrom", "values": OBSERVED_WAVE_AA.tolist()},
            "flux": {"unit": "", "values": ones, "statistic": "medoid"},
            "uncertainty": {"values": [None, None, *[0.5] * (LENGTH - 2)]},
            "quantiles": {"values": [ones, [None, None, *[2.0] * (LENGTH - 2)], ones]},
            "mask": [True, True, *[False] * (LENGTH - 2)],
        }
    )
    classes = Classification(value="agn", probabilities={"agn": 0.75, "sf": 0.25}, method="bpt")
    line = LineMeasurement(flux=_measured(12.5), ew=_measured(None))
    return Prediction(
        id="p_1",
        object=ObjectInfo(object_id="sdss:123", ra=180.0, dec=30.0),
        created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        warnings=(PredictionWarning(code="padded", detail="noise of σ"),),
        spectrum=spectrum,
        candidates=tuple(
            Candidate(rank=k + 1, contrastive_score=0.9 - k / 10, redshift=0.1 + k / 100, href="")
            for k in range(COUNT)
        ),
        properties=Properties(
            redshift=_measured(0.1),
            dn4000=_measured(1.5),
            agn_probability=_measured(0.75),
            bpt_class=classes,
            lines={"Halpha": line},
        ),
        provenance=Provenance(
            service=ServiceInfo(version="1.2"),
            model=ModelInfo(
                name="m", version="v1", family="latent", weights_sha256="a" * 64, training_data="t"
            ),
            sampler=SamplerInfo(steps=15, n_candidates=COUNT, seed=7, device="cpu", dtype="float32"),
            cutout=CutoutInfo(
                source="upload", sha256=cutout.sha256, bands=tuple("ugriz"), pixel_scale_arcsec=0.396
            ),
        ),
        links=PredictionLinks(self="", spectrum_fits=""),
    )


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


def test_an_object_without_position_has_no_position_cards(prediction, arrays, make):
    nameless = prediction.model_copy(update={"object": ObjectInfo()})
    with fits.open(BytesIO(prediction_fits(nameless, arrays, read_cutout(make.cube())))) as hdus:
        assert hdus[0].header["OBJECT"] == "p_1"
        assert "RA" not in hdus[0].header


def test_the_product_s_own_image_can_be_sent_in_again(prediction, arrays, cutout):
    assert read_cutout(prediction_fits(prediction, arrays, cutout)).sha256 == cutout.sha256


def test_specutils_opens_it_as_a_spectrum(prediction, arrays, cutout):
    spectrum = Spectrum.read(BytesIO(prediction_fits(prediction, arrays, cutout)))
    assert spectrum.spectral_axis[2] == 4002 * units.AA
    assert spectrum.flux.unit == units.Unit("1e-17 erg / (Angstrom s cm2)")
    assert spectrum.uncertainty.array[2] == 0.5
