"""Names that catalogues know, resolved to positions by Sesame (CDS)."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fiberless.contract import Target
from fiberless.errors import FatalError, FiberlessError, UsageError
from fiberless.sources.download import Patience, SurveyClient

__all__ = ["LONGEST_SECONDS", "SESAME_PATIENCE", "Sesame"]

SESAME_PATIENCE: Final = Patience(attempts=1, connect_seconds=1.5, read_seconds=2.0, file_seconds=4.0)
"""A name that is not resolved within 5 s is refused: somebody waits for it."""
_MAX_BYTES: Final = 2**18
LONGEST_SECONDS: Final = 4.5
_POSITION: Final = re.compile(r"^%J\s+([0-9.]+)\s+([+-]?[0-9.]+)", re.MULTILINE | re.ASCII)
_WAY_OUT: Final = "give its position instead, or send its image"


@dataclass(frozen=True)
class Sesame:
    """The name resolver of the CDS: SIMBAD, then NED, then VizieR.

    Parameters
    ----------
    client : may ask the host of `url`; with the patience of `SESAME_PATIENCE`
    url : of the service, like https://cds.unistra.fr/cgi-bin/nph-sesame

    """

    client: SurveyClient
    url: str

    def locate(self, name: str) -> tuple[float, float]:
        """(ra, dec) of an object, ICRS degrees.

        Raises
        ------
        UsageError
            `not-found` if no catalogue knows the name.
        FatalError
            `source-unavailable` if the resolver does not answer, or may not be asked.

        """
        found = _POSITION.search(self._answer(name).decode("utf-8", errors="replace"))
        if found is None:
            raise UsageError("not-found", f"{name}: SIMBAD, NED and VizieR know no such name; {_WAY_OUT}")
        try:
            target = Target(ra=float(found[1]), dec=float(found[2]))
        except ValueError as error:
            raise FatalError("source-unavailable", f"{name}: Sesame answers with no position") from error
        return target.position or (0.0, 0.0)

    def _answer(self, name: str) -> bytes:
        """What Sesame says, within `LONGEST_SECONDS`, which the resolver of host names alone may exceed."""
        pool = ThreadPoolExecutor(1)
        try:
            asked = pool.submit(self.client.read, f"{self.url}/-oI/SNV?{quote(name)}", max_bytes=_MAX_BYTES)
            return asked.result(LONGEST_SECONDS) or b""
        except (FiberlessError, TimeoutError) as error:
            reason = (
                error.detail if isinstance(error, FiberlessError) else f"no answer in {LONGEST_SECONDS:g} s"
            )
            words = f"{name}: the name resolver Sesame cannot be asked ({reason}); {_WAY_OUT}"
            raise FatalError("source-unavailable", words) from error
        finally:
            pool.shutdown(wait=False)
