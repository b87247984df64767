"""`SdssArchive`: cutouts from the corrected frames of the survey's science archive, over HTTP."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

import numpy as np

from fiberless.astro.bands import BANDS, N_BANDS
from fiberless.contract import Target
from fiberless.errors import FatalError, FiberlessError, TransientError, UsageError
from fiberless.images.cutout import Cutout
from fiberless.images.fits.binary_table import read_columns
from fiberless.sources.disk_cache import DiskCache, HeldFile, alone
from fiberless.sources.download import SurveyClient
from fiberless.sources.sdss.cut import cut_field
from fiberless.sources.sdss.field_index import FieldIndex
from fiberless.sources.sdss.frames import Field
from fiberless.sources.sdss.names import FIELD_LIST_PATH, FieldName, SdssObject, frame_path, object_table_path

__all__ = ["SdssArchive"]

_FILE_BYTES: Final = 48 * 2**20
_FIELD_LIST_BYTES: Final = 2**30
_FIELD_LIST_SECONDS: Final = 1800.0
_RETRY_SECONDS: Final = 60.0
_FIELDS_TRIED: Final = 3


class SdssArchive:
    """Images of positions and of catalogued objects, from the archive's files alone: no query service.

    A position is looked up in the survey's list of fields (`window_flist.fits`, 0.5 GB, fetched once and
    kept as an index of 80 MB); an object in the table of the field that its objID names. Frames and tables
    are kept on disk.

    Parameters
    ----------
    client : may ask the host of `url`
    url : root of a data release
    folder : for the kept files, shared by all processes
    max_bytes : of frames and tables together
    clock : time's own, or a test's

    """

    def __init__(
        self,
        client: SurveyClient,
        url: str,
        *,
        folder: Path,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._folder = folder
        self._cache = DiskCache(folder / "files", max_bytes=max_bytes)
        self._clock = clock
        self._retry_at = -math.inf
        self._lock = threading.Lock()
        self._index: FieldIndex | None = None

    def fetch(self, target: Target) -> Cutout:
        """Cutout from the field that shows a position best, or in which an object was catalogued.

        Raises
        ------
        UsageError
            `outside-footprint` if no field shows the position; `not-found` or `invalid-object-id` if there is
            no such object; `empty-band` and the like if there is no usable image.
        TransientError
            `source-unavailable` if the archive does not answer, or sent a damaged file.
        FatalError
            `source-unavailable` if the archive refuses.

        """
        ra, dec = target.position or self.locate(str(target.object_id))
        if target.object_id is not None:
            return self._cut_best([SdssObject.parse(target.object_id).field], ra, dec)
        return self._cut_best(self._fields().covering(ra, dec)[:_FIELDS_TRIED], ra, dec)

    def locate(self, object_id: str) -> tuple[float, float]:
        """Position (ra, dec), ICRS degrees, of a catalogued object.

        Parameters
        ----------
        object_id : `sdss:` and an objID

        Raises
        ------
        UsageError
            `not-found` or `invalid-object-id` if there is no such object.
        TransientError, FatalError
            As `fetch`.

        """
        wanted = SdssObject.parse(object_id)
        name = object_table_path(wanted.field)
        table = self._hold(name)
        if table is None:
            raise UsageError("not-found", f"{object_id}: the archive has no {wanted.field}")
        with ExitStack() as held:
            held.callback(table.close)
            return self._position_in(table.path, wanted, name)

    def _position_in(self, path: Path, wanted: SdssObject, name: PurePosixPath) -> tuple[float, float]:
        try:
            columns = read_columns(path, ["ID", "RA", "DEC"])
        except (OSError, UsageError) as error:
            self._cache.drop(name)
            raise TransientError("source-unavailable", f"{name.name} cannot be read: {error}") from error
        found = np.flatnonzero(columns["ID"] == wanted.index)
        if not found.size:
            raise UsageError(
                "not-found", f"sdss:{wanted.number}: {wanted.field} has no object {wanted.index}"
            )
        return float(columns["RA"][found[0]]) % 360.0, float(columns["DEC"][found[0]])

    def _cut_best(self, fields: list[FieldName], ra: float, dec: float) -> Cutout:
        """Cutout from the first field whose frames show the position."""
        refusal: UsageError | FatalError = UsageError(
            "outside-footprint", f"SDSS did not image ra = {ra:.5f}, dec = {dec:.5f}"
        )
        for field in fields:
            try:
                return self._cut(field, ra, dec)
            except UsageError as error:
                refusal = error
            except FatalError as error:
                if not isinstance(refusal, FatalError):
                    refusal = error
        raise refusal

    def _cut(self, field: FieldName, ra: float, dec: float) -> Cutout:
        with self._frames(field) as frames:
            try:
                return cut_field(Field(field.run, field.camcol, field.field, frames), ra, dec)
            except FatalError as error:
                for band in BANDS:
                    self._cache.drop(frame_path(band, field))
                raise TransientError("source-unavailable", error.detail) from error

    @contextmanager
    def _frames(self, field: FieldName) -> Iterator[dict[str, Path]]:
        """Five frames of a field, which stay on disk as long as they are used."""
        with ExitStack() as held:

            def hold(band: str) -> Path:
                frame = self._hold(frame_path(band, field))
                if frame is None:
                    raise FatalError("source-unavailable", f"the archive has no frame of {field} in {band}")
                held.callback(frame.close)
                return frame.path

            with ThreadPoolExecutor(N_BANDS) as pool:
                paths = dict(zip(BANDS, pool.map(hold, BANDS), strict=True))
            yield paths

    def _hold(self, name: PurePosixPath) -> HeldFile | None:
        def make(stream: BinaryIO) -> bool:
            return self._client.save(f"{self._url}/{name}", stream, max_bytes=_FILE_BYTES)

        return self._cache.hold(name, make)

    def _fields(self) -> FieldIndex:
        """Index of the survey's fields, made once for all processes that share the folder.

        After a failure it is not tried again for a while: many jobs may want it, and it is large.
        """
        with self._lock:
            if self._index is None:
                if self._clock() < self._retry_at:
                    raise TransientError("source-unavailable", "the list of fields did not come just now")
                path = self._folder / "fields.safetensors"
                try:
                    with alone(self._folder / ".lock-fields"):
                        self._index = FieldIndex.load(path) or self._make_index(path)
                except FiberlessError:
                    self._retry_at = self._clock() + _RETRY_SECONDS
                    raise
            return self._index

    def _make_index(self, path: Path) -> FieldIndex:
        """Fetch the survey's list and write its index; the lock is held."""
        part = self._folder / "window_flist.part"
        try:
            with part.open("wb") as stream:
                found = self._client.save(
                    f"{self._url}/{FIELD_LIST_PATH}",
                    stream,
                    max_bytes=_FIELD_LIST_BYTES,
                    seconds=_FIELD_LIST_SECONDS,
                )
            if not found:
                raise FatalError("source-unavailable", f"the archive has no {FIELD_LIST_PATH.name}")
            index = FieldIndex.of_field_list(part)
        finally:
            part.unlink(missing_ok=True)
        index.save(path)
        return index
