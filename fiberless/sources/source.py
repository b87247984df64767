"""Sources of cutouts: what takes a position of the sky, or a name, and gives an image of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from fiberless.contract import Target
from fiberless.errors import FatalError, FiberlessError, TransientError, UsageError
from fiberless.images.cutout import Cutout
from fiberless.sources.sdss.cut import cut_frames
from fiberless.sources.sdss.names import SdssObject

__all__ = ["CutoutSource", "FrameFolderSource", "NoSource", "SourceChain"]

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
    locate : (ra, dec) of a name that no source knows; None: such a name stays unknown

    """

    sources: Sequence[tuple[str, CutoutSource]]
    on_close: Callable[[], None] = field(default=lambda: None, repr=False)
    locate: Callable[[str], tuple[float, float]] | None = field(default=None, repr=False)

    def fetch(self, target: Target) -> Cutout:
        """Image from the first source that has one; by its position where only the resolver knows a name.

        Raises
        ------
        TransientError
            `source-unavailable` if none gives one, and another try may help with at least one.
        FatalError
            `source-unavailable` if a source is broken for good and none shows the target.
        UsageError
            If all sources work and none shows the target: the reason that tells most.

        """
        try:
            return self._first(target)
        except UsageError as error:
            name = target.object_id
            if self.locate is None or name is None or error.slug != "not-found" or not _may_resolve(name):
                raise
        ra, dec = self.locate(name)
        cutout = self._first(Target(ra=ra, dec=dec))
        note = f"position of {name} from Sesame: {ra:.6f} {dec:+.6f}"
        return replace(cutout, notes=(*cutout.notes, note))

    def _first(self, target: Target) -> Cutout:
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


def _may_resolve(name: str) -> bool:
    """Whether catalogues may know a name: those with a colon are of a namespace (`sdss:…`, `my:…`)."""
    return ":" not in name and not SdssObject.is_objid(name)


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
