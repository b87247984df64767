"""`Archive`: files of the survey's archive below their names, politely, whole or not at all."""

import hashlib
import os
import random
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from fiberless.datasets.sdss.options import USER_AGENT, Manners
from fiberless.errors import FatalError, TransientError
from fiberless.sources.download import Patience, SurveyClient, origin_of
from fiberless.sources.pace import Pace

__all__ = ["Archive", "Fetched"]

_MAX_BYTES: Final = 256 * 2**20
_LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0
_FILE_SECONDS: Final = 3600.0
_BLOCK: Final = 2880


@dataclass(frozen=True)
class Fetched:
    """A file that was taken: its path below the root, its length and its checksum."""

    path: str
    n_bytes: int
    sha256: str


class Archive:
    """A client of one archive.

    Parameters
    ----------
    root_url : what the archive's paths are below
    manners : connections, pace, patience
    also : addresses of other servers that may be asked
    pace : default: that of `manners`
    jitter : (0, 1) random numbers, so that many clients do not come back together

    Raises
    ------
    UsageError
        `invalid-parameter` if an address is none.

    """

    def __init__(
        self,
        root_url: str,
        manners: Manners,
        *,
        also: Collection[str] = (),
        pace: Pace | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._root = root_url.rstrip("/")
        self._manners = manners
        self._client = SurveyClient(
            [origin_of(url) for url in (root_url, *also)],
            _patience(manners),
            pace=pace or Pace(manners.requests_per_second),
            connections=manners.connections,
            user_agent=USER_AGENT,
            jitter=jitter,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def fetch_all(self, wanted: Mapping[Path, Path]) -> dict[Path, Fetched | None]:
        """Take several files at once; see `fetch`.

        Parameters
        ----------
        wanted : path below the root → file to write

        Returns
        -------
        dict of the same keys; None where the archive has no such file

        """
        paths = list(wanted)
        with ThreadPoolExecutor(self._manners.connections) as pool:
            jobs = [pool.submit(self.fetch, path, wanted[path]) for path in paths]
            try:
                return {path: job.result() for path, job in zip(paths, jobs, strict=True)}
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def fetch(self, path: Path, to: Path) -> Fetched | None:
        """Take one file, or what an earlier run took; None if the archive has no such file.

        The file appears under its name when it is complete: a run that is killed leaves a `.part`.

        Raises
        ------
        TransientError
            `source-unavailable` if it did not come whole in `manners.attempts` tries and
            `manners.skip_unavailable` is off.
        FatalError
            `source-unavailable` if the archive refuses.

        """
        try:
            found = to.exists() or self._take(f"{self._root}/{path.as_posix()}", {}, to)
        except TransientError:
            if not self._manners.skip_unavailable:
                raise
            found = False
        if not found:
            return None
        return Fetched(path.as_posix(), to.stat().st_size, _sha256(to))

    def fetch_page(self, url: str, query: Mapping[str, str], to: Path) -> None:
        """Take an answer of a query server, unless the file is there.

        Raises
        ------
        TransientError, FatalError
            As `fetch`; a missing server is fatal too.

        """
        if not to.exists() and not self._take(url, query, to):
            raise FatalError("source-unavailable", f"there is no {url}")

    def _take(self, url: str, query: Mapping[str, str], to: Path) -> bool:
        """Write a body under a temporary name and rename it; false if there is no such thing."""
        to.parent.mkdir(parents=True, exist_ok=True)
        part = to.with_name(to.name + ".part")
        try:
            with part.open("w+b") as stream:
                found = self._client.save(
                    url, stream, max_bytes=_MAX_BYTES, query=query, fault=partial(_fault, to.suffix)
                )
                stream.flush()
                os.fsync(stream.fileno())
            if found:
                part.replace(to)
        finally:
            part.unlink(missing_ok=True)
        return found


def _patience(manners: Manners) -> Patience:
    return Patience(
        attempts=manners.attempts,
        first_pause_seconds=manners.first_pause_seconds,
        longest_pause_seconds=manners.longest_pause_seconds,
        longest_asked_seconds=_LONGEST_RETRY_AFTER_SECONDS,
        connect_seconds=manners.timeout_seconds,
        read_seconds=manners.timeout_seconds,
        file_seconds=_FILE_SECONDS,
    )


def _fault(suffix: str, body: BinaryIO) -> str:
    """Why a body cannot be what its file's name says, from its first bytes and its length; "" if it can."""
    size = body.tell()
    body.seek(0)
    start = body.read(6)
    match suffix:
        case ".fits":
            whole = start == b"SIMPLE" and size % _BLOCK == 0
        case ".bz2":
            whole = start[:3] == b"BZh"
        case _:
            whole = size > 0
    return "" if whole else f"{size} bytes that are no complete {suffix} file"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
