"""Catalogues: exact identifiers, names, cuts; and the query that makes one."""

import numpy as np
import pytest
from astropy.table import Table

from fiberless.datasets.sdss.catalogue import read_catalogue
from fiberless.datasets.sdss.options import Manners, Selection
from fiberless.datasets.sdss.query import query_catalogue, query_text
from fiberless.errors import FatalError, UsageError

ID = 1237648720693755918
SPEC_ID = 14645000000000000001
"""Beyond 2^63, as the spectrum ids of late plates are."""


def row(**changes):
    usual = {"objID": ID, "plate": 266, "mjd": 51602, "fiberID": 1, "run": 752, "camcol": 1, "field": 373}
    return usual | {"ra": 146.7, "dec": -1.0, "z": 0.1} | changes


@pytest.fixture
def read(tmp_path, write_csv):
    def from_rows(*rows, suffix=".csv"):
        path = tmp_path / f"catalogue{suffix}"
        if suffix == ".csv":
            write_csv(path, rows)
        else:
            table = Table(rows=list(rows))
            table.write(path, format="fits" if suffix == ".fits" else "ascii.ecsv", overwrite=True)
        return read_catalogue(path)

    return from_rows


@pytest.mark.parametrize("suffix", [".csv", ".fits", ".ecsv"])
def test_ids_survive_every_format(read, suffix):
    catalogue = read(row(), row(objID=ID + 2), suffix=suffix)
    assert catalogue.ints("object_id").dtype == np.int64
    assert catalogue.ints("object_id").tolist() == [ID, ID + 2]


def test_spectrum_ids_beyond_signed_integers_survive(read):
    assert read(row(specObjID=SPEC_ID)).ints("spec_obj_id").tolist() == [SPEC_ID]


def test_ids_as_text_survive(read):
    assert read(row(objID=f"  {ID}"), suffix=".fits").ints("object_id").tolist() == [ID]


@pytest.mark.parametrize(
    ("value", "suffix"), [(float(ID), ".fits"), (float(ID), ".ecsv"), ("1.237648720693756e18", ".csv")]
)
def test_ids_that_were_floats_are_refused(read, value, suffix):
    with pytest.raises(UsageError, match="object_id"):
        read(row(objID=value), suffix=suffix)


def test_a_written_catalogue_reads_back_the_same(read, tmp_path):
    catalogue = read(row(specObjID=SPEC_ID, snMedian=7.5), row(objID=ID + 1, specObjID=3, snMedian=""))
    catalogue.write(tmp_path / "again.fits")
    assert read_catalogue(tmp_path / "again.fits").sha256 == catalogue.sha256


def test_unknown_values_are_nan(read):
    values = {"lgm_tot_p50": -9999, "sfr_tot_p50": "", "oh_p50": "null", "velDisp": 0, "petroMag_r": 17.1}
    catalogue = read(row(**values))
    for name in ("log_stellar_mass", "log_sfr", "oxygen", "sigma_star", "ebv", "sn"):
        assert np.isnan(catalogue.floats(name)).all()
    assert catalogue.floats("r_mag").tolist() == [17.1]


def test_a_failed_dispersion_is_unknown(read):
    sigma = read(row(velDisp=850.0), row(objID=ID + 1, velDisp=150.0)).floats("sigma_star")
    np.testing.assert_array_equal(sigma, [np.nan, 150.0])


def test_reddening_comes_from_the_extinction_in_r(read):
    assert read(row(extinction_r=2.285)).floats("ebv") == pytest.approx([1.0])
    assert read(row(extinction_r=2.285, ebv=0.03)).floats("ebv") == pytest.approx([0.03])


def test_a_missing_column_is_named(read):
    with pytest.raises(UsageError, match="no column plate"):
        read({name: value for name, value in row().items() if name != "plate"})


def test_a_position_off_the_sky_is_refused(read):
    with pytest.raises(UsageError, match="dec = 91"):
        read(row(dec=91.0))


def test_the_selection_counts_what_it_drops(read):
    rows = [row(), row(objID=ID + 1, z=0.05), row(objID=ID + 2, z=0.2)]
    rows += [row(objID=ID + 3, fiberID=2), row(objID=ID + 3, fiberID=1)]
    usual = {"class": "GALAXY", "zWarning": 0, "snMedian": 10}
    rows = [r | usual for r in rows]
    rows += [row(objID=ID + 4) | usual | {"class": "QSO"}, row(objID=ID + 5) | usual | {"zWarning": 4}]
    rows += [row(objID=ID + 6) | usual | {"snMedian": 2}]
    kept, dropped = read(*rows).select(Selection(min_sn=3))
    assert kept.ints("object_id").tolist() == [ID, ID + 3]
    assert kept.ints("fiber").tolist() == [1, 1]
    assert dropped.counts == {
        "redshift": 2,
        "signal-to-noise": 1,
        "class": 1,
        "zwarning": 1,
        "second spectrum of an object": 1,
    }


def test_a_limit_takes_evenly(read):
    kept, _ = read(*(row(objID=ID + i) for i in range(10))).select(Selection(limit=3))
    assert (kept.ints("object_id") - ID).tolist() == [0, 3, 6]


def page(numbers):
    names = ["object_id", "spec_obj_id", "plate", "mjd", "fiber", "run2d", "run", "rerun", "camcol", "field"]
    names += ["ra", "dec", "redshift", "zwarning", "class", "sn", "extinction_r", "log_stellar_mass"]
    lines = ["#Table1", ",".join(names)]
    lines += [
        f"{ID + n},{n + 1},266,51602,{n + 1},26,752,301,1,373,146.7,-1.0,0.1,0,GALAXY,9.5,0.2285,10.2"
        for n in numbers
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def ask(local, tmp_path):
    def query():
        archive = local.client(Manners(requests_per_second=1000, first_pause_seconds=0, attempts=2))
        try:
            return query_catalogue(
                archive,
                f"{local.url}/sql",
                Selection(min_sn=3),
                folder=tmp_path / "query",
                page_rows=3,
                progress=lambda _: None,
            )
        finally:
            archive.close()

    return query


def test_pages_are_asked_for_one_after_the_other(local, ask):
    local.pages = [page([0, 1, 2]), page([3, 4, 5]), page([6])]
    assert ask().ints("object_id").tolist() == [ID + n for n in range(7)]
    assert [text[text.index("s.specObjID > ") :] for text in local.queries] == [
        f"s.specObjID > {after} ORDER BY s.specObjID" for after in (0, 3, 6)
    ]


def test_a_query_goes_on_after_the_pages_it_has(local, ask):
    local.pages = [page([0, 1, 2])]
    local.faults["sql"] = []
    with pytest.raises(Exception, match="source-unavailable"):
        ask()
    local.pages = [page([3])]
    local.queries.clear()
    assert len(ask()) == 4
    assert len(local.queries) == 1


def test_an_error_page_is_no_catalogue(local, ask, tmp_path):
    local.pages = ["<html>maximum number of queries</html>\n"]
    with pytest.raises(FatalError, match="maximum number of queries"):
        ask()
    assert list((tmp_path / "query").iterdir()) == []


def test_the_query_asks_for_what_the_paper_took():
    text = query_text(Selection(), after=5, rows=10)
    for part in (
        "SELECT TOP 10 ",
        "s.class = 'GALAXY' AND s.zWarning = 0",
        "s.z > 0.05 AND s.z < 0.15",
        "p.objID = s.bestObjID",
        "LEFT JOIN galSpecExtra AS g ON g.specObjID = s.specObjID",
        "s.specObjID > 5 ",
    ):
        assert part in text
