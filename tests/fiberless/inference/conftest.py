from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.inference.basis import LatentScaler, SpectralBasis
from fiberless.inference.conditioning import ConditionScaler, prepare
from fiberless.inference.latent import LatentFamily
from fiberless.inference.predictor import load_predictor
from fiberless.nn import ImageEncoder, LatentDenoiser, LatentEncoder
from fiberless.testing import synthetic_cutout, toy_spectra, write_toy_cascade, write_toy_store

QUANTITIES = np.linspace(0.9, 1.1, 3)[:, None] * [
    *(2.1, 0.4, -0.2, 0.4, 10.5, -10.0, 8.9),
    *(0.7, -0.2, 0.1, 0.3),
]


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    write_toy_store(folder)
    write_toy_cascade(folder)
    return folder


@pytest.fixture(scope="session")
def predictor(store):
    return load_predictor(store, "toy-1", device="cpu")


@pytest.fixture(scope="session")
def full_family() -> LatentFamily:
    """Networks of the real sizes, no layer at zero; their answers mean nothing."""
    torch.manual_seed(0)
    networks = (ImageEncoder().eval(), LatentEncoder().eval(), LatentDenoiser().eval())
    for layer in (networks[2].project_out, *(block.modulation for block in networks[2].blocks)):
        nn.init.normal_(layer.weight, std=0.02)
    conditions = prepare([synthetic_cutout(500 + i) for i in range(60)])
    return LatentFamily(
        *networks,
        basis=SpectralBasis.fit(toy_spectra(200), n_components=52),
        latent_scaler=LatentScaler.fit([0.06, 0.1, 0.14], [-0.1, 0.0, 0.1], physical=QUANTITIES),
        condition_scaler=ConditionScaler.fit(
            conditions.photometry, conditions.pixels, conditions.r_magnitude
        ),
    )


@pytest.fixture
def request_of():
    def build(galaxy, **options):
        return PredictionRequest(synthetic_cutout(galaxy), PredictionOptions(**options))

    return build
