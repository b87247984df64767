"""What the service has stored: predictions, objects, cones."""

import httpx
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from specutils import Spectrum

from fiberless.errors import UsageError
from tests.played_service import Played, client_of, problem


def test_get_returns_the_newest_prediction(document):
    content = b'{"object_id": "sdss:1", "predictions": [], "prediction": ' + document + b"}"
    played = Played(httpx.Response(200, content=content))
    with client_of(played) as client:
        assert client.get("sdss:1").model_dump_json(by_alias=True).encode() == document
    assert played.paths == ["GET /api/v1/objects/sdss:1"]


def test_names_in_paths_are_escaped():
    played = Played(problem("not-found", 404))
    with client_of(played) as client, pytest.raises(UsageError):
        client.get("../models?x")
    assert played.paths == ["GET /api/v1/objects/..%2Fmodels%3Fx"]


def test_spectrum_fits_asks_for_fits():
    played = Played(httpx.Response(200, content=b"SIMPLE"), httpx.Response(200, content=b"SIMPLE"))
    with client_of(played) as client:
        assert client.spectrum_fits("p_1") == b"SIMPLE"
        client.spectrum_fits("p_1", candidate=3)
    assert played.paths == [
        "GET /api/v1/predictions/p_1/spectrum?format=fits",
        "GET /api/v1/predictions/p_1/spectrum?format=fits&candidate=3",
    ]


def entry(name: str, separation: float) -> dict[str, object]:
    newest = {"id": f"p_{name}", "created": "2026-01-01T00:00:00Z", "redshift": None, "model_version": "m"}
    return {
        "object_id": name,
        "ra": 1.0,
        "dec": 2.0,
        "separation_arcsec": separation,
        "prediction": newest,
    }


def test_a_cone_is_read_to_its_last_page():
    more = "/api/v1/objects?ra=1&cursor=c%2F2"
    played = Played(
        httpx.Response(200, json={"objects": [entry("a", 0.5)], "next": more}),
        httpx.Response(200, json={"objects": [entry("b", 9.0)], "next": None}),
    )
    with client_of(played) as client:
        table = client.cone(SkyCoord(1, 2, unit="deg"), 1 * u.arcmin)
    assert list(table["object_id"]) == ["a", "b"]
    assert list(table["separation_arcsec"].quantity.to_value("arcsec")) == [0.5, 9.0]
    assert table["redshift"].mask.all()
    queries = [dict(request.url.params) for request in played.requests]
    asked = {"ra": "1.0", "dec": "2.0", "radius_arcsec": "60.0", "limit": "100"}
    assert queries == [asked, asked | {"cursor": "c/2"}]


def test_an_empty_cone_is_an_empty_table():
    with client_of(Played(httpx.Response(200, json={"objects": [], "next": None}))) as client:
        table = client.cone(SkyCoord(1, 2, unit="deg"), 5)
    assert (len(table), table["ra"].unit) == (0, u.deg)


def test_a_prediction_becomes_a_spectrum_and_a_table(document):
    with client_of(Played(httpx.Response(200, content=document))) as client:
        prediction = client.prediction("p_1")
    shown = prediction.spectrum
    spectrum, table = prediction.to_spectrum(), prediction.to_table()
    assert isinstance(spectrum, Spectrum)
    assert spectrum.flux.unit == u.Unit("1e-17 erg / (Angstrom s cm2)")
    assert spectrum.spectral_axis[0].to_value(u.nm) == pytest.approx(400.0)
    assert spectrum.meta["predicted"] is True
    good = ~spectrum.mask
    assert list(spectrum.mask) == shown.mask
    assert [value for value in shown.flux.values if value is not None] == list(spectrum.flux[good].value)
    assert np.all(spectrum.uncertainty.array[good] >= 0)
    assert table.colnames == ["wavelength", "flux", "uncertainty", "mask", "flux_p16", "flux_p50", "flux_p84"]
    assert np.all(table["flux_p16"][good] <= table["flux_p84"][good])
    assert table.meta["kind"] == "predicted-spectrum"
