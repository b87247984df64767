"""Documents about models, from the files of the model store. Blocks."""

from pathlib import Path

from app.http.links import Links
from app.schemas.documents import ModelDocument, ModelList
from app.service import Service
from fiberless.errors import FatalError

__all__ = ["model_document", "model_list"]


def model_list(service: Service, links: Links) -> ModelList:
    """All versions in the store; `default` is null if there is none."""
    return ModelList(
        default=_default(service),
        models=tuple(model_document(service, version, links) for version in service.versions()),
    )


def model_document(service: Service, version: str, links: Links) -> ModelDocument:
    """One version that is in the store; an unreadable manifest is a FatalError `model-unavailable`."""
    card: Path = service.settings.model_store / version / "card.md"
    return ModelDocument(
        is_default=version == _default(service),
        manifest=service.manifest(version),
        card=card.read_text(encoding="utf-8") if card.is_file() else "",
        href=links.path("model", version=version),
    )


def _default(service: Service) -> str | None:
    try:
        return service.default_version()
    except FatalError:
        return None
