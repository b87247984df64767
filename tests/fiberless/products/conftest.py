"""A prediction with answers known beforehand, its candidates' spectra and its image."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.contract import (
    Candidate,
    CutoutInfo,
    ModelInfo,
    ObjectInfo,
    PredictedSpectrum,
    Prediction,
    PredictionArrays,
    PredictionOptions,
    PredictionRequest,
    PredictionWarning,
    Provenance,
    SamplerInfo,
    ServiceInfo,
)
from fiberless.contract.properties import Classification, LineMeasurement, Measurement, Properties
from fiberless.images.cutout import Cutout, TangentWcs
from fiberless.inference.predictor import load_predictor
from fiberless.testing import synthetic_cutout, write_toy_store

COUNT = 3
LENGTH = OBSERVED_WAVE_AA.size


def _measured(value: float | None) -> Measurement:
    return Measurement(value=value, lower=value, upper=value, unit="", method="test")


@pytest.fixture
def cutout() -> Cutout:
    """An image of 64×64 px whose middle is at RA 180, Dec 30."""
    wcs = TangentWcs((180.0, 30.0), (32.5, 32.5), (-1.1e-4, 0.0, 0.0, 1.1e-4))
    plain = synthetic_cutout(1)
    return replace(plain, source="upload", ra=180.0, dec=30.0, wcs=wcs, ebv=None)


@pytest.fixture
def arrays() -> PredictionArrays:
    flux = np.arange(COUNT * LENGTH, dtype=np.float32).reshape(COUNT, LENGTH)
    flux[1, :4] = np.nan
    return PredictionArrays(candidate_flux=flux, candidate_redshift=np.array([0.1, 0.11, 0.12], np.float32))


@pytest.fixture
def prediction(cutout) -> Prediction:
    ones = [None, None, *[1.0] * (LENGTH - 2)]
    spectrum = PredictedSpectrum.model_validate(
        {
            "n": LENGTH,
            "redshift": 0.1,
            "wavelength": {"unit": "Angstrom", "values": OBSERVED_WAVE_AA.tolist()},
            "flux": {"unit": "", "values": ones, "statistic": "medoid"},
            "uncertainty": {"values": [None, None, *[0.5] * (LENGTH - 2)]},
            "quantiles": {"values": [ones, [None, None, *[2.0] * (LENGTH - 2)], ones]},
            "mask": [True, True, *[False] * (LENGTH - 2)],
        }
    )
    classes = Classification(value="agn", probabilities={"agn": 0.75, "sf": 0.25}, method="bpt")
    line = LineMeasurement(flux=_measured(12.5), ew=_measured(None))
    return Prediction(
        id="p_1",
        object=ObjectInfo(object_id="sdss:123", ra=180.0, dec=30.0),
        created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        warnings=(PredictionWarning(code="padded", detail="noise of σ"),),
        spectrum=spectrum,
        candidates=tuple(
            Candidate(rank=k + 1, contrastive_score=0.9 - k / 10, redshift=0.1 + k / 100)
            for k in range(COUNT)
        ),
        properties=Properties(
            redshift=_measured(0.1),
            dn4000=_measured(1.5),
            agn_probability=_measured(0.75),
            bpt_class=classes,
            lines={"Halpha": line},
        ),
        provenance=Provenance(
            service=ServiceInfo(version="1.2"),
            model=ModelInfo(
                name="m", version="v1", family="latent", weights_sha256="a" * 64, training_data="t"
            ),
            sampler=SamplerInfo(steps=15, n_candidates=COUNT, seed=7, device="cpu", dtype="float32"),
            cutout=CutoutInfo(
                source="upload", sha256=cutout.sha256, bands=tuple("ugriz"), pixel_scale_arcsec=0.396
            ),
        ),
    )


@pytest.fixture(scope="session")
def real_prediction(tmp_path_factory) -> Prediction:
    """What the toy model says of a synthetic galaxy."""
    folder = tmp_path_factory.mktemp("models")
    predictor = load_predictor(folder, write_toy_store(folder), device="cpu")
    options = PredictionOptions(object_id="test:1", n_candidates=4)
    (result,) = predictor.predict([PredictionRequest(synthetic_cutout(1), options)])
    return result.prediction
