"""Sources of cutouts: what takes a position of the sky and gives an image of it.

Imports the contract, the settings and the sources of this room.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fiberless.contract import Target
from fiberless.cutout import Cutout
from fiberless.cutouts.sdss import cut_frames
from fiberless.errors import FatalError
from fiberless.settings import Settings

__all__ = ["CutoutSource", "FrameFolderSource", "NoSource", "configured_source"]


class CutoutSource(Protocol):
    """Anything that can look at a position."""

    def fetch(self, target: Target) -> Cutout:
        """Cutout centred on a position.

        Raises
        ------
        UsageError
            `outside-footprint` if this source does not show the position.
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
        return cut_frames(self.folder, target.ra, target.dec)


@dataclass(frozen=True)
class NoSource:
    """Stands where no source is configured, and says how to configure one."""

    def fetch(self, target: Target) -> Cutout:
        """Refuse every position with `source-unavailable`."""
        position = f"ra = {target.ra:g}, dec = {target.dec:g}"
        reason = "no image source is configured; set FIBERLESS_FRAMES_DIR to a folder of SDSS frames"
        raise FatalError("source-unavailable", f"{position}: {reason}, or send the image itself")


def configured_source(settings: Settings) -> CutoutSource:
    """Build the source that the settings name."""
    return FrameFolderSource(settings.frames_dir) if settings.frames_dir else NoSource()
