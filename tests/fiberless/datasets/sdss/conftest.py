"""A small survey on a local server, in the archive's own layout, that can be told to fail."""

import bz2
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from fiberless.astro.bands import BANDS
from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.datasets.mock.survey import TRUTH_NAMES, simulate
from fiberless.datasets.sdss.archive import Archive
from fiberless.datasets.sdss.options import Manners, frame_path, spectrum_path
from tests.survey_server import SurveyServer

FIRST_ID = 1237648720693755918
SHARED = Path(__file__).resolve().parents[5] / "shared" / "data"
SHIFTS = {"u": (3, 7), "g": (0, 10), "r": (0, 0), "i": (-2, 3), "z": (-2, 7)}
N, A_FIELD = 12, 3
FIELDS_RA = (10.0, 70.0, 130.0, 190.0)
FAST = Manners(requests_per_second=1000, first_pause_seconds=0, connections=4, attempts=4)


class LocalArchive(SurveyServer):
    """The server with a client of training data."""

    def client(self, manners=FAST, **arguments):
        return Archive(self.url, manners, **arguments)


def spec_file(path, *, wave_aa, flux, ivar, key=(266, 51602, 1), kind="GALAXY", z=0.1, warning=0):
    """A spec-lite file."""
    primary = fits.PrimaryHDU()
    primary.header.update(dict(zip(("PLATEID", "MJD", "FIBERID"), key, strict=True)))
    columns = {"flux": flux, "loglam": np.log10(wave_aa), "ivar": ivar, "and_mask": np.zeros(len(flux))}
    coadd = fits.BinTableHDU.from_columns(
        [fits.Column(name, "J" if "mask" in name else "E", array=values) for name, values in columns.items()]
    )
    row = [
        fits.Column("CLASS", "6A", array=[kind]),
        fits.Column("Z", "E", array=[z]),
        fits.Column("ZWARNING", "J", array=[warning]),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([primary, coadd, fits.BinTableHDU.from_columns(row)]).writeto(path)


SPEC_WAVE_AA = 10 ** (3.58 + 1e-4 * np.arange(3850))


def frame_header(band, corner_ra):
    step = 0.396 / 3600
    dx, dy = SHIFTS[band]
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"}
    cards |= {"CRPIX1": 1 + dx, "CRPIX2": 1 + dy, "CRVAL1": corner_ra, "CRVAL2": 0.0}
    cards |= {"CD1_1": 0.0, "CD1_2": step, "CD2_1": step, "CD2_2": 0.0, "RADESYS": "ICRS"}
    return fits.Header(cards | {"BUNIT": "nanomaggy", "FILTER": band})


def write_field(root, number, images):
    """Five frames of a field with the images of its galaxies, and their positions."""
    sky = np.random.default_rng(number)
    for index, band in enumerate(BANDS):
        frame = sky.normal(0, 0.01, (120, 60 + 90 * len(images))).astype(np.float32)
        dx, dy = SHIFTS[band]
        for i, image in enumerate(images):
            frame[25 + dy : 89 + dy, 30 + 90 * i + dx : 94 + 90 * i + dx] = image[index]
        hdu = fits.PrimaryHDU(frame, frame_header(band, FIELDS_RA[number]))
        path = root / frame_path(band, rerun="301", run=94, camcol=3, field=number)
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = path.with_suffix("")
        hdu.writeto(plain)
        path.write_bytes(bz2.compress(plain.read_bytes(), 1))
        plain.unlink()
    wcs = WCS(frame_header("r", FIELDS_RA[number]))
    return [wcs.pixel_to_world_values(30 + 90 * i + 31.5, 25 + 31.5) for i in range(len(images))]


@dataclass
class SimulatedSurvey:
    """The archive's folder, the catalogue file, and what was put in."""

    root: Path
    catalogue: Path
    mock: dict[str, np.ndarray]
    rows: list[dict[str, object]]


def make_survey(folder):
    mock = simulate([7, 1], N)
    z = mock["truth"][:, TRUTH_NAMES.index("redshift")].astype(float)
    rows = []
    for number in range(len(FIELDS_RA)):
        galaxies = range(number * A_FIELD, (number + 1) * A_FIELD)
        positions = write_field(folder, number, [mock["image"][i].astype(np.float32) for i in galaxies])
        for i, (ra, dec) in zip(galaxies, positions, strict=True):
            key = {"plate": 266 + i, "mjd": 51602, "fiber": i + 1}
            flux = np.maximum(mock["flux"][i].astype(float), 0.1)
            spec_file(
                folder / spectrum_path(run2d="26", **key),
                wave_aa=SPEC_WAVE_AA,
                flux=np.interp(SPEC_WAVE_AA, OBSERVED_WAVE_AA, flux),
                ivar=np.full(len(SPEC_WAVE_AA), 4.0),
                key=tuple(key.values()),
                z=z[i],
            )
            rows.append(
                {"objID": FIRST_ID + i, **key, "run2d": "26", "run": 94, "rerun": "301", "camcol": 3}
                | {"field": number, "ra": repr(float(ra)), "dec": repr(float(dec)), "z": repr(float(z[i]))}
                | {"class": "GALAXY", "zWarning": 0, "snMedian": 12.5, "velDisp": 150.0 + i}
                | {"petroMag_r": 16.5, "extinction_r": 0.2285, "lgm_tot_p50": 10.5}
                | {"sfr_tot_p50": -9999, "oh_p50": ""}
            )
    return SimulatedSurvey(folder, csv_file(folder / "catalogue.csv", rows), mock, rows)


def csv_file(path, rows):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="session")
def write_spec():
    return spec_file


@pytest.fixture(scope="session")
def write_csv():
    return csv_file


@pytest.fixture(scope="session")
def serve():
    """Start servers of folders; they end with the tests."""
    servers = []

    def start(root):
        servers.append(LocalArchive(root))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def survey(tmp_path_factory):
    return make_survey(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def served(survey, serve):
    return serve(survey.root)


@pytest.fixture
def local(tmp_path, serve):
    """A server of an empty folder."""
    (tmp_path / "served").mkdir()
    return serve(tmp_path / "served")


@pytest.fixture(scope="session")
def shared_data():
    if not SHARED.is_dir():
        pytest.skip("the real SDSS files are not at ../shared/data")
    return SHARED
