from dataclasses import replace

import numpy as np
import pytest

from fiberless.contract.properties import Flag, Measurement
from fiberless.datasets.shards import DatasetInfo, ShardSet, write_info, write_shard
from fiberless.inference.basis import LatentScaler
from fiberless.inference.physical import PHYSICAL_NAMES, PhysicalQuantities, absolute, reduced, true_physical
from fiberless.inference.physical_properties import physical_properties


def _galaxies() -> tuple[PhysicalQuantities, np.ndarray, np.ndarray]:
    """Quantities, redshifts and r fluxes in nmgy of 200 galaxies, in the ranges of real ones."""
    rng = np.random.default_rng(0)
    ranges = {
        "log_sigma": (1.8, 2.5),
        "log_age": (-1, 1),
        "metallicity": (-1, 0.3),
        "av": (0, 2),
        "log_stellar_mass": (9, 11.5),
        "log_sfr": (-1.4, 1.5),
        "oxygen": (8.4, 9.2),
        "log_age_mass": (0, 1),
        "metallicity_mass": (-1, 0.3),
        "log_ml_living": (-0.6, 0.4),
        "log_ml_formed": (0.5, 0.8),
    }
    values = PhysicalQuantities(**{name: rng.uniform(*ends, 200) for name, ends in ranges.items()})
    return values, rng.uniform(0.04, 0.16, 200), rng.uniform(50, 500, 200)


VALUES, REDSHIFT, R_NMGY = _galaxies()
EW = Measurement(value=20.0, lower=15.0, upper=25.0, unit="Angstrom", method="")


def test_reading_back_gives_what_was_written():
    scaler = LatentScaler.fit(REDSHIFT, np.linspace(-1, 1, 200), physical=reduced(VALUES, REDSHIFT, R_NMGY))
    latent = scaler.to_latent(REDSHIFT, np.zeros(200), np.zeros((200, 4)), reduced(VALUES, REDSHIFT, R_NMGY))
    assert latent.shape == (200, 17)
    assert latent[:, 6:].mean(axis=0) == pytest.approx(np.zeros(11), abs=1e-5)
    assert latent[:, 6:].std(axis=0) == pytest.approx(np.ones(11), abs=1e-5)
    parts = scaler.from_latent(latent)
    assert parts.whitened.shape == (200, 4)
    read = absolute(parts.physical, parts.redshift, R_NMGY)
    assert read.columns() == pytest.approx(VALUES.columns(), abs=1e-3)


def test_a_candidate_twice_as_far_is_four_times_as_massive():
    near, far = 0.05, 0.1
    columns = reduced(VALUES[:1], np.array([near]), R_NMGY[:1])
    moved = absolute(columns, np.array([far]), R_NMGY[:1])
    # luminosity distances of 222.1 and 460.3 Mpc (H0 = 70, Om = 0.3; Wright's calculator)
    assert moved.log_stellar_mass - VALUES.log_stellar_mass[:1] == pytest.approx(
        2 * np.log10(460.3 / 222.1), abs=1e-3
    )
    assert moved.log_sfr - VALUES.log_sfr[:1] == pytest.approx(2 * np.log10(460.3 / 222.1), abs=1e-3)
    assert moved.oxygen == pytest.approx(VALUES.oxygen[:1])


def test_hardly_any_star_formation_is_not_told_apart():
    dead = replace(VALUES, log_sfr=np.full(200, -9.0))
    read = absolute(reduced(dead, REDSHIFT, R_NMGY), REDSHIFT, R_NMGY)
    assert read.log_sfr - read.log_stellar_mass == pytest.approx(-13.0)


def test_no_more_mass_lives_than_was_formed():
    columns = reduced(replace(VALUES, log_ml_formed=VALUES.log_ml_living - 0.1), REDSHIFT, R_NMGY)
    read = absolute(columns, REDSHIFT, R_NMGY)
    assert read.log_ml_formed == pytest.approx(VALUES.log_ml_living)


def test_unknown_quantities_stay_unknown(tmp_path):
    info = DatasetInfo(
        kind="sdss",
        description="",
        n=3,
        seed=0,
        shard_size=3,
        version="",
        truth_names=("log_stellar_mass", "log_sfr"),
    )
    write_info(tmp_path, info)
    write_shard(tmp_path, 0, {"truth": np.array([[10.5, 0.2], [11.0, np.nan], [10.0, -9.0]], np.float32)})
    truth = true_physical(ShardSet(tmp_path))
    assert np.isnan(truth.oxygen).all()
    assert truth.log_sfr == pytest.approx([0.2, np.nan, -3.0], nan_ok=True, abs=1e-6)
    columns = reduced(truth, np.full(3, 0.1), np.full(3, 100.0))
    scaler = LatentScaler.fit(np.array([0.05, 0.1, 0.15]), np.array([-1.0, 0, 1]), physical=columns)
    latent = scaler.to_latent(np.full(3, 0.1), np.zeros(3), np.zeros((3, 2)), columns)
    assert np.isnan(latent[:, 4:]).sum() == 9 * 3 + 1
    assert np.isfinite(latent[:, 8]).all()


def test_measurements_carry_units_intervals_and_flags():
    cold = replace(VALUES[np.zeros(25, dtype=int)], log_sigma=np.log10(np.linspace(60, 80, 25)))
    measured = physical_properties(cold, EW)
    sigma = measured["velocity_dispersion"]
    assert (sigma.value, sigma.unit, sigma.flag) == (pytest.approx(70.0), "km / s", Flag.LOW_CONFIDENCE)
    assert sigma.lower < 70 < sigma.upper
    assert measured["stellar_age"].value == pytest.approx(10 ** VALUES.log_age[0], rel=1e-4)
    assert measured["ebv_stars"].value == pytest.approx(VALUES.av[0] / 4.05, rel=1e-4)
    specific = measured["log_ssfr"]
    assert specific.value == pytest.approx(VALUES.log_sfr[0] - VALUES.log_stellar_mass[0], rel=1e-4)
    assert specific.unit == "dex(1 / yr)"
    assert measured["stellar_age_mass"].value == pytest.approx(10 ** VALUES.log_age_mass[0], rel=1e-4)
    assert measured["log_ml_formed_r"].unit == "dex(solMass / solLum)"
    assert measured["gas_metallicity"].flag is Flag.OK
    faint = EW.model_copy(update={"value": 1.0})
    assert physical_properties(cold, faint)["gas_metallicity"].flag is Flag.LOW_CONFIDENCE


def test_the_order_of_the_latent_is_an_on_disk_format():
    assert PHYSICAL_NAMES[:4] == ("log_sigma", "log_age", "metallicity", "av")
    assert PHYSICAL_NAMES[4:8] == ("log_stellar_mass", "log_sfr", "oxygen", "log_age_mass")
    assert PHYSICAL_NAMES[8:] == ("metallicity_mass", "log_ml_living", "log_ml_formed")
    columns = np.arange(22.0).reshape(2, 11)
    assert PhysicalQuantities.of_columns(columns).columns().tolist() == columns.tolist()
