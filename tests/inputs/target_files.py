"""Tables of one galaxy as other software writes them: bytes in the layouts that their defaults have."""

import bz2
import gzip
import io
import lzma

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import QTable, Table
from astropy.time import Time

RA, DEC = 38.35502, -0.15570
PLACE = SkyCoord(RA, DEC, unit="deg")
FK4 = PLACE.transform_to("fk4")
GALACTIC = PLACE.galactic
OBJID = 1237648720693755918


def csv(head, *rows):
    return ("\n".join([head, *rows]) + "\n").encode()


def one(ra_name, dec_name, ra=RA, dec=DEC, more=""):
    """CSV of one galaxy, its columns of these names."""
    return csv(f"id,{ra_name},{dec_name}{more}", f"gal-1,{ra},{dec}")


def votable(fields, cells, *, system="", serialization=None):
    """VOTable of one row; `fields` are attributes of FIELD."""
    head = "".join(f"<FIELD {field}/>" for field in fields)
    body = (
        serialization
        or "<TABLEDATA><TR>" + "".join(f"<TD>{cell}</TD>" for cell in cells) + "</TR></TABLEDATA>"
    )
    return (
        '<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<RESOURCE type="results">{system}<TABLE>{head}<DATA>{body}</DATA></TABLE></RESOURCE></VOTABLE>'
    ).encode()


NUMBER = 'datatype="double" unit="deg"'
TEXT = 'datatype="char" arraysize="*"'


def vizier():
    """VizieR's default: computed degrees first, then the catalogue's own text."""
    return votable(
        [
            f'name="_RAJ2000" ucd="pos.eq.ra;meta.main" ref="J2000" {NUMBER}',
            f'name="_DEJ2000" ucd="pos.eq.dec;meta.main" ref="J2000" {NUMBER}',
            f'name="Name" ucd="meta.id;meta.main" {TEXT}',
            f'name="RAJ2000" ucd="pos.eq.ra" {TEXT} unit="&quot;h:m:s&quot;"',
            f'name="DEJ2000" ucd="pos.eq.dec" {TEXT} unit="&quot;d:m:s&quot;"',
        ],
        [RA, DEC, "gal-1", "02 33 25.2", "-00 09 20.5"],
        system='<COOSYS ID="J2000" system="eq_FK5" equinox="J2000"/>',
    )


def ned():
    """NED's object list: units in words."""
    return votable(
        [
            'name="No." datatype="int"',
            f'name="Object Name" ucd="meta.id;meta.main" {TEXT}',
            'name="RA" ucd="pos.eq.ra;meta.main" datatype="double" unit="degrees"',
            'name="DEC" ucd="pos.eq.dec;meta.main" datatype="double" unit="degrees"',
            f'name="Type" {TEXT}',
            'name="Redshift" ucd="src.redshift" datatype="double"',
        ],
        [1, "SDSS J023325.20-000920.5", RA, DEC, "G", 0.0871],
    )


def gaia():
    """Gaia's archive: errors, proper motions and an epoch beside the position."""
    return votable(
        [
            f'name="designation" ucd="meta.id" {TEXT}',
            'name="source_id" ucd="meta.id;meta.main" datatype="long"',
            'name="ref_epoch" ucd="meta.ref;time.epoch" datatype="double" unit="yr"',
            f'name="ra_error" ucd="stat.error;pos.eq.ra" {NUMBER}',
            f'name="ra" ucd="pos.eq.ra;meta.main" ref="C" {NUMBER}',
            f'name="dec" ucd="pos.eq.dec;meta.main" ref="C" {NUMBER}',
            'name="pmra" ucd="pos.pm;pos.eq.ra" datatype="double" unit="mas.yr**-1"',
            f'name="l" ucd="pos.galactic.lon" {NUMBER}',
            f'name="b" ucd="pos.galactic.lat" {NUMBER}',
        ],
        ["Gaia DR3 2500", 2500, 2016.0, 0.02, RA, DEC, 1.5, 171.1, -53.9],
        system='<COOSYS ID="C" system="ICRS" epoch="2016.0"/>',
    )


def old_votable():
    """UCDs of version 1, names in the catalogue's own words."""
    return votable(
        [
            f'name="label" ucd="ID_MAIN" {TEXT}',
            f'name="alf" ucd="POS_EQ_RA_MAIN" {NUMBER}',
            f'name="del" ucd="POS_EQ_DEC_MAIN" {NUMBER}',
        ],
        ["gal-1", RA, DEC],
    )


def with_unit(unit, ra=RA, dec=DEC, dec_unit="deg"):
    return votable(
        [
            f'name="id" {TEXT}',
            f'name="ra" datatype="double" unit="{unit}"',
            f'name="dec" datatype="double" unit="{dec_unit}"',
        ],
        ["gal-1", ra, dec],
    )


def in_system(system, ra, dec, names=("RA", "DE"), ucds=("pos.eq.ra", "pos.eq.dec")):
    """VOTable whose columns refer to a COOSYS."""
    return votable(
        [
            f'name="id" {TEXT}',
            *(
                f'name="{name}" ucd="{ucd};meta.main" ref="S" {NUMBER}'
                for name, ucd in zip(names, ucds, strict=True)
            ),
        ],
        ["gal-1", ra, dec],
        system=f'<COOSYS ID="S" {system}/>',
    )


def fits_table(table, *, header=None, before=()):
    """FITS file of a binary table."""
    hdu = fits.BinTableHDU(table)
    hdu.header.update(header or {})
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *before, hdu]).writeto(stream)
    return stream.getvalue()


def topcat_fits():
    """TOPCAT's FITS-plus: UCDs in TUCD, and a VOTable as bytes of the primary array."""
    table = Table({"NAME": np.array([b"gal-1   "]), "ALPHA": [RA], "DELTA": [DEC]})
    table["ALPHA"].unit = table["DELTA"].unit = "deg"
    data = fits_table(table, header={"TUCD2": "pos.eq.ra;meta.main", "TUCD3": "pos.eq.dec;meta.main"})
    hdus = fits.open(io.BytesIO(data))
    primary = fits.PrimaryHDU(np.frombuffer(b"<?xml version='1.0'?><VOTABLE/>", dtype=np.uint8))
    stream = io.BytesIO()
    fits.HDUList([primary, hdus[1]]).writeto(stream)
    return stream.getvalue()


def desi():
    """DESI's redrock file: redshifts without positions first, then the fibre map."""
    redshifts = fits.BinTableHDU(Table({"TARGETID": [39627000000001], "Z": [0.1]}), name="REDSHIFTS")
    fibermap = Table(
        {
            "TARGETID": [39627000000001],
            "TARGET_RA": [RA],
            "TARGET_DEC": [DEC],
            "FIBER_RA": [10.0],
            "FIBER_DEC": [10.0],
        }
    )
    return fits_table(fibermap, before=[redshifts])


def fits_ids(ids, **options):
    return fits_table(Table({"objid": ids, "ra": [RA] * len(ids), "dec": [DEC] * len(ids)}), **options)


def ecsv(table):
    stream = io.StringIO()
    table.write(stream, format="ascii.ecsv")
    return stream.getvalue().encode()


def skycoord_ecsv(place):
    coord = SkyCoord([place])
    return ecsv(QTable({"id": ["gal-1"], "coord": coord, "seen": Time(["2020-01-01"])}))


def parquet(**columns):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


VIZIER_TSV = csv(
    "#\n#   VizieR Astronomical Server",
    "#Coosys\tJ2000:\teq_FK5 J2000",
    "#Column\t_RAJ2000\t(F9.5)\tRight ascension",
    "_RAJ2000\t_DEJ2000\tName\tRAJ2000\tDEJ2000",
    'deg\tdeg\t \t"h:m:s"\t"d:m:s"',
    "---------\t---------\t-----\t----------\t-----------",
    f"{RA}\t{DEC:+}\tgal-1\t02 33 25.2\t-00 09 20.5",
)
TOPCAT_ASCII = csv("# id ra dec note", f'gal-1 {RA} {DEC} "a note"')
IPAC = (
    b"\\fixlen = T\n"
    b"|    id|        ra|       dec|\n"
    b"|  char|    double|    double|\n"
    b"|      |       deg|       deg|\n"
    b"|  null|      null|      null|\n"
    b"  gal-1   38.35502   -0.15570 \n"
)
COMPRESSED = {
    "gzip": gzip.compress(one("ra", "dec"), mtime=0),
    "bzip2": bz2.compress(one("ra", "dec")),
    "xz": lzma.compress(one("ra", "dec")),
}
