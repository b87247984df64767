import numpy as np
import pytest

from fiberless.astro.extinction import (
    EXTINCTION_PER_EBV,
    deredden,
    galactic_ebv,
    galactic_ebv_map,
    transmission,
)
from fiberless.contract import PredictionOptions, PredictionRequest, prediction_id
from fiberless.contract.manifest import Manifest
from fiberless.images.cutout import Cutout
from fiberless.service.storage.encoding import decode_cutout, encode_cutout
from fiberless.testing import synthetic_cutout


@pytest.mark.parametrize(
    ("position", "ebv"),
    [
        ((192.8595, 27.1283), 0.010),  # north Galactic pole: the cleanest sky
        ((266.4, -29.0), 1.0),  # Galactic centre, beyond what is accepted
        ((38.35502, -0.15570), 0.024),
        ((56.75, 24.12), 0.27),  # Pleiades
    ],
)
def test_map_gives_the_known_reddening(position, ebv):
    assert galactic_ebv(*position) == pytest.approx(ebv, rel=0.35)


def test_right_ascension_is_continuous_through_zero():
    assert galactic_ebv(0.0, 10.0) == pytest.approx(galactic_ebv(359.9999, 10.0), rel=1e-3)
    assert galactic_ebv(0.0, 90.0) == pytest.approx(galactic_ebv(123.0, 90.0), rel=1e-6)


def test_dereddened_image_is_the_one_before_the_galaxy():
    image = np.ones((2, 5, 4, 4), np.float32)
    ebv = np.array([0.0, 0.1])
    behind = image * transmission(ebv)[..., None, None]
    assert behind[1, 2, 0, 0] == pytest.approx(10 ** (-0.4 * 0.2285))  # A_r = 2.285 E(B-V)
    assert deredden(behind, ebv) == pytest.approx(image, rel=1e-6)


def test_extinction_falls_from_u_to_z():
    assert (np.diff(EXTINCTION_PER_EBV) < 0).all()


def _request(cutout: Cutout, **options) -> PredictionRequest:
    return PredictionRequest(cutout, PredictionOptions(**options))


def test_option_beats_image_beats_position():
    flux = synthetic_cutout(0).flux_nmgy
    placed = Cutout(flux_nmgy=flux, ra=56.75, dec=24.12)
    assert _request(placed).ebv == galactic_ebv(56.75, 24.12)
    carded = Cutout(flux_nmgy=flux, ra=56.75, dec=24.12, ebv=0.02)
    assert _request(carded).ebv == 0.02
    assert _request(carded, ebv=0.0).ebv == 0.0
    unknown = _request(Cutout(flux_nmgy=flux))
    assert unknown.ebv == 0.0
    assert not unknown.is_ebv_known
    assert _request(carded).is_ebv_known
    assert _request(placed).is_ebv_known


def test_another_extinction_is_another_prediction(manifest):
    cutout = synthetic_cutout(0)
    assert prediction_id(_request(cutout, ebv=0.0), manifest) == prediction_id(_request(cutout), manifest)
    assert prediction_id(_request(cutout, ebv=0.1), manifest) != prediction_id(_request(cutout), manifest)


def test_extinction_survives_the_store():
    cutout = Cutout(flux_nmgy=synthetic_cutout(0).flux_nmgy, ebv=0.125)
    assert decode_cutout(encode_cutout(cutout)).ebv == 0.125


@pytest.fixture
def manifest() -> Manifest:
    return Manifest.model_construct(weights_sha256="0" * 64, version="toy", sampler_steps=5)


def test_the_map_gives_many_positions_what_it_gives_one():
    ra_deg, dec_deg = np.array([10.0, 185.0, 350.0]), np.array([-5.0, 1.0, 40.0])
    each = [galactic_ebv(ra, dec) for ra, dec in zip(ra_deg, dec_deg, strict=True)]
    assert galactic_ebv_map(ra_deg, dec_deg).tolist() == pytest.approx(each, rel=1e-12)
