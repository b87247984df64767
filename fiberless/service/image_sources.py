"""`configured_source`: the sources of images that the settings name, in their order."""

from pathlib import Path
from typing import assert_never

from fiberless.errors import UsageError
from fiberless.service.settings import CutoutSourceName, Settings
from fiberless.sources.download import SurveyClient
from fiberless.sources.folder import ImageFolder
from fiberless.sources.hips import HipsSource
from fiberless.sources.sdss.archive import SdssArchive
from fiberless.sources.sesame import SESAME_PATIENCE, Sesame
from fiberless.sources.source import CutoutSource, FrameFolderSource, NoSource, SourceChain

__all__ = ["configured_source"]


def configured_source(settings: Settings) -> SourceChain:
    """Build the sources that the settings name, in their order."""
    names = settings.resolved_cutout_sources
    if not names:
        return SourceChain([("none", NoSource())])
    client = SurveyClient(settings.resolved_survey_hosts)
    sdss = SdssArchive(
        client,
        settings.sdss_url,
        folder=settings.resolved_survey_cache_dir,
        max_bytes=settings.survey_cache_bytes,
    )
    resolver = SurveyClient(settings.resolved_survey_hosts, SESAME_PATIENCE)

    def close() -> None:
        client.close()
        resolver.close()

    sources = [(name, _source(name, settings, client, sdss)) for name in names]
    return SourceChain(sources, close, Sesame(resolver, settings.sesame_url).locate)


def _source(
    name: CutoutSourceName, settings: Settings, client: SurveyClient, sdss: SdssArchive
) -> CutoutSource:
    match name:
        case "archive":
            return ImageFolder(_folder(settings.archive_dir, "FIBERLESS_ARCHIVE_DIR"))
        case "frames":
            return FrameFolderSource(_folder(settings.frames_dir, "FIBERLESS_FRAMES_DIR"))
        case "sdss":
            return sdss
        case "hips":
            return HipsSource(client, settings.hips_url, sdss.locate)
        case _:
            assert_never(name)


def _folder(configured: Path | None, variable: str) -> Path:
    if configured is None:
        raise UsageError("invalid-parameter", f"FIBERLESS_CUTOUT_SOURCES needs {variable}")
    return configured
