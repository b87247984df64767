"""Files measured to the end: documents, tables, plots, the comparison with the survey, and the command."""

import json
from io import StringIO

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table
from rich.console import Console
from typer.testing import CliRunner

from fiberless.astro.lines import line
from fiberless.astro.wavelength import LIGHT_SPEED_KMS
from fiberless.cli import app
from fiberless.contract.properties import Flag
from fiberless.errors import UsageError
from fiberless.measuring import files
from fiberless.measuring.document import MeasuredSpectrum
from fiberless.measuring.files import measure_file
from fiberless.measuring.plot import plot_measured
from fiberless.measuring.survey import Surveyed, survey_comparison
from fiberless.measuring.table import check_output, measured_table, row_table, write_rows

REDSHIFT = 0.08
HALPHA = 286.0


def run(*arguments):
    return CliRunner().invoke(app, ["measure", *map(str, arguments)])


@pytest.fixture
def written_product(galaxy, tmp_path):
    """Three candidates as the product holds them."""
    wave_aa = np.arange(4000.0, 8500.0)
    flux = np.stack([np.interp(wave_aa, galaxy.wave_aa, galaxy.flux) * scale for scale in (1.0, 1.1, 0.9)])
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(header=fits.Header({"PREDICT": True})),
            fits.BinTableHDU.from_columns(
                [fits.Column("wavelength", "D", array=wave_aa), fits.Column("flux", "E", array=flux[0])],
                name="SPECTRUM",
            ),
            fits.BinTableHDU.from_columns(
                [
                    fits.Column("redshift", "E", array=np.array([0.08, 0.0801, 0.0799])),
                    fits.Column("flux", f"{wave_aa.size}E", array=flux),
                ],
                name="SAMPLES",
            ),
        ]
    )
    path = tmp_path / "predicted.fits"
    hdus.writeto(path)
    return path


def test_a_galaxy_is_measured_as_it_was_made(write_sdss):
    """The pipeline's redshift in the file is 0.2, wrong on purpose: it is not looked at."""
    document = measure_file(write_sdss()).document
    assert document.redshift.value == pytest.approx(REDSHIFT, abs=1e-4)
    assert document.redshift.lower < document.redshift.value < document.redshift.upper
    assert document.redshift_issues == ()
    assert document.lines["Halpha"].flux.value == pytest.approx(HALPHA, rel=0.05)
    assert document.quantities["balmer_decrement"].value == pytest.approx(2.86, rel=0.08)
    assert document.quantities["ebv_gas"].lower == pytest.approx(0.0, abs=0.08)
    assert document.classes["bpt_nii"].value == "star_forming"  # lg ratios −0.46 and 0.00
    assert MeasuredSpectrum.model_validate_json(document.model_dump_json()) == document


def test_a_given_redshift_is_taken(write_csv):
    document = measure_file(write_csv(), redshift=0.0801).document
    assert document.redshift.value == 0.0801
    assert "given" in document.redshift.method
    assert document.lines["Halpha"].flux.value == pytest.approx(HALPHA, rel=0.06)


def test_an_impossible_redshift_is_refused(write_csv):
    with pytest.raises(UsageError, match="outside"):
        measure_file(write_csv(), redshift=9.0)


def test_dust_of_the_milky_way_is_taken_off(write_sdss):
    """E(B−V) = 0.1: A at 7090 Å, Hα's place, is 2.742 · 0.1 · 0.72 = 0.20 mag; the redshift stays."""
    path = write_sdss()
    before, after = (measure_file(path, ebv=ebv).document for ebv in (0.0, 0.1))
    gain = after.lines["Halpha"].flux.value / before.lines["Halpha"].flux.value
    assert 2.5 * np.log10(gain) == pytest.approx(0.20, abs=0.01)
    assert after.redshift.value == pytest.approx(before.redshift.value, abs=1e-4)
    assert any("E(B-V) = 0.1" in note for note in after.notes)
    with pytest.raises(UsageError, match="outside"):
        measure_file(path, ebv=-0.1)


def test_a_table_without_errors_says_what_it_took(write_csv):
    document = measure_file(write_csv(header="")).document
    assert any("no errors given: 0.8" in note or "no errors given: 0.7" in note for note in document.notes)
    assert document.redshift.value == pytest.approx(REDSHIFT, abs=2e-4)


def test_noise_has_no_redshift_and_nothing_else(tmp_path):
    path = tmp_path / "noise.txt"
    wave_aa = np.arange(4000.0, 8500.0)
    noise = np.random.default_rng(1).standard_normal(wave_aa.size)
    np.savetxt(path, np.column_stack([wave_aa, noise, np.ones(wave_aa.size)]))
    measured = measure_file(path)
    assert "low_snr" in measured.document.redshift_issues
    assert measured.document.redshift.flag is Flag.LOW_CONFIDENCE
    assert not measured.document.lines
    assert measured.fit is None


def test_candidates_of_a_prediction_give_its_intervals(written_product):
    document = measure_file(written_product).document
    assert document.kind == "predicted"
    assert document.redshift.value == pytest.approx(0.08, abs=1e-6)
    halpha = document.lines["Halpha"].flux
    assert halpha.lower < halpha.value < halpha.upper
    assert halpha.upper / halpha.lower > 1.1
    assert document.redshift_issues == ()


def test_the_shown_table_holds_every_measurement(write_sdss):
    document = measure_file(write_sdss()).document
    console = Console(width=160, record=True, file=StringIO())
    console.print(measured_table(document))
    text = console.export_text()
    expected = ("redshift", "dn4000", "log_sfr_halpha", "bpt_sii", "flux Halpha", "EW OIII_5007", "Lick Mgb")
    assert all(name in text for name in expected)
    assert f"{document.redshift.value:.4f}" in text


def test_a_predicted_spectrum_is_shown_as_predicted(written_product):
    console = Console(width=160, record=True, file=StringIO())
    console.print(measured_table(measure_file(written_product).document))
    assert "PREDICTED, NOT OBSERVED" in console.export_text()


@pytest.mark.parametrize("suffix", [".ecsv", ".csv", ".parquet"])
def test_rows_survive_the_file(write_sdss, tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    document = measure_file(write_sdss()).document
    write_rows([document, document], path)
    match suffix:
        case ".parquet":
            from pyarrow import parquet  # noqa: PLC0415  # optional

            halpha = parquet.read_table(path)["flux_Halpha"].to_pylist()
        case _:
            halpha = Table.read(path, format=f"ascii.{suffix[1:]}")["flux_Halpha"].tolist()
    assert halpha == pytest.approx([document.lines["Halpha"].flux.value] * 2)


def test_what_is_not_measured_is_masked_in_rows(write_sdss):
    table = row_table([measure_file(write_sdss()).document])
    assert table["magnitudes_u"].mask.all()
    assert table["magnitudes_u_flag"][0] == "out_of_band"
    assert str(table["flux_Halpha"].unit) == "1e-17 erg / (s cm2)"


@pytest.mark.parametrize("name", ["table.xlsx", "no/such/folder/table.ecsv"])
def test_outputs_that_cannot_be_written_are_refused_first(tmp_path, name):
    with pytest.raises(UsageError):
        check_output(tmp_path / name)


def test_plots_are_pictures_with_and_without_a_fit(write_sdss, tmp_path):
    path = tmp_path / "zeros.txt"
    np.savetxt(path, np.column_stack([np.arange(4000.0, 8500.0), np.zeros(4500), np.ones(4500)]))
    for source in (write_sdss(), path):
        plot_measured(measure_file(source), tmp_path / "p.png")
        assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_the_survey_s_values_stand_beside_ours(write_sdss):
    measured = measure_file(write_sdss())
    text = survey_comparison([Surveyed(measured.document, measured.source.pipeline)])
    (redshift,) = [row for row in text.splitlines() if row.startswith("| spec-1-2-3.fits | GALAXY")]
    assert "0.20000" in redshift
    (lines,) = [row for row in text.splitlines() if "/ 286.0 =" in row]
    assert "/ –" in lines


def test_the_command_prints_one_document_a_line(write_sdss, write_csv):
    result = run(write_sdss(), write_csv(), "--json")
    assert result.exit_code == 0
    documents = [json.loads(row) for row in result.stdout.splitlines() if row.startswith("{")]
    assert [document["file"] for document in documents] == ["spec-1-2-3.fits", "galaxy.csv"]


def test_a_bad_file_does_not_sink_the_batch(write_sdss, tmp_path):
    bad, out = tmp_path / "bad.fits", tmp_path / "out.ecsv"
    bad.write_text("nothing")
    result = run(bad, write_sdss(), "--out", out)
    assert result.exit_code == 1
    assert "bad.fits" in result.stderr
    assert list(Table.read(out, format="ascii.ecsv")["file"]) == ["spec-1-2-3.fits"]


def test_the_command_compares_with_the_survey(write_sdss, write_csv):
    result = run(write_sdss(), write_csv(), "--survey")
    assert result.exit_code == 0
    assert "spec-1-2-3.fits | GALAXY" in result.stdout
    assert "galaxy.csv" not in result.stdout


def test_the_command_writes_plots_beside_the_table(write_sdss, tmp_path):
    assert run(write_sdss(), "--plot", "--out", tmp_path / "out.csv").exit_code == 0
    assert (tmp_path / "spec-1-2-3.fits.png").exists()


def test_a_wrong_output_is_refused_before_the_work(write_sdss, tmp_path):
    result = run(write_sdss(), "--out", tmp_path / "out.xlsx")
    assert isinstance(result.exception, UsageError)


def test_one_infinite_error_is_one_pixel_left_out(galaxy, tmp_path):
    path = tmp_path / "infinite.csv"
    error = galaxy.error.copy()
    error[[100, 2000]] = np.inf, np.nan
    Table({"wave": galaxy.wave_aa, "flux": galaxy.flux, "error": error}).write(path)
    measured = measure_file(path)
    assert list(np.flatnonzero(measured.source.spectrum.mask)) == [100, 2000]
    assert measured.document.lines["Halpha"].flux.value == pytest.approx(HALPHA, rel=0.05)


def test_any_fault_of_one_file_is_its_own_message(write_sdss, write_csv, monkeypatch):
    """Even one that nobody foresaw: the run goes on, and the exit code says that one is missing."""
    read = files.read_spectrum_file

    def faulty(path, **options):
        if path.suffix == ".csv":
            raise ZeroDivisionError("nobody foresaw this")
        return read(path, **options)

    monkeypatch.setattr(files, "read_spectrum_file", faulty)
    result = run(write_csv(), write_sdss(), "--json")
    assert result.exit_code == 1
    assert "galaxy.csv: ZeroDivisionError: nobody foresaw this" in result.stderr
    assert '"file":"spec-1-2-3.fits"' in result.stdout


def test_relative_fluxes_have_no_trusted_luminosity(galaxy, tmp_path):
    path = tmp_path / "counts.ecsv"
    columns = {"wave": galaxy.wave_aa, "flux": galaxy.flux * units.ct, "error": galaxy.error * units.ct}
    Table(columns).write(path)
    quantities = measure_file(path).document.quantities
    assert quantities["log_sfr_halpha"].flag is Flag.LOW_CONFIDENCE
    assert quantities["magnitudes.r"].flag is Flag.LOW_CONFIDENCE
    assert quantities["balmer_decrement"].flag is Flag.OK


def test_a_starburst_with_hardly_any_continuum_is_measured_with_a_flag(tmp_path):
    """S/N 0.5 a pixel of the continuum; Hβ 300 and case-B Hα, [O III] 5007 five times Hβ."""
    wave_aa = 10 ** (3.58 + 1e-4 * np.arange(3840))
    flux = (wave_aa / 5250) ** -1.2
    lines = {
        "OII_3730": 1.9,
        "Hgamma": 0.47,
        "Hbeta": 1.0,
        "OIII_4960": 1.678,
        "OIII_5008": 5.0,
        "Halpha": 2.86,
    }
    for name, share in lines.items():
        centre = line(name).wave_aa * 1.05
        width = centre * 100 / LIGHT_SPEED_KMS
        flux = flux + 300 * share / (width * np.sqrt(2 * np.pi)) * np.exp(
            -0.5 * ((wave_aa - centre) / width) ** 2
        )
    path = tmp_path / "starburst.csv"
    noise = np.random.default_rng(1).standard_normal(wave_aa.size)
    Table({"wave": wave_aa, "flux": flux + 2 * noise, "err": np.full(wave_aa.size, 2.0)}).write(path)
    document = measure_file(path).document
    assert document.redshift.value == pytest.approx(0.05, abs=1e-4)
    assert document.redshift.flag is Flag.LOW_CONFIDENCE
    assert document.redshift_issues == ()
    assert any("pattern of its emission lines, in spite of low_snr" in note for note in document.notes)
    assert document.lines["Halpha"].flux.value == pytest.approx(858, rel=0.05)
