"""Sources of cutouts: what takes a position of the sky, or a name, and gives an image of it.

Imports the contract, the settings and the sources of this room.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, assert_never

from fiberless.contract import Target
from fiberless.cutout import Cutout
from fiberless.cutouts.archive import ImageFolder
from fiberless.cutouts.download import SurveyClient
from fiberless.cutouts.hips import HipsSource
from fiberless.cutouts.sdss import cut_frames
from fiberless.cutouts.sdss_archive import SdssArchive
from fiberless.errors import FatalError, FiberlessError, TransientError, UsageError
from fiberless.settings import CutoutSourceName, Settings

__all__ = ["CutoutSource", "FrameFolderSource", "NoSource", "SourceChain", "configured_source"]

_WEAK_REASONS: Final = ("not-found", "outside-footprint")
"""What a source says of what it does not show: any other reason tells more."""


class CutoutSource(Protocol):
    """Anything that can look at a position."""

    def fetch(self, target: Target) -> Cutout:
        """Cutout centred on a position or a named object.

        Raises
        ------
        UsageError
            `outside-footprint` if this source does not show the position, `not-found` if it does not know
            the name, `invalid-object-id` if that is none; a slug of FITS content if the image is unusable.
        TransientError
            `source-unavailable` if another try may help.
        FatalError
            `source-unavailable` if it may not.

        """
        ...


@dataclass(frozen=True)
class FrameFolderSource:
    """Cuts from a local folder of corrected SDSS frames."""

    folder: Path

    def fetch(self, target: Target) -> Cutout:
        """Cutout of 64×64 px from the frames; see `cut_frames`."""
        if target.position is None:
            raise UsageError("not-found", "a folder of frames knows no objects by name")
        return cut_frames(self.folder, *target.position)


@dataclass(frozen=True)
class NoSource:
    """Stands where no source is configured, and says how to configure one."""

    def fetch(self, target: Target) -> Cutout:
        """Refuse everything with `source-unavailable`."""
        reason = "no image source is configured; set FIBERLESS_CUTOUT_SOURCES to sdss,hips"
        folders = "or FIBERLESS_FRAMES_DIR to a folder of SDSS frames"
        raise FatalError(
            "source-unavailable", f"{_shown(target)}: {reason}, {folders}, or send the image itself"
        )


@dataclass(frozen=True)
class SourceChain:
    """Asks sources in their order until one gives an image.

    Parameters
    ----------
    sources : (name, source)
    on_close : called by `close`

    """

    sources: Sequence[tuple[str, CutoutSource]]
    on_close: Callable[[], None] = field(default=lambda: None, repr=False)

    def fetch(self, target: Target) -> Cutout:
        """Image from the first source that has one.

        Raises
        ------
        TransientError
            `source-unavailable` if none gives one, and another try may help with at least one.
        FatalError
            `source-unavailable` if a source is broken for good and none shows the target.
        UsageError
            If all sources work and none shows the target: the reason that tells most.

        """
        refusals: list[tuple[str, FiberlessError]] = []
        for name, source in self.sources:
            try:
                return source.fetch(target)
            except FiberlessError as error:
                refusals.append((name, error))
        raise _summary(target, refusals)

    def close(self) -> None:
        """Close the connections of the sources."""
        self.on_close()


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
    return SourceChain([(name, _source(name, settings, client, sdss)) for name in names], client.close)


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


def _summary(target: Target, refusals: Sequence[tuple[str, FiberlessError]]) -> FiberlessError:
    """One error for a target that no source gave an image of."""
    detail = "; ".join(f"{name}: {error.detail}" for name, error in refusals)
    for kind in (TransientError, FatalError):
        if found := next((error for _, error in refusals if isinstance(error, kind)), None):
            return kind(found.slug, detail)
    strength = {slug: rank for rank, slug in enumerate(_WEAK_REASONS)}
    _, strongest = max(refusals, key=lambda named: strength.get(named[1].slug, len(_WEAK_REASONS)))
    return UsageError(strongest.slug, f"{_shown(target)}: {detail}")


def _shown(target: Target) -> str:
    return target.object_id or f"ra = {target.ra:g}, dec = {target.dec:g}"
