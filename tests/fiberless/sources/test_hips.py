"""hips2fits played by a local service that cuts simulated images."""

from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from fiberless.contract import Target
from fiberless.errors import FatalError, TransientError, UsageError
from fiberless.sources.hips import RESAMPLED_NOTE, HipsSource

GALAXY = (150.1, 2.2)
FLUX_NMGY = {"u": 10.0, "g": 20.0, "r": 30.0, "i": 40.0, "z": 50.0}


def hips2fits(query, *, mask=None):
    """North-up image as the service makes it, of a galaxy of σ 2.5 px on a flat sky."""
    hips, band = query["hips"].rsplit("/", 1)
    if hips != "CDS/P/SDSS9" or query["projection"] != "TAN" or query["format"] != "fits":
        return None
    width, height = int(query["width"]), int(query["height"])
    step = float(query["fov"]) / width
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"})
    header.update({"CRVAL1": float(query["ra"]), "CRVAL2": float(query["dec"])})
    header.update({"CRPIX1": width / 2 + 0.5, "CRPIX2": height / 2 + 0.5, "CDELT1": -step, "CDELT2": step})
    x, y = WCS(header).world_to_pixel_values(*GALAXY)
    rows, columns = np.mgrid[:height, :width]
    image = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 12.5) / (12.5 * np.pi) * FLUX_NMGY[band]
    image += np.random.default_rng(1).normal(0, 0.001, image.shape)
    if mask is not None:
        image[mask] = np.nan
    stream = BytesIO()
    fits.PrimaryHDU(image.astype("f4"), header).writeto(stream)
    return stream.getvalue()


@pytest.fixture
def source(local, client):
    local.services["hips2fits"] = hips2fits
    return HipsSource(client(local), f"{local.url}/hips2fits", {"sdss:1": GALAXY}.__getitem__)


@pytest.mark.parametrize("target", [Target(ra=GALAXY[0], dec=GALAXY[1]), Target(object_id="sdss:1")])
def test_five_images_become_a_cutout_that_says_where_it_is_from(source, target):
    cutout = source.fetch(target)
    assert (cutout.source, cutout.ra, cutout.dec, cutout.notes) == ("hips", *GALAXY, (RESAMPLED_NOTE,))
    assert cutout.flux_nmgy.shape == (5, 64, 64)
    np.testing.assert_allclose(cutout.flux_nmgy.sum(axis=(1, 2)), [10, 20, 30, 40, 50], atol=1.5)
    rows, columns = np.mgrid[:64, :64]
    for plane in cutout.flux_nmgy:
        bright = np.where(plane > 0.01, plane, 0)
        assert np.average(columns, weights=bright) == pytest.approx(31.5, abs=0.05)
        assert np.average(rows, weights=bright) == pytest.approx(31.5, abs=0.05)


@pytest.mark.parametrize("columns", [slice(None), slice(0, 20)])
def test_what_the_map_does_not_show(source, local, columns):
    mask = np.zeros((64, 64), dtype=bool)
    mask[:, columns] = True
    local.services["hips2fits"] = lambda query: hips2fits(query, mask=mask)
    with pytest.raises(UsageError) as caught:
        source.fetch(Target(ra=GALAXY[0], dec=GALAXY[1]))
    assert caught.value.slug == "outside-footprint"


def test_a_page_instead_of_an_image_is_a_passing_fault(source, local):
    local.services["hips2fits"] = lambda _: b"<html>maintenance</html>"
    with pytest.raises(TransientError, match="no images"):
        source.fetch(Target(ra=GALAXY[0], dec=GALAXY[1]))


def test_a_service_that_is_not_there_is_no_passing_fault(source, local):
    local.services["hips2fits"] = lambda _: None
    with pytest.raises(FatalError, match="CDS/P/SDSS9/"):
        source.fetch(Target(ra=GALAXY[0], dec=GALAXY[1]))


def test_an_image_larger_than_the_bound_is_refused(source, local):
    local.services["hips2fits"] = lambda _: bytes(2**21)
    with pytest.raises(FatalError, match="larger"):
        source.fetch(Target(ra=GALAXY[0], dec=GALAXY[1]))
