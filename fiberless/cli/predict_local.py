"""Predictions without a service, in this process: what `fiberless predict --local` does."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console

from fiberless.cli.predict_remote import show_prediction
from fiberless.contract import PredictionOptions, PredictionRequest, Target
from fiberless.contract.model_stores import find_version
from fiberless.images.cutout import Cutout
from fiberless.images.fits.read import read_cutout
from fiberless.inference.predictor import load_predictor
from fiberless.products.fits import prediction_fits
from fiberless.products.plot import plot_prediction
from fiberless.service.image_sources import configured_source
from fiberless.service.settings import Settings

__all__ = ["predict_locally"]


def predict_locally(
    images: Sequence[Path],
    target: Target | None,
    *,
    settings: Settings,
    options: Mapping[str, Any],
    as_json: bool,
    out: Path | None,
) -> None:
    """Predict files, and what a target names, one after the other.

    Parameters
    ----------
    images : FITS files, one galaxy each
    target : a place or a name, whose image the configured sources are asked for; None for files alone
    settings : default model, device and image sources
    options : fields of `PredictionOptions`
    as_json : print documents, one a line, and everything else on standard error
    out : folder for FITS, JSON and PNG; None writes none

    Raises
    ------
    FiberlessError
        What is wrong with an image, a target, an option or the model.

    """
    console = Console(stderr=as_json)
    store, version = find_version(options.get("model") or settings.default_model)
    predictor = load_predictor(store, version, device=settings.device)
    for name, cutout in _cutouts(images, target, settings):
        chosen = PredictionOptions.model_validate({"label": name[:128], **options, "model": version})
        (result,) = predictor.predict([PredictionRequest(cutout, chosen)])
        show_prediction(result.prediction, as_json=as_json)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            stem = out / Path(name).stem
            stem.with_suffix(".fits").write_bytes(prediction_fits(result.prediction, result.arrays, cutout))
            document = result.prediction.model_dump_json(by_alias=True, indent=1)
            stem.with_suffix(".json").write_text(document + "\n", encoding="utf-8")
            plot_prediction(result.prediction, cutout, stem.with_suffix(".png"))
            console.print(f"wrote {stem}.fits, .json and .png")


def _cutouts(images: Sequence[Path], target: Target | None, settings: Settings) -> list[tuple[str, Cutout]]:
    """Names and images; the files are read before the survey is asked."""
    found = [(path.name, read_cutout(path.read_bytes())) for path in images]
    if target is not None:
        with closing(configured_source(settings)) as source:
            found.append((_name_of(target), source.fetch(target)))
    return found


def _name_of(target: Target) -> str:
    if target.object_id is not None:
        return target.object_id
    return f"{target.ra:.5f}{target.dec:+.5f}"
