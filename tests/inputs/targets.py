"""Tables of targets: columns, units, sexagesimal text, frames."""

from functools import partial

import numpy as np
from astropy.coordinates import SkyCoord

from tests.inputs import target_files as files
from tests.inputs.reading_targets import GAL_1, pair, read, refused
from tests.inputs.target_files import DEC, FK4, GALACTIC, RA, csv, one

TITLE = "Targets: columns, units, frames"

_PAIRS = """ra,dec;ALPHA_J2000,DELTA_J2000;ALPHAWIN_J2000,DELTAWIN_J2000;TARGET_RA,TARGET_DEC
PLUG_RA,PLUG_DEC;RAJ2000,DEJ2000;_RAJ2000,_DEJ2000;_RA,_DE;_RA.icrs,_DE.icrs;RA_ICRS,DE_ICRS
RAdeg,DEdeg;raMean,decMean;ra_deg,dec_deg;RA_J2000,DEC_J2000;RA (J2000),Dec (J2000)
coord.ra,coord.dec;X_WORLD,Y_WORLD;right_ascension,declination;s_ra,s_dec;R.A.,Decl.;ra_1,dec_1"""
_NAMES = [pair(names) for line in _PAIRS.split("\n") for names in line.split(";")]

_COLUMNS = [
    read(
        "two positions, ra, dec and fiber_ra, fiber_dec",
        csv("id,fiber_ra,fiber_dec,ra,dec", f"gal-1,1,1,{RA},{DEC}"),
    ),
    read(
        "RAJ2000 as text beside _RAJ2000 in degrees",
        csv("id,RAJ2000,DEJ2000,_RAJ2000,_DEJ2000", f"gal-1,02 33 25.2,-00 09 20.5,{RA},{DEC}"),
    ),
    read(
        "errors and proper motions beside the position",
        csv("id,e_ra,ra_error,pm_ra,ra,dec,dec_error", f"gal-1,1,1,1,{RA},{DEC},1"),
    ),
    read("one column with both angles (coords)", csv("id;coords", "gal-1;02:33:25.205 -00:09:20.52")),
    refused("id beside lon, lat", one("lon", "lat")),
    refused("id beside x, y", one("x", "y")),
    refused("id beside alf, del", one("alf", "del")),
    refused(
        "id beside RAh, RAm, RAs, DEd, DEm, DEs (a position in six columns)",
        csv("id,RAh,RAm,RAs,DE-,DEd,DEm,DEs", "gal-1,2,33,25.2,-,0,9,20.5"),
    ),
    refused("id beside ELON, ELAT", one("ELON", "ELAT")),
    refused(
        "id beside columns of unknown names in degrees",
        partial(
            files.votable,
            [f'name="id" {files.TEXT}', f'name="p1" {files.NUMBER}', f'name="p2" {files.NUMBER}'],
            ["gal-1", RA, DEC],
        ),
    ),
    refused("ra without dec", csv("id,ra", f"gal-1,{RA}")),
    refused(
        "two pairs of unknown prefixes",
        csv("id,opt_ra,opt_dec,radio_ra,radio_dec", "gal-1,1,1,2,2"),
        "bad-table: several columns may be the position",
    ),
    refused(
        "two columns called ra",
        csv("id,ra,ra,dec", "gal-1,1,2,2"),
        "bad-table: several columns may be the position",
    ),
    refused("no header line", csv(f"gal-1,{RA},{DEC}")),
]

_UNITS = [
    *(
        read(f"unit {unit}", partial(files.with_unit, unit))
        for unit in ("degrees", "DEGREE", "deg", "Degrees", "Angle[deg]", "degree (J2000)")
    ),
    *(
        read(f"unit {unit} of right ascension", partial(files.with_unit, unit, RA / 15))
        for unit in ("h", "hr", "hours", "hourangle")
    ),
    read("unit rad", partial(files.with_unit, "rad", np.radians(RA), np.radians(DEC), "radians")),
    read("unit arcsec", partial(files.with_unit, "arcsec", RA * 3600, DEC * 3600, "arcsec")),
    read("units in the names: RA (hours), Dec [deg]", one("RA (hours)", "Dec [deg]", ra=RA / 15)),
    read(
        "a line of units below the header", csv("id,ra,dec", "none,hourangle,deg", f"gal-1,{RA / 15},{DEC}")
    ),
    refused("unit kg", partial(files.with_unit, "kg"), "bad-table: the unit 'kg' is not one of ra"),
    refused(
        "unit h of declination",
        partial(files.with_unit, "deg", RA, DEC, "h"),
        "bad-table: the unit 'h' is not one of dec",
    ),
]

_TEXTS = [
    read("sexagesimal text with colons", one("ra", "dec", "02:33:25.205", "-00:09:20.52")),
    read("sexagesimal text with blanks", one("ra", "dec", "02 33 25.205", "-00 09 20.52")),
    read("sexagesimal text with letters", one("ra", "dec", "2h33m25.205s", "-0d09m20.52s")),
    read(
        "right ascension in degrees, minutes, seconds (38d21m18.07s)",
        one("ra", "dec", "38d21m18.07s", "-0d09m20.52s"),
    ),
    read("a minus sign of typography", one("ra", "dec", RA, f"\N{MINUS SIGN}{-DEC}")),
    read("RA = 360", one("ra", "dec", "360.0", "0.0"), "gal-1 at 0.0000 +0.0000"),
    read("RA = −10", one("ra", "dec", "-10.0", "0.0"), "gal-1 at 350.0000 +0.0000"),
    read(
        "RA = 361, dec = −91, nan, blank, 25:61:00",
        csv("id,ra,dec", "a,361,0", "b,0,-91", "c,nan,0", "d,,0", "e,25:61:00,0"),
        "; ".join(f"{name}: invalid-coordinates" for name in "abcde"),
    ),
    read("60 minutes in a sexagesimal text", one("ra", "dec", "02:60:00", "0"), "gal-1: invalid-coordinates"),
    read(
        "sexagesimal hours in a column of degrees",
        partial(
            files.votable,
            [
                f'name="id" {files.TEXT}',
                f'name="ra" {files.TEXT} unit="deg"',
                f'name="dec" {files.TEXT} unit="deg"',
            ],
            ["gal-1", "02:33:25.2", "-00:09:20"],
        ),
        "gal-1: invalid-coordinates",
    ),
]

_FRAMES = [
    read(
        "VOTable, COOSYS eq_FK4 B1950",
        partial(files.in_system, 'system="eq_FK4" equinox="B1950"', FK4.ra.deg, FK4.dec.deg),
    ),
    read(
        "VOTable, COOSYS eq_FK5 J2000", partial(files.in_system, 'system="eq_FK5" equinox="J2000"', RA, DEC)
    ),
    read(
        "VOTable, COOSYS galactic",
        partial(
            files.in_system,
            'system="galactic"',
            GALACTIC.l.deg,
            GALACTIC.b.deg,
            ("GLON", "GLAT"),
            ("pos.galactic.lon", "pos.galactic.lat"),
        ),
    ),
    refused(
        "VOTable, COOSYS of an unknown system",
        partial(files.in_system, 'system="geo_app"', RA, DEC),
        "bad-table: the system 'geo_app' of positions is not read",
    ),
    read("columns RAB1950, DEB1950", one("RAB1950", "DEB1950", FK4.ra.deg, FK4.dec.deg)),
    read("columns GLON, GLAT", one("GLON", "GLAT", GALACTIC.l.deg, GALACTIC.b.deg)),
    read("galactic longitude beside ra, dec", csv("id,l,b,ra,dec", f"gal-1,1,1,{RA},{DEC}")),
    read(
        "a column equinox that says B1950 of one row",
        csv("id,ra,dec,equinox", f"gal-1,{FK4.ra.deg},{FK4.dec.deg},B1950", f"gal-1,{RA},{DEC},J2000"),
        f"{GAL_1}; {GAL_1}",
    ),
    read(
        "a column equinox that says 'of date'",
        csv("id,ra,dec,equinox", f"gal-1,{RA},{DEC},of date"),
        "gal-1: invalid-coordinates",
    ),
    read(
        "FITS table, RADESYS FK4",
        lambda: files.fits_table(
            files.Table({"id": ["gal-1"], "ra": [FK4.ra.deg], "dec": [FK4.dec.deg]}),
            header={"RADESYS": "FK4", "EQUINOX": 1950.0},
        ),
    ),
    read(
        "FITS table, EQUINOX 1950 alone",
        lambda: files.fits_table(
            files.Table({"id": ["gal-1"], "ra": [FK4.ra.deg], "dec": [FK4.dec.deg]}),
            header={"EQUINOX": 1950.0},
        ),
    ),
    read("ECSV of a SkyCoord, ICRS", partial(files.skycoord_ecsv, files.PLACE)),
    read("ECSV of a SkyCoord, FK4", partial(files.skycoord_ecsv, FK4)),
    read(
        "ECSV of a SkyCoord, FK5 of equinox J1975",
        lambda: files.skycoord_ecsv(
            files.PLACE.transform_to(SkyCoord(0, 0, unit="deg", frame="fk5", equinox="J1975").frame)
        ),
    ),
    read("ECSV of a SkyCoord, galactic", partial(files.skycoord_ecsv, GALACTIC)),
]

SITUATIONS = [*_NAMES, *_COLUMNS, *_UNITS, *_TEXTS, *_FRAMES]
