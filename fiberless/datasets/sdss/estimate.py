"""How much a data set will cost: requests, transfer, disk, time. Made before anything is taken."""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fiberless.astro.bands import N_BANDS
from fiberless.datasets.sdss.catalogue import Catalogue
from fiberless.datasets.sdss.options import Manners
from fiberless.errors import UsageError

__all__ = ["BuildCost", "check_disk", "estimate"]

SPECTRUM_BYTES: Final = 175_000
"""A spec-lite file of the survey's first spectrograph: 172,800 bytes is typical."""
FRAME_BYTES: Final = 3_300_000
"""A compressed corrected frame; mean of the five of run 2820, camera column 3, field 122."""
ROW_BYTES: Final = 59_100
"""A galaxy in a shard: image 40,960, flux and sigma 9,000 each, truth and id."""
TRANSFER_BYTES_S: Final = 10e6
"""Assumed, an ordinary connection."""
SPECTRUM_SECONDS: Final = 0.03
FIELD_SECONDS: Final = 5.0
"""Processor time of the five frames of a field, nearly all of it bzip2; measured, as are the others."""
CUT_SECONDS: Final = 0.03


@dataclass(frozen=True)
class BuildCost:
    """What building a data set will take.

    Parameters
    ----------
    galaxies, fields, requests : counts; transfer_bytes : over the network
    disk_bytes : most that is on disk at once: chunks, shards, and files of the chunks at work
    seconds : the slowest of pace, transfer and processors

    """

    galaxies: int
    fields: int
    requests: int
    transfer_bytes: int
    disk_bytes: int
    seconds: float

    def as_text(self) -> str:
        """Lines for a person to read before agreeing."""
        return "\n".join(
            [
                f"galaxies    {self.galaxies:,} in {self.fields:,} fields",
                f"requests    {self.requests:,}",
                f"transfer    {self.transfer_bytes / 1e9:,.1f} GB",
                f"disk        {self.disk_bytes / 1e9:,.1f} GB",
                f"time        {_duration(self.seconds)} at {TRANSFER_BYTES_S / 1e6:.0f} MB/s",
            ]
        )


def estimate(
    catalogue: Catalogue,
    manners: Manners,
    *,
    from_frames: bool,
    workers: int,
    chunk_size: int,
    keep_downloads: bool = False,
    made_before: int = 0,
) -> BuildCost:
    """Estimate the cost of a catalogue, files taken from the archive one by one.

    Parameters
    ----------
    catalogue : galaxies still to be made
    from_frames : whether images are cut from frames
    made_before : galaxies whose chunks are complete; only their shards are still to be written

    """
    n = len(catalogue)
    names = ("rerun", "run", "camcol", "field")
    fields = len(set(zip(*(catalogue.texts(name) for name in names), strict=True))) if from_frames else 0
    transfer = n * SPECTRUM_BYTES + fields * N_BANDS * FRAME_BYTES
    share_at_once = 1.0 if keep_downloads else min(1.0, (workers + 2) * chunk_size / max(n, 1))
    requests = n + fields * N_BANDS
    processors = (n * (SPECTRUM_SECONDS + CUT_SECONDS * from_frames) + fields * FIELD_SECONDS) / workers
    return BuildCost(
        galaxies=n,
        fields=fields,
        requests=requests,
        transfer_bytes=transfer,
        disk_bytes=(2 * n + made_before) * ROW_BYTES + math.ceil(transfer * share_at_once),
        seconds=max(requests / manners.requests_per_second, transfer / TRANSFER_BYTES_S, processors),
    )


def check_disk(needed: BuildCost, folder: Path) -> None:
    """Refuse to start what the disk cannot hold.

    Raises
    ------
    UsageError
        `invalid-parameter` if less is free than estimated.

    """
    free = shutil.disk_usage(folder).free
    if free < needed.disk_bytes:
        short = f"{free / 1e9:.1f} GB are free, {needed.disk_bytes / 1e9:.1f} GB needed"
        raise UsageError("invalid-parameter", f"the disk is too small: {short}")


def _duration(seconds: float) -> str:
    if seconds < 5400:
        return f"{math.ceil(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
