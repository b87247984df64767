"""A toy model version and synthetic galaxies: real components of tiny width, for tests and demonstrations."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from fiberless.arrays import FloatArray
from fiberless.astro.lines import line
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, OBSERVED_WAVE_AA, REST_WAVE_AA, resample_log_flux
from fiberless.contract import DEFAULT_CANDIDATES
from fiberless.contract.manifest import TRAINED_REDSHIFT
from fiberless.images.apertures import PHOTOMETRY_NAMES, REFERENCE_SIGMA_NMGY
from fiberless.images.cutout import CUTOUT_PIXELS, Cutout
from fiberless.inference.basis import LatentScaler, SpectralBasis, amplitude, ln_mean_flux
from fiberless.inference.cascade import CascadeFamily, CascadeSampling
from fiberless.inference.conditioning import ConditionScaler, conditions_of
from fiberless.inference.latent import LatentFamily
from fiberless.inference.physical import PHYSICAL_NAMES, PhysicalQuantities, reduced
from fiberless.inference.spectrum_scaler import SpectrumScaler, ln_aperture_flux
from fiberless.inference.store import save_cascade, save_version
from fiberless.nn import ImageEncoder, LatentDenoiser, LatentEncoder
from fiberless.nn.spectrum_contrast import SpectrumContrast
from fiberless.nn.spectrum_unet import SpectrumUNet

__all__ = [
    "TOY_CASCADE",
    "TOY_VERSION",
    "synthetic_cutout",
    "toy_cascade",
    "toy_family",
    "toy_spectra",
    "write_toy_cascade",
    "write_toy_store",
]

TOY_VERSION: Final = "toy-1"
TOY_CASCADE: Final = "toy-cascade-1"
_MANIFEST: Final[MappingProxyType[str, Any]] = MappingProxyType(
    {
        "r_magnitude_limit": 17.77,
        "sampler_steps": 5,
        "n_candidates": DEFAULT_CANDIDATES,
        "training": {"pairs": 0},
        "training_data": "none: random weights for tests",
    }
)
_CARD: Final = "# {}\n\nUntrained weights, for tests. Its predictions mean nothing.\n"
_COMPONENTS = 6
_EMBEDDING = 16
_FEATURES = 24
_GALAXIES = 160
_FIRST_SEED = 10_000  # galaxies of the statistics; tests draw others
_HEIGHTS: Final = {
    "OII_3730": 0.9,
    "Hbeta": 0.35,
    "OIII_4960": 0.12,
    "OIII_5008": 0.35,
    "NII_6550": 0.13,
    "Halpha": 1.0,
    "NII_6585": 0.38,
}
"""Line heights in units of Hα's; those of oxygen vary with the ionisation."""
_COLOURS_MAG = np.array([3.0, 1.2, 0.4, 0.0, -0.25])
"""Typical m − m_i of a galaxy at z = 0.1, u to z, fainter in the blue."""


def synthetic_cutout(seed: int) -> Cutout:
    """Draw a 64×64 image of one round-to-elongated Sérsic galaxy with SDSS-like noise.

    Parameters
    ----------
    seed : int
        Equal seeds, equal pixels. Total r lies in 15–17.5 mag, half-light radius in 1–3".

    """
    rng = np.random.default_rng(seed)
    axis = np.arange(CUTOUT_PIXELS) - (CUTOUT_PIXELS - 1) / 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    angle, flattening, sersic_n = rng.uniform(0, np.pi), rng.uniform(0.4, 1.0), rng.uniform(1, 3)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius_px = np.sqrt(along**2 + (across / flattening) ** 2 + 1.5**2)
    effective_px = rng.uniform(1.0, 3.0) / 0.396
    profile = np.exp(-(2 * sersic_n - 1 / 3) * (radius_px / effective_px) ** (1 / sersic_n))
    r_magnitude, redness = rng.uniform(15, 17.5), rng.uniform(0.5, 1.2)
    magnitudes = r_magnitude + redness * (_COLOURS_MAG - _COLOURS_MAG[2])
    flux = 10 ** (0.4 * (22.5 - magnitudes))[:, None, None] * profile / profile.sum()
    noise = REFERENCE_SIGMA_NMGY[:, None, None] * rng.standard_normal(flux.shape)
    return Cutout(flux_nmgy=(flux + noise).astype(np.float32), source="mock", ebv=0.0)


def toy_spectra(n: int, seed: int = 0) -> FloatArray:
    """Smooth rest-frame spectra with a 4000 Å break and emission lines.

    Returns
    -------
    (n, 3902) float32 natural logarithm of F_λ on `REST_WAVE_AA`

    """
    rng = np.random.default_rng(seed)
    slope, depth, strength = rng.uniform(-1.5, 0.5, n), rng.uniform(0.1, 0.7, n), rng.uniform(0.2, 4.0, n)
    ionisation = rng.uniform(0.2, 1.5, n)
    smooth = slope[:, None] * np.log(REST_WAVE_AA / 5500)
    smooth -= depth[:, None] / (1 + np.exp((REST_WAVE_AA - 4000) / 40))
    emission = sum(_line_profile(name, strength, ionisation) for name in _HEIGHTS)
    ln_flux: FloatArray = (smooth + np.log1p(emission)).astype(np.float32)
    return ln_flux


def write_toy_store(folder: Path) -> str:
    """Write a model store with one complete version of tiny width, and make it the default.

    Its denoiser knows the unit normal and little of the galaxy; its spectra are those of `toy_spectra`,
    roughly. Nothing that it predicts means anything.

    Returns
    -------
    str
        The version.

    """
    save_version(
        folder / TOY_VERSION,
        toy_family(),
        card=_CARD.format("Toy model"),
        name="toy",
        redshift_range=TRAINED_REDSHIFT,
        **_MANIFEST,
    )
    (folder / "DEFAULT").write_text(TOY_VERSION + "\n", encoding="utf-8")
    return TOY_VERSION


def write_toy_cascade(folder: Path) -> str:
    """Add a version of the cascade with tiny untrained networks to a store; its predictions mean nothing.

    Returns
    -------
    str
        The version.

    """
    save_cascade(
        folder / TOY_CASCADE,
        toy_cascade(),
        card=_CARD.format("Toy cascade"),
        name="toy-cascade",
        redshift_range=(0.0, 0.2),
        **_MANIFEST,
    )
    return TOY_CASCADE


def toy_cascade() -> CascadeFamily:
    """Build the toy cascade's parts: random weights, statistics of `_GALAXIES` synthetic galaxies."""
    conditions = conditions_of(
        np.stack([synthetic_cutout(_FIRST_SEED + i).flux_nmgy for i in range(_GALAXIES)])
    )
    redshift = np.linspace(0.04, 0.16, _GALAXIES)
    ln_flux = resample_log_flux(toy_spectra(_GALAXIES), redshift, OBSERVED_WAVE_AA)
    ratio = ln_flux - np.mean(ln_aperture_flux(conditions.r_aperture_nmgy))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = _toy_cascade_networks()
    return CascadeFamily(
        *networks,
        scaler=SpectrumScaler.fit([ratio]),
        condition_scaler=ConditionScaler.fit(
            conditions.photometry, conditions.pixels, conditions.r_magnitude, feature_size=1
        ),
        sampling=CascadeSampling(),
    )


def _toy_cascade_networks() -> tuple[SpectrumUNet, SpectrumUNet, SpectrumContrast, SpectrumContrast]:
    size = len(PHOTOMETRY_NAMES)
    image = {"image_widths": (16, 16), "image_depths": (1, 1), "photometry_size": size}
    tiny = image | {"widths": (16, 16), "blocks": 1, "time_size": 16, "preconditioned": True}
    low, high = SpectrumUNet(**tiny), SpectrumUNet(in_channels=2, patch=4, **tiny)
    for network in (low, high):
        nn.init.normal_(network.head.weight, std=0.05)
    contrasts = [
        SpectrumContrast(
            embedding_size=_EMBEDDING,
            hidden=16,
            image_bottleneck=False,
            spectrum_widths=(16, 16),
            spectrum_depths=(1, 1),
            spectrum_bottleneck=False,
            **image,
        ).eval()
        for _ in range(2)
    ]
    return low.eval(), high.eval(), *contrasts


def toy_family() -> LatentFamily:
    """Build the toy version's parts: random weights, statistics of `_GALAXIES` synthetic galaxies."""
    ln_flux = toy_spectra(_GALAXIES)
    basis = SpectralBasis.fit(ln_flux, n_components=_COMPONENTS)
    conditions = conditions_of(
        np.stack([synthetic_cutout(_FIRST_SEED + i).flux_nmgy for i in range(_GALAXIES)])
    )
    brightness = ln_mean_flux(ln_flux) + np.log(conditions.r_aperture_nmgy)
    redshift = np.linspace(0.04, 0.16, _GALAXIES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = _toy_networks()
    family = LatentFamily(
        *networks,
        basis=basis,
        latent_scaler=LatentScaler.fit(
            redshift,
            amplitude(brightness, conditions.r_aperture_nmgy),
            physical=reduced(_toy_quantities(), redshift, conditions.r_total_nmgy),
        ),
        condition_scaler=ConditionScaler.fit(
            conditions.photometry, conditions.pixels, conditions.r_magnitude, feature_size=_FEATURES
        ),
    )
    return replace(
        family,
        condition_scaler=family.condition_scaler.with_features(family.encode(conditions).numpy()),
    )


def _toy_quantities() -> PhysicalQuantities:
    """Physical quantities of the toy galaxies, unrelated to them, in the ranges of real ones."""
    rng = np.random.default_rng(1)
    typical = (2.1, 0.4, -0.1, 0.4, 10.5, 0.0, 8.9, 0.7, -0.2, 0.1, 0.4)
    return PhysicalQuantities(*(rng.normal(mean, 0.2, _GALAXIES) for mean in typical))


def _toy_networks() -> tuple[ImageEncoder, LatentEncoder, LatentDenoiser]:
    size = 2 + _COMPONENTS + len(PHYSICAL_NAMES)
    image_encoder = ImageEncoder(width=_FEATURES, depth=1, embedding_size=_EMBEDDING)
    latent_encoder = LatentEncoder(latent_size=size - 1, embedding_size=_EMBEDDING, width=16, depth=2)
    denoiser = LatentDenoiser(latent_size=size, feature_size=_FEATURES, width=16, depth=2, noise_size=16)
    for layer in (denoiser.project_out, *(block.modulation for block in denoiser.blocks)):
        nn.init.normal_(layer.weight, std=0.05)
    return image_encoder.eval(), latent_encoder.eval(), denoiser.eval()


def _line_profile(name: str, strength: FloatArray, ionisation: FloatArray) -> FloatArray:
    """Line over continuum (n, 3902): a Gaussian of 150 km/s; oxygen is scaled by the ionisation."""
    sigma_aa = line(name).wave_aa * 150 / LIGHT_SPEED_KMS
    shape = np.exp(-0.5 * ((REST_WAVE_AA - line(name).wave_aa) / sigma_aa) ** 2)
    height = _HEIGHTS[name] * strength * (ionisation if name.startswith("O") else 1.0)
    profile: FloatArray = height[:, None] * shape
    return profile
