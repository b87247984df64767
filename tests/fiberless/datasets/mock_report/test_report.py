"""The report as a whole, on a stand-in for the real files: a table, one field's galaxies are not needed."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from typer.testing import CliRunner

from fiberless.cli import app
from fiberless.datasets.mock.survey import TRUTH_NAMES, simulate
from fiberless.datasets.mock_report.photometry import Photometry, draw_photometry
from fiberless.datasets.mock_report.pixels import compare_pixels
from fiberless.datasets.mock_report.real_images import find_peaks, read_real_images
from fiberless.datasets.mock_report.report import MockSample, report_survey
from fiberless.datasets.mock_report.spectra import BreakDiagram, read_real_locus, summarise_spectra
from fiberless.datasets.mock_report.text import report_markdown

SHARED = Path(__file__).parents[5] / "shared" / "data"
PLOTS = {"colours.png", "loci.png", "spectra.png"}


@pytest.fixture(scope="module")
def photometry():
    return draw_photometry(2, 8000)


@pytest.fixture(scope="module")
def real_folder(tmp_path_factory, photometry):
    """The simulated galaxies themselves as a table; two stamps of one galaxy."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "tables").mkdir()
    maggies = np.pad(10 ** (0.4 * (22.5 - photometry.magnitudes)), ((0, 0), (0, 3)))
    table = Table({"REDSHIFT": photometry.redshift, "MAGGIES": maggies})
    table.write(folder / "tables" / "sdss_ugriz_z.fits")
    return folder


@pytest.fixture(scope="module")
def sample(photometry):
    columns = simulate(4, 60)
    truth = dict(zip(TRUTH_NAMES, columns.pop("truth").T.astype(float), strict=True))
    return MockSample("sixty galaxies", photometry, columns, truth)


@pytest.fixture(scope="module")
def stamps(tmp_path_factory, sample):
    """A folder with one simulated galaxy in the files of a real stamp."""
    folder = tmp_path_factory.mktemp("stamps")
    (folder / "stamps").mkdir()
    for band, plane in zip("ugriz", sample.columns["image"][0], strict=True):
        data = plane[6:57, 6:57].astype(np.float32)
        fits.PrimaryHDU(data).writeto(folder / "stamps" / f"stamp-{band}-10.0-0.5.fits")
    return folder


def test_the_report_judges_and_writes(sample, real_folder, tmp_path):
    report = report_survey(sample, real_folder, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == PLOTS | {"report.json"}
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["n_real"] == report.n_real > 500
    assert written["passes"] is report.colours.passes
    # the stand-in is the sample itself: on one system medians agree, in the table's u-g is off by its step
    same = [row.difference for row in report.as_they_are.binned if row.name == "u-g"]
    assert np.mean(same) == pytest.approx(0.0, abs=0.03)
    offset = [row.difference for row in report.colours.binned if row.name == "u-g"]
    assert np.mean(offset) == pytest.approx(-0.062, abs=0.02)
    text = report_markdown(report)
    assert text.startswith("# The simulated survey against the real one\n\nSixty galaxies.")
    assert "No real images at hand." in text
    assert "Dn4000" in text


def test_stamps_are_read_and_stand_beside_the_mock(sample, stamps):
    real = read_real_images(stamps, faintest_r=18.0)
    assert real.galaxy_names == ("10.0-0.5",)
    image = sample.columns["image"][0].astype(np.float32)
    np.testing.assert_allclose(real.galaxies[0][:, 6:57, 6:57], image[:, 6:57, 6:57], rtol=1e-5)
    assert np.std(real.galaxies[0][2, :6]) > 0
    rows = compare_pixels(sample.columns["image"].astype(np.float32), real, stamps, seed=1)
    noise = next(row for row in rows if (row.quantity, row.band) == ("sky noise", "r"))
    assert noise.frames is None
    assert noise.mock[0] < noise.stamps[1] < 2 * noise.mock[2]


def test_peaks_are_found_where_stars_were_put():
    y, x = np.mgrid[:200, :200]
    image = np.random.default_rng(1).normal(0, 0.03, (200, 200))
    for row, column in ((50, 60), (120, 33), (170, 150)):
        image += 2 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 1.5**2))
    found = {tuple(int(v) for v in peak) for peak in find_peaks(image, threshold_sigma=20)}
    assert found == {(50, 60), (120, 33), (170, 150)}


def test_spectra_are_summarised_by_type():
    locus = BreakDiagram(np.array([1.3, 1.3, 1.8, 1.9]), np.zeros(4), np.array([10.0, 12.0, 14.0, 90.0]))
    truth = {
        "r_mag": np.array([17.0, 17.0, 17.0, 18.5]),
        "quiescent": np.array([0.0, 0.0, 1.0, 1.0]),
        "agn": np.array([0.0, 2.0, 0.0, 2.0]),
    }
    summary = summarise_spectra(locus, BreakDiagram(*np.zeros((3, 0))), truth)
    assert summary.dn4000_star_forming == pytest.approx(1.3)
    assert summary.dn4000_quiescent == pytest.approx(1.8)
    assert summary.quiescent_fraction == pytest.approx(1 / 3)
    assert summary.agn_fraction == pytest.approx(1 / 3)
    assert summary.signal_to_noise[1] == pytest.approx(12.0)


@pytest.mark.skipif(not SHARED.exists(), reason="the real spectra lie beside the repository, not in it")
def test_real_spectra_lie_where_passive_and_star_forming_galaxies_do():
    locus = read_real_locus(SHARED / "spectra")
    breaks = dict(zip(locus.names, zip(locus.dn4000, locus.h_delta, strict=True), strict=True))
    assert len(breaks) == 9
    assert breaks["spec-0266-51602-0614"][0] > 1.8
    assert breaks["spec-1045-52725-0628"][0] < 1.45
    assert breaks["spec-0266-51602-0614"][1] < 0 < breaks["spec-1045-52725-0628"][1]
    same = [breaks["spec-0412-51871-0308"], breaks["spec-0412-52258-0302"]]
    assert same[0] == pytest.approx(same[1], abs=0.5)


def test_the_command_reports_on_the_data_set_that_it_made(real_folder, tmp_path):
    arguments = ["data", "mock", "--n", "40", "--out", str(tmp_path / "set"), "--workers", "1", "--report"]
    result = CliRunner().invoke(
        app, [*arguments, "--real", str(real_folder), "--report-out", str(tmp_path / "report")]
    )
    assert result.exit_code == 0, result.output
    assert "the simulated survey against the real one" in result.stdout.lower()
    assert (tmp_path / "report" / "report.md").read_text().strip() in result.stdout
    assert {path.name for path in (tmp_path / "report").iterdir()} == PLOTS | {"report.json", "report.md"}


def test_the_command_asks_for_what_it_needs():
    result = CliRunner().invoke(app, ["data", "mock", "--n", "4"])
    assert result.exit_code != 0
    assert "--out" in str(result.exception)


def test_a_sample_has_rows_for_its_redshifts():
    assert len(Photometry(np.array([0.1, 0.2]), np.full((2, 5), 16.0)).main_sample()) == 1
