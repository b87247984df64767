"""Predictions of a running service in a terminal: what `fiberless predict`, `get` and `models` do."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from fiberless.cli.asked import AskedGalaxy, each_galaxy
from fiberless.cli.output import job_progress, write_products
from fiberless.cli.property_table import property_table
from fiberless.client import Client
from fiberless.contract import Prediction

__all__ = ["predict_remotely", "show_models", "show_object", "show_prediction"]

_PREDICTION_ID: Final = re.compile(r"p_[0-9a-f]{32}")


def predict_remotely(
    galaxies: Sequence[AskedGalaxy],
    *,
    url: str | None,
    options: Mapping[str, Any],
    as_json: bool,
    out: Path | None,
) -> None:
    """Predict galaxies one after the other; see `each_galaxy`.

    Parameters
    ----------
    galaxies : files, and targets whose images the service fetches
    url : where the service listens; None: FIBERLESS_URL, else this machine
    options : fields of `PredictionOptions`
    as_json : print documents, one a line, and progress on standard error
    out : folder for FITS, JSON and PNG; None writes none

    """
    console = Console(stderr=as_json)
    with Client(url) as client:

        def predict(galaxy: AskedGalaxy) -> None:
            with job_progress(console, f"asking for {galaxy.name}") as show:
                prediction = client.predict(progress=show, **_question(galaxy), **options)
            show_prediction(prediction, as_json=as_json)
            if out is not None:
                for path in write_products(client, prediction, out=out, name=Path(galaxy.name).stem):
                    console.print(f"wrote {path}")

        each_galaxy(galaxies, predict)


def _question(galaxy: AskedGalaxy) -> dict[str, Any]:
    """Arguments of `Client.predict` that ask for a galaxy."""
    if isinstance(galaxy.of, Path):
        return {"subject": galaxy.file_bytes(), "label": galaxy.of.name[:128]}
    if galaxy.of.object_id is not None:
        return {"object_id": galaxy.of.object_id}
    return {"ra": galaxy.of.ra, "dec": galaxy.of.dec}


def show_object(name: str, *, url: str | None, as_json: bool) -> None:
    """Print the newest prediction of an object, or the prediction of this id."""
    with Client(url) as client:
        found = client.prediction(name) if _PREDICTION_ID.fullmatch(name) else client.get(name)
    show_prediction(found, as_json=as_json)


def show_models(*, url: str | None, as_json: bool) -> None:
    """Print the models of a service."""
    with Client(url) as client:
        document = client.models()
    if as_json:
        print(json.dumps(document))  # noqa: T201  # the document is the output
        return
    table = Table("version", "family", "default", "trained on", title="models")
    for row in document["models"]:
        manifest = row["manifest"]
        mark = "yes" if row["is_default"] else ""
        table.add_row(manifest["version"], manifest["family"], mark, manifest["training_data"])
    Console().print(table)


def show_prediction(prediction: Prediction, *, as_json: bool) -> None:
    """Print a prediction as a table, or as one line of JSON."""
    if as_json:
        print(prediction.model_dump_json(by_alias=True))  # noqa: T201  # the document is the output
    else:
        Console().print(property_table(prediction))
