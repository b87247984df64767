"""Asks the survey's catalogue server for galaxies, page by page, each page kept on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from fiberless.datasets.sdss.archive import Archive
from fiberless.datasets.sdss.catalogue import Catalogue, catalogue_of, read_csv_columns
from fiberless.datasets.sdss.options import Selection
from fiberless.errors import FatalError

__all__ = ["query_catalogue", "query_text"]

_PAGE_ROWS: Final = 50_000
"""Rows a page: a tenth of what the server gives at once."""
_MAX_PAGES: Final = 1000

_QUERY: Final = """
SELECT TOP {rows}
 s.specObjID AS spec_obj_id, p.objID AS object_id, s.plate, s.mjd, s.fiberID AS fiber, s.run2d,
 p.run, p.rerun, p.camcol, p.field, p.ra, p.dec, s.z AS redshift, s.zWarning AS zwarning, s.class,
 s.snMedian AS sn, s.velDisp AS sigma_star, p.petroMag_r AS r_mag, p.extinction_r,
 g.lgm_tot_p50 AS log_stellar_mass, g.sfr_tot_p50 AS log_sfr, g.oh_p50 AS oxygen
FROM SpecObj AS s
 JOIN PhotoObj AS p ON p.objID = s.bestObjID
 LEFT JOIN galSpecExtra AS g ON g.specObjID = s.specObjID
WHERE s.class = 'GALAXY' AND s.zWarning = 0
 AND s.z > {low} AND s.z < {high} AND s.snMedian >= {min_sn} AND s.specObjID > {after}
ORDER BY s.specObjID
"""


def query_text(selection: Selection, *, after: int = 0, rows: int = _PAGE_ROWS) -> str:
    """SQL of one page, in one line: galaxies with a good redshift and the MPA-JHU values where they exist.

    Parameters
    ----------
    after : largest spectrum id of the page before
    rows : rows of a full page

    """
    low, high = selection.redshift
    text = _QUERY.format(rows=rows, low=low, high=high, min_sn=selection.min_sn, after=after)
    return " ".join(text.split())


def query_catalogue(
    archive: Archive,
    url: str,
    selection: Selection,
    *,
    folder: Path,
    page_rows: int = _PAGE_ROWS,
    progress: Callable[[int], None],
) -> Catalogue:
    """Fetch the catalogue, going on after the pages that the folder holds.

    Raises
    ------
    FatalError
        `source-unavailable` if the server answers with something else than the table asked for.
    TransientError
        `source-unavailable` if it does not answer.

    """
    folder.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[str]] = {}
    after = 0
    for index in range(_MAX_PAGES):
        path = folder / f"page-{index:05d}.csv"
        query = {"cmd": query_text(selection, after=after, rows=page_rows), "format": "csv"}
        archive.fetch_page(url, query, path)
        page = _read_page(path)
        for name, values in page.items():
            columns.setdefault(name, []).extend(values)
        progress(len(columns["object_id"]))
        if len(page["object_id"]) < page_rows:
            return catalogue_of(columns)
        after = max(int(text) for text in page["spec_obj_id"])
    raise FatalError("source-unavailable", f"the catalogue did not end after {_MAX_PAGES} pages")


def _read_page(path: Path) -> dict[str, list[str]]:
    try:
        page = {name: [str(value) for value in values] for name, values in read_csv_columns(path).items()}
    except ValueError as error:
        page = {}
        reason = str(error)
    else:
        reason = f"its columns are {', '.join(page) or 'none'}"
    if not {"object_id", "spec_obj_id"} <= page.keys():
        start = path.read_text(errors="replace")[:200]
        path.unlink()
        raise FatalError("source-unavailable", f"the catalogue server sent no table ({reason}): {start!r}")
    return page
