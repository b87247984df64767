"""One bad galaxy among many, and the forms of a place."""

import json

import httpx
import numpy as np
import pytest
from astropy import units as u

from fiberless.errors import UsageError
from tests.played_service import Played, client_of


def test_a_missing_file_stands_in_its_own_place(document):
    played = Played(httpx.Response(200, content=document))
    with client_of(played) as client:
        good, bad, strange = client.predict_many(
            [b"image", "gone.fits", object()], errors="return", progress_bar=False, concurrency=1
        )
    assert good.kind == "predicted-spectrum"
    assert (bad.slug, strange.slug) == ("fits-empty", "invalid-parameter")
    assert "gone.fits" in bad.detail


@pytest.mark.parametrize(
    "place",
    [
        (38.5, -0.25),
        [38.5, -0.25],
        np.array([38.5, -0.25]),
        {"ra": np.float64(38.5), "dec": -0.25},
        (2.5666666666666664 * u.hourangle, -0.25 * u.deg),
    ],
)
def test_a_place_in_any_form(place, document):
    played = Played(httpx.Response(200, content=document))
    with client_of(played) as client:
        client.predict(place)
    target = json.loads(played.requests[0].content)["target"]
    assert (target["ra"], target["dec"]) == pytest.approx((38.5, -0.25), abs=1e-12)


def test_text_of_an_angle_is_sent_as_it_is(document):
    played = Played(httpx.Response(200, content=document))
    with client_of(played) as client:
        client.predict(ra="02:33:25.2", dec="-00:09:20")
    assert json.loads(played.requests[0].content)["target"] == {"ra": "02:33:25.2", "dec": "-00:09:20"}


def test_what_names_no_target_is_a_type_error():
    with client_of(Played()) as client:
        for strange in ([1.5], [None], 5, b"bytes", [object()]):
            with pytest.raises((TypeError, UsageError)):
                client.batch(strange)
