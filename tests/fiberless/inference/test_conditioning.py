import numpy as np
import pytest

from fiberless.errors import UsageError
from fiberless.images.apertures import PHOTOMETRY_NAMES
from fiberless.images.cutout import Cutout
from fiberless.inference.conditioning import ConditionScaler, conditions_of, prepare, scale_images
from fiberless.testing import synthetic_cutout


@pytest.fixture(scope="module")
def conditions():
    return prepare([synthetic_cutout(i) for i in range(100)])


def test_scaled_sky_is_a_third_of_asinh_of_its_sigmas():
    flux = np.random.default_rng(0).normal(0, 0.2, (1, 5, 64, 64)).astype(np.float32)
    flux[0, :, 32, 32] = 0.2 * np.sinh(6.0)
    scaled = scale_images(flux)
    assert scaled[0, :, 32, 32] == pytest.approx(2.0, abs=0.05)
    assert scaled.std() == pytest.approx(0.3, abs=0.04)


def test_empty_border_does_not_blow_the_scale_up():
    flux = np.zeros((1, 5, 64, 64), dtype=np.float32)
    flux[..., 20:44, 20:44] = 1.0
    scaled = scale_images(flux)
    assert np.isfinite(scaled).all()
    assert scaled.max() < 2


def test_scaling_commutes_with_turning_the_image():
    flux = synthetic_cutout(1).flux_nmgy[None]
    assert np.allclose(
        scale_images(np.rot90(flux, axes=(-2, -1))), np.rot90(scale_images(flux), axes=(-2, -1))
    )


def test_aperture_flux_is_the_light_inside_the_fibre():
    y, x = np.mgrid[:64, :64] - 31.5
    sigma_px = 3.0
    image = 100 * np.exp(-(x**2 + y**2) / (2 * sigma_px**2)) / (2 * np.pi * sigma_px**2)
    measured = conditions_of(np.repeat(image[None, None], 5, axis=1).astype(np.float32))
    inside = 100 * (1 - np.exp(-((1.5 / 0.396) ** 2) / (2 * sigma_px**2)))
    assert measured.r_aperture_nmgy[0] == pytest.approx(inside, rel=0.01)
    assert measured.r_magnitude[0] == pytest.approx(17.5, abs=0.01)


def test_dark_image_keeps_a_positive_calibration_flux():
    measured = conditions_of(np.full((1, 5, 64, 64), -0.01, dtype=np.float32))
    assert 0 < measured.r_aperture_nmgy[0] < 1
    assert np.isnan(measured.r_magnitude[0])
    assert np.isfinite(measured.photometry).all()


def test_a_galaxy_is_measured_for_itself(conditions):
    alone = prepare([synthetic_cutout(7)])
    together = conditions[7:8]
    assert len(alone) == len(together) == 1
    for name, array in vars(alone).items():
        assert np.array_equal(array, getattr(together, name)), name


def test_other_sizes_are_refused():
    with pytest.raises(UsageError, match="64×64 pixels; this cutout has 51×51"):
        prepare([Cutout(flux_nmgy=np.ones((5, 51, 51)))])


@pytest.fixture(scope="module")
def scaler(conditions):
    return ConditionScaler.fit(
        conditions.photometry, conditions.pixels, conditions.r_magnitude, feature_size=8
    )


def test_photometry_is_standardised_over_its_own_sample(scaler, conditions):
    scaled = scaler.scale_photometry(conditions.photometry)
    assert scaled.shape == (100, len(PHOTOMETRY_NAMES))
    assert np.allclose(scaled.mean(axis=0), 0, atol=1e-3)
    assert np.allclose(scaled.std(axis=0), 1, atol=1e-3)


def test_features_are_left_alone_until_the_encoder_is_trained(scaler):
    features = np.random.default_rng(2).normal(3, 0.03, (500, 8)).astype(np.float32)
    assert np.array_equal(scaler.scale_features(features), features)
    scaled = scaler.with_features(features).scale_features(features)
    assert np.allclose(scaled.mean(axis=0), 0, atol=1e-3)
    assert np.allclose(scaled.std(axis=0), 1, atol=1e-3)


def test_a_star_is_unusual_among_galaxies(scaler):
    y, x = np.mgrid[:64, :64] - 31.5
    psf = np.exp(-(x**2 + y**2) / (2 * 1.4**2))
    noise = np.random.default_rng(5).normal(0, 0.03, (1, 5, 64, 64))
    star = np.repeat((300 * psf / psf.sum())[None, None], 5, axis=1) + noise
    assert "compact" in [outlier.name for outlier in scaler.outliers(conditions_of(star))[0]]


def test_its_own_galaxies_are_usual(scaler, conditions):
    assert np.mean([bool(found) for found in scaler.outliers(conditions)]) <= 0.1
