import numpy as np
import pytest

from fiberless.contract import PredictionArrays
from fiberless.images.cutout import Cutout, TangentWcs
from fiberless.service.storage.encoding import decode_arrays, decode_cutout, encode_arrays, encode_cutout


@pytest.mark.parametrize("masked", [True, False])
def test_a_cutout_comes_back_as_it_was(masked):
    rng = np.random.default_rng(3)
    before = Cutout(
        rng.normal(size=(5, 6, 7)),
        ra=1.25,
        dec=-0.1,
        source="hips",
        notes=("a", "ü"),
        mask=rng.random((5, 6, 7)) < 0.2 if masked else None,
        pixel_scale_arcsec=0.5,
    )
    after = decode_cutout(encode_cutout(before))
    np.testing.assert_array_equal(after.flux_nmgy, before.flux_nmgy)
    assert after.flux_nmgy.dtype == np.float32
    assert (after.mask is None) == (not masked)
    assert after.sha256 == before.sha256
    facts = ("ra", "dec", "source", "notes", "pixel_scale_arcsec")
    assert [getattr(after, fact) for fact in facts] == [getattr(before, fact) for fact in facts]


def test_a_cutout_without_a_position_has_none_afterwards():
    after = decode_cutout(encode_cutout(Cutout(np.zeros((5, 2, 2)))))
    assert (after.ra, after.dec, after.notes) == (None, None, ())


def test_a_cutout_s_world_coordinates_come_back():
    wcs = TangentWcs((180.0, -30.0), (32.5, 31.5), (-1.1e-4, 1e-9, 0.0, 1.1e-4))
    assert decode_cutout(encode_cutout(Cutout(np.zeros((5, 2, 2)), wcs=wcs))).wcs == wcs
    assert decode_cutout(encode_cutout(Cutout(np.zeros((5, 2, 2))))).wcs is None


def test_equal_cutouts_give_equal_bytes():
    flux = np.arange(20.0).reshape(5, 2, 2)
    encoded = {encode_cutout(Cutout(flux.copy(), ra=1.0, dec=2.0, mask=flux > 3)) for _ in range(20)}
    assert len(encoded) == 1


def test_arrays_come_back_with_their_masked_pixels():
    flux = np.array([[1.0, np.nan], [2.0, 3.0]], dtype=np.float32)
    arrays = PredictionArrays(flux, np.array([0.1, 0.2], dtype=np.float32))
    after = decode_arrays(encode_arrays(arrays))
    np.testing.assert_array_equal(after.candidate_flux, flux)
    np.testing.assert_array_equal(after.candidate_redshift, arrays.candidate_redshift)
    assert encode_arrays(after) == encode_arrays(arrays)
