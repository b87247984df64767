"""`LatentFamily`: the default model; candidates are drawn as latent vectors and decoded linearly."""

from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor

from fiberless.arrays import FloatArray
from fiberless.astro.bands import nmgy_to_flambda, pivot_aa
from fiberless.inference.basis import LatentScaler, SpectralBasis, without_amplitude
from fiberless.inference.conditioning import Conditions
from fiberless.inference.family import Candidates, Family, OnStep, SpectralGrid, contrastive_score, medoid
from fiberless.inference.physical import absolute
from fiberless.inference.sampler import Seeds, initial_noise, sample
from fiberless.nn import ImageEncoder, LatentDenoiser, LatentEncoder

__all__ = ["LatentFamily"]


@dataclass(frozen=True, eq=False)
class LatentFamily(Family):
    """Networks, basis and scalers of one version of the latent model, on one device."""

    image_encoder: ImageEncoder
    latent_encoder: LatentEncoder
    denoiser: LatentDenoiser
    basis: SpectralBasis
    latent_scaler: LatentScaler

    @property
    def latent_size(self) -> int:
        """Length D of the latent."""
        return int(self.denoiser.config.latent_size)

    @property
    def _weight(self) -> Tensor:
        weight: Tensor = self.denoiser.project_in.weight
        return weight

    @torch.inference_mode()
    def encode(self, conditions: Conditions) -> Tensor:
        """Image features (B, W) float32 on the device: the only pass over the pixels."""
        photometry = self.condition_scaler.scale_photometry(conditions.photometry)
        features: Tensor = self.image_encoder(self._to_device(conditions.image), self._to_device(photometry))
        return features

    @torch.inference_mode()
    def draw(
        self,
        conditions: Conditions,
        features: Tensor,
        noise: Tensor,
        steps: int,
        *,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Draw latents.

        Parameters
        ----------
        conditions : of B galaxies
        features : (B, W) from `encode`
        noise : (B, K, D) unit normal
        steps : int
            Evaluations of the denoiser.
        on_step : callable or None
            Told after each evaluation how many are done.

        Returns
        -------
        (B, K, D) float32 on the device

        """
        photometry = self.condition_scaler.scale_photometry(conditions.photometry)
        scaled = self.condition_scaler.scale_features(features.cpu().numpy())
        condition = self.denoiser.encode_condition(self._to_device(scaled), self._to_device(photometry))

        evaluations = count(1)

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            clean: Tensor = self.denoiser.denoise(x, sigma.expand(len(x), 1), condition[:, None])
            if on_step is not None:
                on_step(next(evaluations))
            return clean

        return sample(denoise, noise.to(self.device), steps)

    @torch.inference_mode()
    def score(self, features: Tensor, latents: Tensor) -> Tensor:
        """Contrastive scores (B, K) of latents (B, K, D) with images' features (B, W)."""
        spectra = self.latent_encoder(without_amplitude(latents))
        return contrastive_score(self.image_encoder.embed(features), spectra)

    def decode_rest(self, latents: FloatArray, r_aperture_nmgy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Spectra on the whole rest-frame grid, which covers more than the published observed range.

        Parameters
        ----------
        latents : (B, K, D)
        r_aperture_nmgy : (B,) r flux of each image inside 1.5"

        Returns
        -------
        (ln_flux_rest, redshift) : (B, K, 3902) float32 and (B, K), as in `Candidates`. To put a
            spectrum on any observed grid: `fiberless.astro.wavelength.resample_log_flux`.

        """
        parts = self.latent_scaler.from_latent(latents)
        ln_image = np.log(nmgy_to_flambda(r_aperture_nmgy, pivot_aa("r")))
        ln_mean = parts.amplitude + np.expand_dims(ln_image, -1)
        ln_flux = self.basis.decode(parts.whitened) + ln_mean[..., None].astype(np.float32)
        return ln_flux, parts.redshift

    def physical(self, latents: FloatArray, r_total_nmgy: FloatArray) -> FloatArray:
        """Physical quantities (B, K, P) of latents (B, K, D), as in `Candidates`.

        Parameters
        ----------
        latents : (B, K, D)
        r_total_nmgy : (B,) r flux of each image inside 7"

        """
        parts = self.latent_scaler.from_latent(latents)
        if not parts.physical.shape[-1]:
            return parts.physical
        return absolute(parts.physical, parts.redshift, np.expand_dims(r_total_nmgy, -1)).columns()

    def candidates(
        self, conditions: Conditions, seeds: Seeds, *, n: int, steps: int, on_step: OnStep | None = None
    ) -> Candidates:
        """Draw, score and decode candidates; `on_step` is told after each evaluation. See `Family`."""
        features = self.encode(conditions)
        noise = initial_noise(seeds, n, self.latent_size)
        latents = self.draw(conditions, features, noise, steps, on_step=on_step)
        drawn = latents.cpu().numpy()
        ln_flux_rest, redshift = self.decode_rest(drawn, conditions.r_aperture_nmgy)
        return Candidates(
            frame=SpectralGrid.REST,
            ln_flux=ln_flux_rest,
            redshift=redshift,
            physical=self.physical(drawn, conditions.r_total_nmgy),
            score=self.score(features, latents).cpu().numpy(),
            medoid=medoid(latents).cpu().numpy(),
            latent=drawn,
        )
