"""`Archive`: takes files from the survey's archive over HTTP, politely, whole or not at all."""

import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from fiberless.datasets.sdss.options import USER_AGENT, Manners
from fiberless.errors import FatalError, TransientError
from fiberless.sources.download import asked_pause_seconds

__all__ = ["Archive", "Fetched", "RequestRate"]

_MAX_BYTES: Final = 256 * 2**20
_MISSING: Final = frozenset({404, 410})
_RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_RETRY_AFTER: Final = 3600.0
_BLOCK: Final = 2880


@dataclass(frozen=True)
class Fetched:
    """A file that was taken: its path below the root, its length and its checksum."""

    path: str
    n_bytes: int
    sha256: str


class RequestRate:
    """Spaces requests of all threads evenly; a server that asks for a pause holds them all.

    Parameters
    ----------
    per_second : requests
    clock, sleep : time's own, or a test's

    """

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = clock()

    def wait(self) -> None:
        """Return when the next request may be sent."""
        with self._lock:
            now = self._clock()
            slot = max(now, self._next)
            self._next = slot + self._interval
        if slot > now:
            self._sleep(slot - now)

    def hold(self, seconds: float) -> None:
        """Let nobody ask for a while."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


class Archive:
    """A client of one archive.

    Parameters
    ----------
    root_url : what the archive's paths are below
    manners : connections, pace, patience
    client : an httpx client of one's own; default: one with the limits of `manners`
    pace : default: that of `manners`
    jitter : (0, 1) random numbers, so that many clients do not come back together

    """

    def __init__(
        self,
        root_url: str,
        manners: Manners,
        *,
        client: httpx.Client | None = None,
        pace: RequestRate | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._root = root_url.rstrip("/")
        self._manners = manners
        self._pace = pace or RequestRate(manners.requests_per_second)
        self._jitter = jitter
        self._client = client or httpx.Client(
            limits=httpx.Limits(max_connections=manners.connections),
            timeout=httpx.Timeout(manners.timeout_seconds, pool=None),
            follow_redirects=True,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
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
        to.parent.mkdir(parents=True, exist_ok=True)
        reason = "it was never asked"
        for attempt in range(self._manners.attempts):
            self._pace.wait()
            try:
                with self._client.stream("GET", url, params=query or None) as answer:
                    if answer.status_code in _MISSING:
                        return False
                    if answer.status_code in _RETRIED:
                        reason = f"status {answer.status_code}"
                        self._pace.hold(self._pause(attempt, answer.headers.get("Retry-After")))
                        continue
                    _refuse_others(answer, url)
                    reason = _write_whole(answer.iter_bytes(), to)
                    if not reason:
                        return True
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            self._pace.hold(self._pause(attempt, None))
        tries = self._manners.attempts
        raise TransientError("source-unavailable", f"{url} did not come in {tries} tries ({reason})")

    def _pause(self, attempt: int, retry_after: str | None) -> float:
        """Seconds before the next try: exponential with jitter, never less than the server asks for."""
        longest = self._manners.longest_pause_seconds
        grown = min(longest, self._manners.first_pause_seconds * 2.0**attempt)
        return max(
            grown * (0.5 + 0.5 * self._jitter()), min(asked_pause_seconds(retry_after), _LONGEST_RETRY_AFTER)
        )


def _refuse_others(answer: httpx.Response, url: str) -> None:
    if answer.status_code != httpx.codes.OK:
        raise FatalError("source-unavailable", f"{url} answers status {answer.status_code}")


def _write_whole(blocks: Iterable[bytes], to: Path) -> str:
    """Write a body under a temporary name and rename it; says what was wrong, or nothing."""
    part = to.with_name(to.name + ".part")
    with part.open("wb") as stream:
        for block in blocks:
            stream.write(block)
            if stream.tell() > _MAX_BYTES:
                raise FatalError("source-unavailable", f"{to.name} is larger than {_MAX_BYTES} bytes")
        stream.flush()
        os.fsync(stream.fileno())
    if wrong := _what_is_wrong(part, to.suffix):
        part.unlink()
        return wrong
    part.replace(to)
    return ""


def _what_is_wrong(path: Path, suffix: str) -> str:
    """Whether a file can be what its name says, from its first bytes and its length."""
    with path.open("rb") as stream:
        start = stream.read(6)
    size = path.stat().st_size
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
