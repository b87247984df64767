"""Reading a stored prediction: as it is, as spectra, as FITS."""

from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits

from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.contract import Prediction
from fiberless.service.storage import open_store

pytestmark = pytest.mark.anyio
URL = "/api/v1/predictions"


async def test_a_prediction_is_served_byte_for_byte_with_its_links(
    shared_client, shared_settings, prediction_id
):
    answer = await shared_client.get(f"{URL}/{prediction_id}")
    store = open_store(shared_settings)
    stored = store.predictions.document(prediction_id)
    assert answer.content.startswith(stored[:-1] + b',"links":')
    store.close()
    assert Prediction.model_validate_json(answer.content).id == prediction_id
    assert "immutable" in answer.headers["Cache-Control"]
    assert b"NaN" not in answer.content


@pytest.mark.parametrize("sent", ["{etag}", "W/{etag}", '"other", {etag}', "*"])
async def test_what_the_caller_has_already_is_not_sent_again(shared_client, prediction_id, sent):
    etag = (await shared_client.get(f"{URL}/{prediction_id}")).headers["ETag"]
    headers = {"If-None-Match": sent.format(etag=etag)}
    answer = await shared_client.get(f"{URL}/{prediction_id}", headers=headers)
    assert not etag.startswith("W/")
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)
    other = await shared_client.get(f"{URL}/{prediction_id}", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


async def test_the_shown_spectrum_as_json(shared_client, prediction_id):
    document = (await shared_client.get(f"{URL}/{prediction_id}/spectrum")).json()
    prediction = (await shared_client.get(f"{URL}/{prediction_id}")).json()
    assert document["spectrum"] == prediction["spectrum"]
    assert document["prediction_id"] == prediction_id
    assert document["kind"] == "predicted-spectrum"


async def test_a_candidate_as_json_is_the_stored_array(shared_client, shared_settings, prediction_id):
    document = (await shared_client.get(f"{URL}/{prediction_id}/spectrum?candidate=2")).json()
    store = open_store(shared_settings)
    arrays = store.predictions.arrays(prediction_id)
    store.close()
    flux = np.array([np.nan if v is None else v for v in document["flux"]["values"]])
    np.testing.assert_allclose(flux, arrays.candidate_flux[2], rtol=1e-5)
    assert document["redshift"] == pytest.approx(float(arrays.candidate_redshift[2]), rel=1e-5)
    assert len(document["wavelength"]["values"]) == OBSERVED_WAVE_AA.size


@pytest.mark.parametrize(
    ("query", "accept", "media"),
    [
        ("?format=fits", None, "application/fits"),
        ("", "application/fits", "application/fits"),
        ("", "image/fits;q=0.9, application/json;q=0.1", "application/fits"),
        ("", "*/*", "application/json"),
        ("", "text/html, application/*;q=0.5", "application/json"),
        ("?format=json", "application/fits", "application/json"),
    ],
)
async def test_the_format_is_the_one_asked_for(shared_client, prediction_id, query, accept, media):
    headers = {} if accept is None else {"Accept": accept}
    answer = await shared_client.get(f"{URL}/{prediction_id}/spectrum{query}", headers=headers)
    assert answer.headers["Content-Type"] == media
    assert answer.headers["Vary"] == "Accept"


async def test_the_fits_product_holds_the_shown_spectrum(shared_client, prediction_id):
    answer = await shared_client.get(f"{URL}/{prediction_id}/spectrum?format=fits")
    prediction = (await shared_client.get(f"{URL}/{prediction_id}")).json()
    with fits.open(BytesIO(answer.content), checksum=True) as hdus:
        table = hdus["SPECTRUM"].data
        assert list(table.names[:4]) == ["wavelength", "flux", "uncertainty", "mask"]
        assert hdus[0].header["PREDICT"] is True
        shown = np.array([np.nan if v is None else v for v in prediction["spectrum"]["flux"]["values"]])
        np.testing.assert_allclose(np.array(table["flux"], float), shown, rtol=1e-5)


async def test_the_image_comes_back_as_it_was_sent(shared_client, prediction_id, galaxy_fits):
    answer = await shared_client.get(f"{URL}/{prediction_id}/cutout?format=fits")
    assert answer.headers["Content-Type"] == "application/fits"
    assert answer.content == galaxy_fits


async def test_a_candidate_that_is_not_there_is_not_found(shared_client, prediction_id):
    for kind in ("json", "fits"):
        answer = await shared_client.get(f"{URL}/{prediction_id}/spectrum?format={kind}&candidate=4")
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
