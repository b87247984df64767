"""Tables of targets: exports of archives, dialects of text, identifiers, lists in JSON."""

from decimal import Decimal
from functools import partial

import numpy as np
import pyarrow as pa

from app.batch_input.json_rows import json_rows
from tests.inputs import target_files as files
from tests.inputs.reading_targets import GAL_1, read, refused, said
from tests.inputs.situation import Situation
from tests.inputs.target_files import DEC, OBJID, RA, csv, one

TITLE = "Targets: archives' exports, dialects, identifiers"

_EXPORTS = [
    read("VizieR's VOTable", files.vizier),
    read("VizieR's text with tabs, units and dashes", files.VIZIER_TSV),
    read("NED's VOTable", files.ned, "SDSS J023325.20-000920.5 at 38.3550 -0.1557"),
    read("Gaia's VOTable", files.gaia, "2500 at 38.3550 -0.1557"),
    read("VOTable with UCDs of version 1 and strange names", files.old_votable),
    read(
        "SkyServer's CSV (#Table1 first)",
        csv("#Table1", "objid,ra,dec", f"{OBJID},{RA},{DEC}"),
        f"{OBJID} at 38.3550 -0.1557",
    ),
    read("CasJobs' CSV", csv("objID,ra,dec,z", f"{OBJID},{RA},{DEC},0.1"), f"{OBJID} at 38.3550 -0.1557"),
    read("TOPCAT's FITS-plus with TUCD", files.topcat_fits),
    read("TOPCAT's ASCII (# id ra dec, blanks)", files.TOPCAT_ASCII),
    read("IPAC table (IRSA, NED, TOPCAT)", files.IPAC),
    read("DESI's redrock file: REDSHIFTS, then FIBERMAP", files.desi, "39627000000001 at 38.3550 -0.1557"),
    read("pandas' CSV with its index", csv(",id,ra,dec", f"0,gal-1,{RA},{DEC}")),
    read("Parquet of pandas", lambda: files.parquet(id=["gal-1"], ra=[RA], dec=[DEC])),
]

_DIALECTS = [
    read("semicolons", one("ra", "dec").replace(b",", b";")),
    read("semicolons and decimal commas", csv("id;ra;dec", "gal-1;38,35502;-0,15570")),
    read("tabs", one("ra", "dec").replace(b",", b"\t")),
    read("bars", one("ra", "dec").replace(b",", b" | ")),
    read("a Markdown table", csv("| id | ra | dec |", "|----|----|-----|", f"| gal-1 | {RA} | {DEC} |")),
    read("blanks", one("ra", "dec").replace(b",", b"   ")),
    read("numpy's # id,ra,dec", b"# " + one("ra", "dec")),
    read("a byte-order mark and CRLF", b"\xef\xbb\xbf" + one("ra", "dec").replace(b"\n", b"\r\n")),
    read("UTF-16 of a spreadsheet", one("ra", "dec").decode().replace(",", "\t").encode("utf-16")),
    read(
        "Latin-1 in a column that nobody reads",
        one("ra", "dec", more=",note").rstrip() + b",g\xe9n\xe9rique\n",
    ),
    *(read(f"compressed by {name}", data) for name, data in files.COMPRESSED.items()),
    read("quoted cells with commas", csv("note,id,ra,dec", f'"a, b",gal-1,"{RA}","{DEC}"')),
    read(
        "a blank-delimited row with a cell missing",
        csv("id mag ra dec", f"gal-1 17.2 {RA}"),
        "gal-1: bad-table",
    ),
    read(
        "a row with more cells than the header", csv("id,ra,dec", f"gal-1,x,{RA},{DEC}"), "gal-1: bad-table"
    ),
    refused("a ZIP archive (.xlsx)", b"PK\x03\x04rest", "bad-table: a ZIP archive"),
    refused(
        "a FITS image",
        lambda: files.fits_table(files.Table({"flux": [1.0]})),
        "bad-table: columns ra and dec are needed",
    ),
]

_IDS = [
    read(
        "objIDs as int64 of a FITS table",
        lambda: files.fits_ids(np.array([OBJID])),
        f"{OBJID} at 38.3550 -0.1557",
    ),
    read(
        "ids as uint64 of a FITS table",
        lambda: files.fits_ids(np.array([2**64 - 1], dtype=np.uint64)),
        "18446744073709551615 at 38.3550 -0.1557",
    ),
    read("ids as bytes of Parquet", lambda: files.parquet(id=[b"gal-1"], ra=[RA], dec=[DEC])),
    read(
        "ids as decimals of Parquet",
        lambda: files.parquet(id=pa.array([Decimal(OBJID)], pa.decimal128(20, 0)), ra=[RA], dec=[DEC]),
        f"{OBJID} at 38.3550 -0.1557",
    ),
    read(
        "ids as floats beyond 2^53",
        lambda: files.fits_ids(np.array([float(OBJID), 12345.0])),
        f"{float(OBJID)!r}: invalid-object-id; 12345 at 38.3550 -0.1557",
    ),
    read(
        "an id that a spreadsheet spoilt",
        csv("objid,ra,dec", f"1.23765E+18,{RA},{DEC}"),
        "1.23765E+18: invalid-object-id",
    ),
    read("bare objIDs alone", csv("objid", OBJID and str(OBJID)), f"asked for by name: {OBJID}"),
    read("ids and redshifts, no position", csv("id,z", "sdss:1,0.1"), "asked for by name: sdss:1"),
    read(
        "names with blanks and brackets",
        csv("name,ra,dec", f"NGC 1068,{RA},{DEC}", f"[VV2006] J1,{RA},{DEC}"),
        "NGC 1068 at 38.3550 -0.1557; [VV2006] J1 at 38.3550 -0.1557",
    ),
    read(
        "Latin-1 in a name",
        csv("name,ra,dec").replace(b"\n", b"\n") + f"gal\xe9,{RA},{DEC}\n".encode("latin-1"),
        "gal\xe9 at 38.3550 -0.1557",
    ),
]


def told_json(*targets):
    return "; ".join(map(said, json_rows(list(targets))))


_LISTS = [
    Situation(
        "JSON with sexagesimal text",
        "read",
        GAL_1,
        partial(told_json, {"id": "gal-1", "ra": "02:33:25.205", "dec": "-00:09:20.52"}),
    ),
    Situation(
        "JSON with RA = 360 and −10",
        "read",
        "a at 0.0000 +0.0000; b at 350.0000 +0.0000",
        partial(told_json, {"id": "a", "ra": 360, "dec": 0}, {"id": "b", "ra": -10.0, "dec": 0}),
    ),
    Situation(
        "JSON with a key that is not known (RA_J2000)",
        "read",
        "gal-1: invalid-parameter",
        partial(told_json, {"id": "gal-1", "RA_J2000": RA, "dec": DEC}),
    ),
]

SITUATIONS = [*_EXPORTS, *_DIALECTS, *_IDS, *_LISTS]
