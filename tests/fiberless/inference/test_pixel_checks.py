import numpy as np
import pytest

from fiberless.images.apertures import REFERENCE_SIGMA_NMGY
from fiberless.inference.pixel_checks import PIXEL_STATISTICS, pixel_statistics

COLOURS = np.array([0.3, 0.6, 1.0, 1.3, 1.5])


def galaxy(*, y=31.5, x=31.5, flux=300.0, sigma_px=3.0):
    rows, columns = np.mgrid[:64, :64]
    shape = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma_px**2))
    return COLOURS[:, None, None] * flux * shape / shape.sum()


def noise(seed=0):
    rng = np.random.default_rng(seed)
    return REFERENCE_SIGMA_NMGY[:, None, None] * rng.standard_normal((5, 64, 64))


def measure(image):
    return dict(zip(PIXEL_STATISTICS, pixel_statistics(image[None])[0].tolist(), strict=True))


@pytest.fixture(scope="module")
def clean():
    return measure(galaxy() + noise())


def test_a_galaxy_in_reference_noise_is_quiet(clean):
    for band in "ugriz":
        # the quietest of four corners: lg of (1 − its error of a tenth)
        assert clean[f"noise_{band}"] == pytest.approx(-0.05, abs=0.06)
    assert clean["sky"] < 0.3
    assert abs(clean["correlated"]) < 0.05
    assert clean["constant"] == 0
    assert clean["lone_source"] < 5
    assert clean["hole"] < 6
    assert clean["spike"] < 5.5
    assert clean["displaced"] < 1
    assert clean["off_centre"] < 0.5
    assert clean["companion"] < 0.1


def test_noise_follows_the_unit(clean):
    scaled = measure(10 * (galaxy() + noise()))
    assert scaled["noise_r"] - clean["noise_r"] == pytest.approx(1.0, abs=1e-4)


def test_sky_is_the_level_in_sigmas():
    image = galaxy() + noise()
    image[3] += 7 * REFERENCE_SIGMA_NMGY[3]
    assert measure(image)["sky"] == pytest.approx(7, abs=0.4)


def test_mean_of_two_pixels_halves_the_difference():
    # a two-point mean along x leaves differences √(1/2) of those far apart: 1 − 0.707
    blurred = (noise() + np.roll(noise(), 1, axis=-1)) / 2
    assert measure(galaxy() + blurred)["correlated"] == pytest.approx(0.293, abs=0.03)


def test_constant_block_counts_its_own_area():
    image = galaxy() + noise()
    image[1, :21, :] = 0.0
    assert measure(image)["constant"] == pytest.approx(20 * 63 / 63**2, rel=1e-3)


def test_light_of_one_band_alone_is_seen_and_that_of_all_is_not():
    one, every = galaxy() + noise(), galaxy() + noise()
    source = galaxy(y=50, x=12, flux=20, sigma_px=1.5)
    one[2] += source[2]
    assert measure(one)["lone_source"] > 10
    assert measure(every + source)["lone_source"] < 5


def test_faint_line_of_one_band_adds_up_along_its_length(clean):
    image = galaxy() + noise()
    image[2, 10:13, :] += 3.0 * REFERENCE_SIGMA_NMGY[2]
    found = measure(image)
    assert found["lone_line"] > 10 > clean["lone_line"]


def test_band_of_noise_is_dark(clean):
    image = galaxy() + noise()
    image[3] = noise(seed=5)[3]
    assert clean["dark_band"] < 0
    assert measure(image)["dark_band"] > 20


def test_hole_is_as_deep_as_its_pixels_say():
    image = noise()
    image[2, 40:43, 40:43] = -4 * REFERENCE_SIGMA_NMGY[2]
    assert measure(image)["hole"] == pytest.approx(12, abs=0.7)  # nine pixels of 4 σ


def test_single_pixel_is_a_spike_and_a_point_source_is_not():
    hot, star = galaxy() + noise(), galaxy() + noise() + galaxy(y=12, x=12, flux=200, sigma_px=1.2)
    hot[1, 12, 12] += 40 * REFERENCE_SIGMA_NMGY[1]
    assert measure(hot)["spike"] > 10
    assert measure(star)["spike"] < 5.5


def test_clipped_peak_is_flat(clean):
    image = galaxy(flux=3000) + noise()
    clipped = measure(np.minimum(image, 0.6 * image.max(axis=(1, 2), keepdims=True)))
    assert clipped["flat"] == 0
    assert clean["flat"] < -1


def test_band_two_pixels_off_is_displaced():
    image = galaxy() + noise()
    image[1] = (galaxy(y=33.5) + noise())[1]
    assert measure(image)["displaced"] > 5


def test_off_centre_grows_with_the_distance():
    near, far = (measure(galaxy(y=31.5 + shift) + noise())["off_centre"] for shift in (1, 4))
    assert near < 2
    assert far > 3


def test_sky_alone_is_empty(clean):
    assert measure(noise())["empty"] > -4
    assert clean["empty"] < -100


def test_companion_is_measured_in_units_of_the_galaxy():
    image = galaxy(sigma_px=1.8) + 0.5 * galaxy(y=31.5, x=41.5, sigma_px=1.8) + noise()
    assert measure(image)["companion"] == pytest.approx(0.5, abs=0.03)


def test_each_image_is_measured_for_itself():
    images = np.stack([galaxy(flux=f) + noise(i) for i, f in enumerate((50, 100, 400))])
    together = pixel_statistics(images)
    assert together.shape == (3, len(PIXEL_STATISTICS))
    for row, image in zip(together, images, strict=True):
        assert np.array_equal(row, pixel_statistics(image[None])[0])


def test_constant_image_has_finite_statistics():
    assert np.isfinite(pixel_statistics(np.zeros((1, 5, 64, 64)))).all()
