"""A local folder of images: FITS cutouts, or training shards."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from fiberless.contract import Target
from fiberless.datasets.shards import DatasetInfo, write_info, write_shard
from fiberless.errors import FatalError, UsageError
from fiberless.images.fits.read import write_cutout
from fiberless.sources.folder import ImageFolder
from fiberless.testing import synthetic_cutout

ARCSEC = 1 / 3600


def cutout_at(ra, dec, seed=1):
    return replace(synthetic_cutout(seed), ra=ra, dec=dec, wcs=None)


@pytest.fixture
def images(tmp_path):
    """Three galaxies: two 20″ apart across RA 0, one 1″ from the pole."""
    places = {
        "sdss_1": (359.999, 0.0),
        "sdss:2": (359.999 + 20 * ARCSEC - 360, 0.0),
        "m81": (120.0, 90 - ARCSEC),
    }
    for seed, (name, position) in enumerate(places.items(), start=1):
        write_cutout(cutout_at(*position, seed=seed), tmp_path / f"{name}.fits")
    return ImageFolder(tmp_path)


@pytest.mark.parametrize(
    ("position", "seed"),
    [((359.999, 1 * ARCSEC), 1), ((359.999 + 21 * ARCSEC - 360, 0.0), 2), ((300.0, 90 - 0.1 * ARCSEC), 3)],
)
def test_the_image_at_a_position(images, position, seed):
    found = images.fetch(Target(ra=position[0], dec=position[1]))
    assert found.sha256 == synthetic_cutout(seed).sha256
    assert found.source == "archive"


@pytest.mark.parametrize("position", [(359.999, 2 * ARCSEC), (180.0, 0.0), (300.0, 90 - 2 * ARCSEC)])
def test_no_image_at_a_position(images, position):
    with pytest.raises(UsageError) as caught:
        images.fetch(Target(ra=position[0], dec=position[1]))
    assert caught.value.slug == "outside-footprint"


@pytest.mark.parametrize(("name", "seed"), [("sdss:1", 1), ("sdss_1", 1), ("sdss:2", 2), ("m81", 3)])
def test_the_image_of_a_name(images, name, seed):
    assert images.fetch(Target(object_id=name)).sha256 == synthetic_cutout(seed).sha256


def test_no_image_of_a_name(images):
    with pytest.raises(UsageError) as caught:
        images.fetch(Target(object_id="sdss:3"))
    assert caught.value.slug == "not-found"


def test_the_card_object_names_an_image_too(tmp_path):
    hdu = fits.PrimaryHDU(
        synthetic_cutout(4).flux_nmgy, fits.Header({"OBJECT": "NGC-4321", "BUNIT": "nanomaggy"})
    )
    hdu.writeto(tmp_path / "x.fits")
    assert ImageFolder(tmp_path).fetch(Target(object_id="NGC-4321")).sha256 == synthetic_cutout(4).sha256


def test_a_new_file_is_seen(images, tmp_path):
    with pytest.raises(UsageError):
        images.fetch(Target(object_id="late"))
    write_cutout(cutout_at(10.0, 10.0), tmp_path / "late.fits")
    assert images.fetch(Target(object_id="late")).ra == 10.0
    assert images.fetch(Target(ra=10.0, dec=10.0)).dec == 10.0


def test_a_damaged_file_answers_to_its_name_with_what_is_wrong(images, tmp_path):
    (tmp_path / "bad.fits").write_bytes(b"<html>")
    with pytest.raises(UsageError, match=r"bad\.fits") as caught:
        images.fetch(Target(object_id="bad"))
    assert caught.value.slug == "not-fits"
    assert images.fetch(Target(object_id="m81")).source == "archive"


def test_a_folder_that_is_not_there_is_our_fault(tmp_path):
    with pytest.raises(FatalError):
        ImageFolder(tmp_path / "none").fetch(Target(object_id="m81"))


@pytest.fixture
def shards(tmp_path):
    truth_names = ("redshift", "ebv", "ra", "dec")
    truth = np.array([[0.1, 0.03, 10.0, 1.0], [0.1, np.nan, 20.0, 2.0], [0.1, 0.05, np.nan, np.nan]])
    ids = np.array([1237648720693755918, 1237648720693755919, 1237648720693755920])
    image = np.stack([synthetic_cutout(seed).flux_nmgy for seed in (1, 2, 3)])
    for index, rows in enumerate((slice(0, 2), slice(2, 3))):
        columns = {
            "image": image[rows].astype("f2"),
            "truth": truth[rows].astype("f4"),
            "object_id": ids[rows],
        }
        write_shard(tmp_path, index, columns)
    info = DatasetInfo(
        kind="sdss", description="", n=3, seed=0, shard_size=2, version="1", truth_names=truth_names
    )
    write_info(tmp_path, info)
    return ImageFolder(tmp_path)


@pytest.mark.parametrize(
    ("target", "seed", "ebv"),
    [
        (Target(ra=10.0, dec=1.0), 1, 0.03),
        (Target(object_id="sdss:1237648720693755918"), 1, 0.03),
        (Target(ra=20.0, dec=2.0), 2, None),
        (Target(object_id="sdss:1237648720693755920"), 3, 0.05),
    ],
)
def test_images_of_a_training_set(shards, target, seed, ebv):
    cutout = shards.fetch(target)
    np.testing.assert_array_equal(cutout.flux_nmgy, synthetic_cutout(seed).flux_nmgy.astype("f2"))
    assert cutout.ebv == (ebv and pytest.approx(ebv))
    assert cutout.source == "archive"
    if target.position:
        assert (cutout.ra, cutout.dec) == target.position


def test_a_training_set_without_a_galaxy(shards):
    for target in (Target(ra=30.0, dec=0.0), Target(object_id="sdss:1237648720693755921")):
        with pytest.raises(UsageError):
            shards.fetch(target)


def test_a_training_set_that_is_cut_short_is_our_fault(shards, tmp_path):
    path = tmp_path / "shard-00001.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FatalError, match="cannot be read"):
        shards.fetch(Target(ra=10.0, dec=1.0))
