"""Good FITS files give the cutout that was put in; spoiled ones a usage error and nothing else."""

import gzip
import tracemalloc
from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fiberless.astro.bands import BANDS
from fiberless.errors import UsageError
from fiberless.images.apertures import centres_px, sky_sigma_nmgy
from fiberless.images.cutout import Cutout, TangentWcs
from fiberless.images.fits.band_files import name_band_files
from fiberless.images.fits.read import read_band_files, read_cutout, write_cutout

STAMPS = (
    "187.5469-12.0381",
    "187.5579-11.9396",
    "187.5741-12.0154",
    "187.5858-11.8727",
    "187.6211-11.8639",
    "187.6575-11.9026",
    "187.6667-12.0397",
    "187.7025-12.0452",
)


def test_a_cube_is_taken_as_it_is(make):
    cutout = read_cutout(make.cube(**make.wcs()))
    np.testing.assert_array_equal(cutout.flux_nmgy, make.galaxy())
    assert (cutout.ra, cutout.dec) == pytest.approx((180.0, 30.0), abs=1e-10)
    assert cutout.notes == ()
    assert cutout.mask is None
    assert cutout.source == "upload"


@pytest.mark.parametrize("dtype", [">f4", ">f8"])
def test_floats_of_both_widths_agree(make, dtype):
    np.testing.assert_array_equal(
        read_cutout(make.cube(make.galaxy().astype(dtype))).flux_nmgy, make.galaxy()
    )


@pytest.mark.parametrize("dtype", [">i2", ">i4"])
def test_integers_are_scaled_and_blanks_masked(make, dtype):
    stored = np.round(make.galaxy() * 1000).astype(dtype)
    stored[1, 5, 6] = -32000
    hdu = fits.PrimaryHDU(stored, header=fits.Header({"BLANK": -32000, "FILL1": 1, "FILL2": 1}))
    data = make.patch(make.file(hdu), "FILL1", "BSCALE  =                0.001")
    cutout = read_cutout(make.patch(data, "FILL2", "BZERO   =                  0.5"))
    assert np.argwhere(cutout.mask).tolist() == [[1, 5, 6]]
    expected = np.where(cutout.mask, cutout.flux_nmgy, stored * 0.001 + 0.5)
    np.testing.assert_allclose(cutout.flux_nmgy, expected, atol=1e-5)


def test_gzip_is_inflated(make):
    assert read_cutout(gzip.compress(make.cube())).sha256 == read_cutout(make.cube()).sha256


def test_images_are_sorted_by_name_and_the_caller_is_told(make):
    pixels = make.galaxy()
    cutout = read_cutout(make.images("zirgu", pixels[::-1]))
    np.testing.assert_array_equal(cutout.flux_nmgy, pixels)
    assert "bands reordered to u, g, r, i, z" in cutout.notes


@pytest.mark.parametrize("cards", [{"FILTERS": "zirgu"}, {f"BAND{i + 1}": b for i, b in enumerate("zirgu")}])
def test_planes_are_sorted_by_their_cards(make, cards):
    pixels = make.galaxy()
    np.testing.assert_array_equal(read_cutout(make.cube(pixels[::-1], **cards)).flux_nmgy, pixels)


def test_other_images_beside_the_five_are_left_alone(make):
    pixels = make.galaxy(bands=6)
    cutout = read_cutout(make.images(("u", "g", "r", "i", "z", "weight"), pixels))
    np.testing.assert_array_equal(cutout.flux_nmgy, pixels[:5])


@pytest.mark.parametrize("unit", ["nanomaggy", "nanomaggies", "nMgy", "NMGY", " Nanomaggies "])
def test_names_of_nanomaggies(make, unit):
    assert read_cutout(make.cube(BUNIT=unit)).notes == ()


def test_a_missing_unit_is_told(make):
    assert read_cutout(make.cube(BUNIT=None)).notes == ("no BUNIT; fluxes taken as nanomaggies",)


def test_a_source_of_ab_magnitude_20_in_janskys(make):
    """r: 3631 Jy × 10^(−0.4·20) = 10 nmgy; u: 0.04 mag fainter in SDSS magnitudes' flux."""
    jansky = np.full((5, 64, 64), 0.0) + make.galaxy() * 0
    jansky[:, 31, 31] = 3631 * 10 ** (-0.4 * 20) * 1e6
    jansky[:, 0, 0] = 1e-3
    flux = read_cutout(make.cube(jansky.astype("f4"), BUNIT="uJy")).flux_nmgy[:, 31, 31]
    np.testing.assert_allclose(flux, [10 * 10**-0.016, 10, 10, 10, 10 * 10**0.008], rtol=1e-5)


@pytest.mark.parametrize(("side", "pixel"), [(33, 16), (51, 25), (63, 31), (65, 32), (101, 50)])
def test_the_central_pixel_of_an_odd_image_lands_on_31(make, side, pixel):
    pixels = make.galaxy(side)
    pixels[:, pixel, pixel] = 77.0
    cutout = read_cutout(make.cube(pixels, **make.wcs(side)))
    assert (cutout.flux_nmgy[:, 31, 31] == 77.0).all()
    assert cutout.wcs is not None
    assert cutout.wcs.crpix == (32.0, 32.0)
    assert (cutout.ra, cutout.dec) == pytest.approx((180.0, 30.0), abs=1e-10)


@pytest.mark.parametrize("side", [32, 50, 64, 66, 100])
def test_the_middle_of_an_even_image_lands_between_31_and_32(make, side):
    cutout = read_cutout(make.cube(make.galaxy(side), **make.wcs(side)))
    assert cutout.flux_nmgy.shape == (5, 64, 64)
    np.testing.assert_allclose(centres_px(cutout.flux_nmgy[None])[0], 31.5, atol=0.1)
    assert cutout.wcs is not None
    assert cutout.wcs.crpix == (32.5, 32.5)


def test_padding_has_the_noise_of_the_sky_and_is_told(make):
    cutout = read_cutout(make.cube(make.galaxy(41)))
    assert cutout.notes == ("padded from 41x41 to 64x64 with noise of its own sky",)
    padding = np.concatenate([cutout.flux_nmgy[:, :11].ravel(), cutout.flux_nmgy[:, -12:].ravel()])
    assert padding.std() == pytest.approx(0.02, rel=0.1)
    assert abs(padding.mean()) < 0.002
    assert len(np.unique(padding)) > 0.99 * padding.size


def test_padding_depends_on_the_pixels_alone(make):
    first, again = (read_cutout(make.cube(make.galaxy(51), OBJECT=name)) for name in ("one", "two"))
    other = read_cutout(make.cube(make.galaxy(51, seed=2)))
    np.testing.assert_array_equal(first.flux_nmgy, again.flux_nmgy)
    assert (first.flux_nmgy[:, 0] != other.flux_nmgy[:, 0]).all()


def test_a_few_invalid_pixels_are_masked_and_filled(make):
    pixels = make.galaxy()
    truth = pixels[2, 33, 33]
    pixels[2, 33, 33] = np.nan
    cutout = read_cutout(make.cube(pixels))
    assert np.argwhere(cutout.mask).tolist() == [[2, 33, 33]]
    assert cutout.flux_nmgy[2, 33, 33] == pytest.approx(truth, rel=0.15)
    assert cutout.notes == ("1 invalid pixels masked and filled from neighbours",)


def test_a_slightly_different_scale_is_told(make):
    notes = read_cutout(make.cube(**make.wcs(scale_arcsec=0.41))).notes
    assert notes == ("pixels of 0.410 arcsec taken as 0.396",)


@pytest.mark.parametrize(
    "cards",
    [
        {"CDELT1": -1.1e-4, "CDELT2": 1.1e-4},
        {"CDELT1": -1.1e-4, "CDELT2": 1.1e-4, "CROTA2": 30.0},
        {"CDELT1": 1.1e-4, "CDELT2": 1.1e-4, "PC1_1": 0.0, "PC1_2": 1.0, "PC2_1": 1.0, "PC2_2": 0.0},
    ],
)
def test_old_pixel_matrices_mean_what_astropy_says(make, cards):
    base = {key: value for key, value in make.wcs().items() if not key.startswith("CD")} | {"CRPIX1": 20.0}
    cutout = read_cutout(make.cube(**base, **cards))
    expected = WCS(fits.Header(base | cards)).pixel_to_world_values(31.5, 31.5)
    assert (cutout.ra, cutout.dec) == pytest.approx(tuple(map(float, expected)), abs=1e-9)


def test_a_position_card_counts_if_it_agrees_with_the_image(make):
    near = read_cutout(make.cube(**make.wcs(), RA=180.0002, DEC=30.0001))
    boresight = read_cutout(make.cube(**make.wcs(), RA=181.0, DEC=30.0))
    alone = read_cutout(make.cube(RA=181.0, DEC=30.0))
    assert (near.ra, near.dec) == (180.0002, 30.0001)
    assert (boresight.ra, boresight.dec) == pytest.approx((180.0, 30.0))
    assert (alone.ra, alone.dec) == (181.0, 30.0)


def test_written_files_open_in_astropy(make):
    cutout = read_cutout(make.cube(**make.wcs()))
    with fits.open(BytesIO(write_cutout(cutout))) as hdus:
        hdus.verify("exception")
        assert hdus[0].header["BUNIT"] == "nanomaggy"
        assert [hdus[0].header[f"BAND{i}"] for i in range(1, 6)] == list(BANDS)
        np.testing.assert_array_equal(hdus[0].data, cutout.flux_nmgy)
        assert WCS(hdus[0].header).celestial.pixel_to_world_values(31.5, 31.5) == pytest.approx((180, 30))


def test_files_are_written_where_asked(make, tmp_path):
    cutout = read_cutout(make.cube())
    assert write_cutout(cutout, tmp_path / "cutout.fits") == (tmp_path / "cutout.fits").read_bytes()


pixel = st.floats(-50, 50, width=32)


def degrees(low: int, high: int) -> st.SearchStrategy[float]:
    return st.integers(low * 10**9, high * 10**9).map(lambda nano: nano / 10**9)


@settings(max_examples=40, deadline=None)
@given(
    flux=arrays(np.float32, (5, 64, 64), elements=pixel, fill=pixel),
    mask_seed=st.none() | st.integers(0, 2**32),
    position=st.none() | st.tuples(degrees(0, 359), degrees(-89, 89)),
    source=st.sampled_from(["upload", "sdss", "mock"]),
)
def test_what_is_written_is_read_back(flux, mask_seed, position, source):
    flux = flux.copy()
    flux[:, 0, :2] = [-1.0, 1.0]
    mask = None if mask_seed is None else np.random.default_rng(mask_seed).random(flux.shape) < 0.01
    if mask is not None:
        mask[:, 0, :2] = False  # a band without a positive pixel is refused
    first = Cutout(
        flux_nmgy=flux,
        mask=mask,
        ra=position[0] if position else None,
        dec=position[1] if position else None,
        source=source,
        notes=("it's a note",),
        wcs=TangentWcs(position, (32.5, 32.5), (0.0, 1.1e-4, 1.1e-4, 0.0)) if position else None,
    )
    stored = read_cutout(write_cutout(first))
    assert (stored.ra, stored.dec, stored.source, stored.wcs) == (first.ra, first.dec, source, first.wcs)
    assert stored.notes[0] == "it's a note"
    valid = ~first.mask if first.mask is not None else np.ones(flux.shape, dtype=bool)
    np.testing.assert_array_equal(stored.flux_nmgy[valid], flux[valid])
    again = read_cutout(write_cutout(stored))
    assert again.sha256 == stored.sha256
    assert write_cutout(again) == write_cutout(stored)


def _mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """File with a few changes: bytes, cards, cuts, repeats; mostly in its headers."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        reach = 2880 if rng.random() < 0.8 else len(changed)
        at = int(rng.integers(0, max(1, min(reach, len(changed)))))
        match rng.integers(0, 7):
            case 0:
                changed[at : at + 1] = rng.bytes(1)
            case 1:
                changed[at : at + 1] = bytes(rng.choice(list(b"0123456789-.'TF =/END"), 1).astype("u1"))
            case 2:
                start, other = at // 80 * 80, int(rng.integers(0, 36)) * 80
                changed[start : start + 80] = changed[other : other + 80]
            case 3:
                del changed[at : at + int(rng.choice([1, 80, 2880]))]
            case 4:
                changed[at:at] = changed[at : at + int(rng.choice([1, 80, 2880]))]
            case 5:
                changed[at // 80 * 80 + 10 : at // 80 * 80 + 30] = (
                    f"{int(rng.integers(-9, 2**62)):>20}".encode()
                )
            case _:
                changed[at // 80 * 80 + 10 : at // 80 * 80 + 30] = f"{rng.choice(ODD_VALUES):>20}".encode()
    return bytes(changed)


ODD_VALUES = [
    "nan",
    "inf",
    "1E999",
    "-0.0",
    "''",
    "'",
    "T",
    "F",
    "9" * 20,
    "1D5",
    "/",
    "-1",
    "0",
    "5",
    "'r'",
    "1e-320",
]


@pytest.mark.parametrize("seed", range(8))
def test_spoiled_files_give_a_cutout_or_a_usage_error(make, seed):
    rng = np.random.default_rng(seed)
    originals = [
        make.cube(**make.wcs(), RA=180.0, DEC=30.0),
        make.cube(make.galaxy(40), **make.wcs(40)),
        make.images("ugriz", make.galaxy(34)),
        make.cube((make.galaxy(36) * 1000).astype(">i2"), BLANK=0),
    ]
    originals.append(gzip.compress(originals[1]))
    tracemalloc.start()
    try:
        for _ in range(60):
            with suppress(UsageError):
                flux = read_cutout(_mutated(originals[rng.integers(len(originals))], rng)).flux_nmgy
                assert flux.shape == (5, 64, 64)
                assert np.isfinite(flux).all()
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", STAMPS)
def test_real_stamps_pack_into_centred_cutouts(stamp_files, name):
    files = stamp_files(name)
    named = name_band_files([files[band] for band in "zgriu"]).files
    assert named == files
    cutout = read_band_files(named)
    stored = read_cutout(write_cutout(cutout))
    assert stored.sha256 == cutout.sha256
    assert stored.notes == cutout.notes
    assert "padded from 51x51 to 64x64 with noise of its own sky" in cutout.notes
    ra, dec = map(float, name.split("-"))
    assert (cutout.ra, cutout.dec) == pytest.approx((ra, dec), abs=1e-4)
    np.testing.assert_allclose(centres_px(cutout.flux_nmgy[None])[0], 31, atol=0.3)
    with fits.open(BytesIO(files["r"])) as hdus:
        np.testing.assert_array_equal(cutout.flux_nmgy[2, 6:57, 6:57], hdus[0].data.astype("f4"))
    outside = np.stack([cutout.flux_nmgy[2, :6], cutout.flux_nmgy[2, 57:63]])
    expected = sky_sigma_nmgy(cutout.flux_nmgy[:, 6:57, 6:57][None])[0, 2]
    assert outside.std() == pytest.approx(expected, rel=0.12)


def test_files_without_names_are_taken_in_order(make):
    files = [make.cube(plane) for plane in make.galaxy()]
    named = name_band_files(files)
    assert list(named.files) == list(BANDS)
    assert named.notes == ("no FILTER; files taken in the order u, g, r, i, z",)
    cutout = read_band_files(named.files, notes=named.notes)
    np.testing.assert_array_equal(cutout.flux_nmgy, make.galaxy())
    assert cutout.notes == named.notes


def test_some_names_are_not_enough(make):
    files = [make.cube(plane, **({"FILTER": "u"} if i == 0 else {})) for i, plane in enumerate(make.galaxy())]
    with pytest.raises(UsageError) as caught:
        name_band_files(files)
    assert caught.value.slug == "wrong-band-order"
