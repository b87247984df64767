"""Cutouts and prediction arrays as canonical safetensors bytes, and back: equal values, equal bytes."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from fiberless.contract import PredictionArrays
from fiberless.images.cutout import Cutout, TangentWcs

__all__ = ["decode_arrays", "decode_cutout", "encode_arrays", "encode_cutout"]

_METADATA_KEY = "cutout"
_HEADER_LENGTH_BYTES = 8


def encode_cutout(cutout: Cutout) -> bytes:
    """Tensors `flux_nmgy` (5, H, W) float32 and, where there is one, `mask` (5, H, W) bool; the rest as JSON.

    One metadata entry only, since safetensors writes several in no fixed order.
    """
    tensors: dict[str, Any] = {"flux_nmgy": cutout.flux_nmgy}
    if cutout.mask is not None:
        tensors["mask"] = np.ascontiguousarray(cutout.mask, dtype=np.bool_)
    facts = {
        "ra": cutout.ra,
        "dec": cutout.dec,
        "ebv": cutout.ebv,
        "source": cutout.source,
        "notes": list(cutout.notes),
        "pixel_scale_arcsec": cutout.pixel_scale_arcsec,
        "wcs": None if cutout.wcs is None else asdict(cutout.wcs),
    }
    return bytes(save(tensors, metadata={_METADATA_KEY: json.dumps(facts, sort_keys=True)}))


def decode_cutout(data: bytes) -> Cutout:
    """Inverse of `encode_cutout`."""
    tensors = load(data)
    facts = json.loads(_metadata(data)[_METADATA_KEY])
    return Cutout(
        flux_nmgy=tensors["flux_nmgy"],
        mask=tensors.get("mask"),
        ra=facts["ra"],
        dec=facts["dec"],
        ebv=facts.get("ebv"),
        source=facts["source"],
        notes=tuple(facts["notes"]),
        pixel_scale_arcsec=facts["pixel_scale_arcsec"],
        wcs=_wcs_of(facts.get("wcs")),
    )


def encode_arrays(arrays: PredictionArrays) -> bytes:
    """Tensors `candidate_flux` (K, L) and `candidate_redshift` (K,), float32."""
    tensors = {
        "candidate_flux": np.ascontiguousarray(arrays.candidate_flux, dtype=np.float32),
        "candidate_redshift": np.ascontiguousarray(arrays.candidate_redshift, dtype=np.float32),
    }
    return bytes(save(tensors))


def decode_arrays(data: bytes) -> PredictionArrays:
    """Inverse of `encode_arrays`."""
    tensors = load(data)
    return PredictionArrays(
        candidate_flux=tensors["candidate_flux"], candidate_redshift=tensors["candidate_redshift"]
    )


def _wcs_of(facts: dict[str, list[float]] | None) -> TangentWcs | None:
    if facts is None:
        return None
    ra, dec = facts["crval_deg"]
    x, y = facts["crpix"]
    first, second, third, fourth = facts["cd_deg"]
    return TangentWcs((ra, dec), (x, y), (first, second, third, fourth))


def _metadata(data: bytes) -> dict[str, str]:
    """Metadata of safetensors bytes, which the library itself reads from files only."""
    length = int.from_bytes(data[:_HEADER_LENGTH_BYTES], "little")
    header = json.loads(data[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])
    metadata: dict[str, str] = header["__metadata__"]
    return metadata
