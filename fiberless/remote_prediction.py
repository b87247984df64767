"""Predictions of a running service in a terminal: what `fiberless predict`, `get` and `models` do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fiberless.client import Client
from fiberless.contract import Prediction
from fiberless.demo import job_progress, write_products
from fiberless.property_table import property_table

__all__ = ["predict_files", "show_models", "show_object"]


def predict_files(
    images: Sequence[Path], *, url: str, options: Mapping[str, Any], as_json: bool, out: Path | None
) -> None:
    """Predict files one after the other.

    Parameters
    ----------
    images : FITS files, one galaxy each
    url : where the service listens
    options : fields of `PredictionOptions`
    as_json : print documents, one a line, and progress on standard error
    out : folder for FITS, JSON and PNG; None writes none

    """
    console = Console(stderr=as_json)
    with Client(url) as client:
        for image in images:
            with job_progress(console, f"posting {image.name}") as show:
                prediction = client.predict(image, progress=show, label=image.name[:128], **options)
            _show(prediction, as_json=as_json)
            if out is not None:
                for path in write_products(client, prediction, out=out, name=image.stem):
                    console.print(f"wrote {path}")


def show_object(object_id: str, *, url: str, as_json: bool) -> None:
    """Print the newest prediction of an object."""
    with Client(url) as client:
        _show(client.get(object_id), as_json=as_json)


def show_models(*, url: str) -> None:
    """Print the models of a service."""
    with Client(url) as client:
        document = client.models()
    table = Table("version", "family", "default", "trained on", title=f"models of {url}")
    for row in document["models"]:
        manifest = row["manifest"]
        mark = "yes" if row["is_default"] else ""
        table.add_row(manifest["version"], manifest["family"], mark, manifest["training_data"])
    Console().print(table)


def _show(prediction: Prediction, *, as_json: bool) -> None:
    if as_json:
        print(prediction.model_dump_json(by_alias=True))  # noqa: T201  # the document is the output
    else:
        Console().print(property_table(prediction))
