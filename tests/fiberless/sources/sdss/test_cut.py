"""Cutting from corrected frames: simulated ones with known stars, and the real ones where they are."""

import bz2
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from typer.testing import CliRunner

from fiberless.astro.bands import BANDS
from fiberless.cli import app
from fiberless.contract import Target
from fiberless.errors import FatalError, UsageError
from fiberless.images.apertures import aperture_nmgy, centres_px
from fiberless.images.fits.pixels import stored_pixels
from fiberless.images.fits.read import read_cutout
from fiberless.service.image_sources import configured_source
from fiberless.service.settings import Settings
from fiberless.sources.sdss.cut import cut_frames
from fiberless.sources.sdss.frames import find_fields, nearest_field, read_frame
from fiberless.sources.source import FrameFolderSource
from tests.survey_files import CORNER, GALAXY, galaxy_frames

REAL_GALAXY = (38.35502, -0.15570)
COORDINATE_CARDS = [
    f"{stem}{axis}" for stem in ("CTYPE", "CRPIX", "CRVAL", "CD1_", "CD2_") for axis in (1, 2)
]


def write_frames(folder: Path, *, field: int = 1, corner: tuple[float, float] = CORNER) -> None:
    for band, hdu in galaxy_frames(field, corner=corner).items():
        hdu.writeto(folder / f"frame-{band}-000094-3-{field:04d}.fits")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    write_frames(folder)
    return folder


def test_bands_are_aligned_to_r_and_keep_their_flux(folder):
    cutout = cut_frames(folder, *GALAXY)
    assert (cutout.ra, cutout.dec, cutout.source, cutout.notes) == (*GALAXY, "sdss", ())
    aligned = [centres_px(np.repeat(plane[None, None], 5, axis=1))[0] for plane in cutout.flux_nmgy]
    assert np.abs(np.array(aligned) - aligned[2]).max() < 0.05
    assert (aligned[2] >= 31).all()
    assert (aligned[2] < 32).all()
    np.testing.assert_allclose(
        aperture_nmgy(cutout.flux_nmgy[None])[0, :, 4], [10, 20, 30, 40, 50], rtol=0.05
    )


def test_r_is_not_resampled(folder):
    cutout = cut_frames(folder, *GALAXY)
    frame = fits.getdata(folder / "frame-r-000094-3-0001.fits")
    x0, y0 = 1 - round(cutout.wcs.crpix[0]), 1 - round(cutout.wcs.crpix[1])
    np.testing.assert_array_equal(cutout.flux_nmgy[2], frame[y0 : y0 + 64, x0 : x0 + 64])


def test_the_cutout_s_coordinates_name_the_galaxy(folder):
    cutout = cut_frames(folder, *GALAXY)
    header = fits.Header(dict(zip(("CRPIX1", "CRPIX2"), cutout.wcs.crpix, strict=True)))
    header.update(dict(zip(("CRVAL1", "CRVAL2"), cutout.wcs.crval_deg, strict=True)))
    header.update(dict(zip(("CD1_1", "CD1_2", "CD2_1", "CD2_2"), cutout.wcs.cd_deg, strict=True)))
    header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"})
    x, y = WCS(header).world_to_pixel_values(*GALAXY)
    np.testing.assert_allclose(centres_px(cutout.flux_nmgy[None])[0], [y, x], atol=0.05)


def test_compressed_frames_give_the_same_cutout(folder, tmp_path):
    for path in folder.glob("*.fits"):
        (tmp_path / f"{path.name}.bz2").write_bytes(bz2.compress(path.read_bytes(), 1))
    assert cut_frames(tmp_path, *GALAXY).sha256 == cut_frames(folder, *GALAXY).sha256


def test_beyond_the_edge_all_bands_are_padded_alike(folder):
    step = 0.396 / 3600
    cutout = cut_frames(folder, CORNER[0] + 100 * step, CORNER[1] + 10 * step)
    assert cutout.notes == ("36% of the image is off the frame; noise was put there",)
    assert cutout.flux_nmgy[:, :, :21].std(axis=(1, 2)) == pytest.approx([0.01] * 5, rel=0.25)
    again = cut_frames(folder, CORNER[0] + 100 * step, CORNER[1] + 10 * step)
    assert again.sha256 == cutout.sha256


@pytest.mark.parametrize("position", [(200.0, 0.0), (10.0, 60.0), (190.0, 0.0), (9.9995, 0.01)])
def test_positions_off_the_frames_are_refused(folder, position):
    with pytest.raises(UsageError) as caught:
        cut_frames(folder, *position)
    assert caught.value.slug == "outside-footprint"


def test_the_field_is_chosen_that_shows_most_around_the_position(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_frames(tmp_path, field=2, corner=(GALAXY[0] - 15 * 0.396 / 3600, CORNER[1]))
    assert len(find_fields(tmp_path)) == 2
    assert nearest_field(tmp_path, *GALAXY).field == 1
    assert nearest_field(tmp_path, GALAXY[0] + 0.016, GALAXY[1]).field == 2


def test_a_field_without_all_bands_does_not_count(folder, tmp_path):
    for path in folder.glob("frame-[ugri]-*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert find_fields(tmp_path) == []


def test_a_damaged_frame_is_our_fault(folder, tmp_path):
    for path in folder.iterdir():
        data = path.read_bytes()
        (tmp_path / path.name).write_bytes(data[:-2880] if "frame-i" in path.name else data)
    with pytest.raises(FatalError, match="frame-i") as caught:
        cut_frames(tmp_path, *GALAXY)
    assert caught.value.slug == "source-unavailable"


def test_the_configured_source(folder):
    source = configured_source(Settings(frames_dir=folder))
    assert source.sources == [("frames", FrameFolderSource(folder))]
    assert source.fetch(Target(ra=GALAXY[0], dec=GALAXY[1])).sha256 == cut_frames(folder, *GALAXY).sha256


def test_without_a_source_the_error_says_what_to_set():
    source = configured_source(Settings(cutout_sources="none"))
    with pytest.raises(FatalError, match="FIBERLESS_CUTOUT_SOURCES") as caught:
        source.fetch(Target(ra=1.0, dec=2.0))
    assert caught.value.slug == "source-unavailable"


def test_command_line_cuts_a_galaxy(folder, tmp_path):
    out = tmp_path / "cutout.fits"
    position = ["--ra", str(GALAXY[0]), "--dec", str(GALAXY[1])]
    result = CliRunner().invoke(app, ["cutout", "--frames", str(folder), *position, "-o", str(out)])
    assert result.exit_code == 0
    assert read_cutout(out.read_bytes()).sha256 == cut_frames(folder, *GALAXY).sha256


def test_command_line_packs_five_files(make, tmp_path):
    pixels = make.galaxy()
    paths = [tmp_path / f"{band}.fits" for band in "zirgu"]
    for path, plane in zip(paths, pixels[::-1], strict=True):
        path.write_bytes(make.cube(plane, FILTER=path.stem))
    out = tmp_path / "packed.fits"
    result = CliRunner().invoke(app, ["pack", *map(str, paths), "-o", str(out)])
    assert result.exit_code == 0
    np.testing.assert_array_equal(read_cutout(out.read_bytes()).flux_nmgy, pixels)


@pytest.fixture(scope="module")
def real_cutout(shared_data):
    return cut_frames(shared_data / "frames", *REAL_GALAXY)


def test_a_real_galaxy_is_centred_in_every_band(real_cutout):
    assert real_cutout.notes == ()
    for plane in real_cutout.flux_nmgy:
        centre = centres_px(np.repeat(plane[None, None], 5, axis=1))[0]
        np.testing.assert_allclose(centre, 31.5, atol=0.5)


def test_a_real_galaxy_keeps_its_flux(shared_data, real_cutout):
    aligned = aperture_nmgy(real_cutout.flux_nmgy[None], radii_arcsec=(3.0,))[0, :, 0]
    for band, flux in zip(BANDS, aligned, strict=True):
        frame = read_frame(next((shared_data / "frames").glob(f"frame-{band}-*")))
        cards = {card: frame.image.header[card] for card in COORDINATE_CARDS}
        x, y = WCS(fits.Header(cards)).world_to_pixel_values(*REAL_GALAXY)
        x0, y0 = int(x) - 31, int(y) - 31
        own = stored_pixels(frame.image)[None, None, y0 : y0 + 64, x0 : x0 + 64].repeat(5, axis=1)
        assert flux == pytest.approx(aperture_nmgy(own, radii_arcsec=(3.0,))[0, 0, 0], rel=0.01)


@pytest.mark.parametrize("position", [(38.24927, -0.13706), (38.31772, 0.0043)])
def test_real_galaxies_at_the_border_are_padded_and_said_so(shared_data, position):
    cutout = cut_frames(shared_data / "frames", *position)
    np.testing.assert_allclose(centres_px(cutout.flux_nmgy[None])[0], 31.5, atol=1.0)
    assert cutout.notes[0].endswith("of the image is off the frame; noise was put there")
