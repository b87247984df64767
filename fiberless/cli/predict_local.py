"""Predictions without a service, in this process: what `fiberless predict --local` does."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console

from fiberless.cli.asked import AskedGalaxy, each_galaxy
from fiberless.cli.predict_remote import show_prediction
from fiberless.contract import PredictionOptions, PredictionRequest, PredictionResult
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
    galaxies: Sequence[AskedGalaxy],
    *,
    settings: Settings,
    options: Mapping[str, Any],
    as_json: bool,
    out: Path | None,
) -> None:
    """Predict galaxies one after the other; see `each_galaxy`.

    Parameters
    ----------
    galaxies : files, and targets whose images the configured sources are asked for
    settings : default model, device and image sources
    options : fields of `PredictionOptions`
    as_json : print documents, one a line, and everything else on standard error
    out : folder for FITS, JSON and PNG; None writes none

    Raises
    ------
    FiberlessError
        What is wrong with the only galaxy, an option or the model.

    """
    console = Console(stderr=as_json)
    store, version = find_version(options.get("model") or settings.default_model)
    predictor = load_predictor(store, version, device=settings.device)

    def predict(galaxy: AskedGalaxy) -> None:
        name = galaxy.of.name if isinstance(galaxy.of, Path) else galaxy.name
        cutout = _cutout(galaxy, settings)
        chosen = PredictionOptions.model_validate({"label": name[:128], **options, "model": version})
        (result,) = predictor.predict([PredictionRequest(cutout, chosen)])
        show_prediction(result.prediction, as_json=as_json)
        if out is not None:
            _write(result, cutout, out / Path(name).stem)
            console.print(f"wrote {out / Path(name).stem}.fits, .json and .png")

    each_galaxy(galaxies, predict)


def _cutout(galaxy: AskedGalaxy, settings: Settings) -> Cutout:
    if isinstance(galaxy.of, Path):
        return read_cutout(galaxy.file_bytes())
    with closing(configured_source(settings)) as source:
        return source.fetch(galaxy.of)


def _write(result: PredictionResult, cutout: Cutout, stem: Path) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".fits").write_bytes(prediction_fits(result.prediction, result.arrays, cutout))
    document = result.prediction.model_dump_json(by_alias=True, indent=1)
    stem.with_suffix(".json").write_text(document + "\n", encoding="utf-8")
    plot_prediction(result.prediction, cutout, stem.with_suffix(".png"))
