import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fiberless.astro.extinction import EXTINCTION_PER_EBV, galactic_ebv
from fiberless.errors import UsageError
from fiberless.evaluation.sky.licensed import cut_licensed
from fiberless.evaluation.sky.table import (
    GALAXY_TABLE,
    LICENSED_SOURCES,
    galaxies_of,
    read_galaxies,
    shipped_galaxies,
)

ROW = {"src": "mine", "zspec": 0.1, "u": 19.0, "g": 17.6, "r": 16.9, "i": 16.5, "z": 16.2}


def write(folder, rows):
    pq.write_table(pa.Table.from_pylist(rows), folder / GALAXY_TABLE)


def test_the_least_table_is_read(tmp_path):
    write(tmp_path, [ROW, ROW | {"src": "another"}])
    galaxies = read_galaxies(tmp_path)
    assert galaxies.names() == ["another", "mine"]
    assert len(galaxies.of("mine")) == 1
    assert galaxies.magnitudes[0].tolist() == pytest.approx([19.0, 17.6, 16.9, 16.5, 16.2])
    assert np.isnan(galaxies.ebv).all()
    assert np.isnan(galaxies.sigma_kms).all()


def test_missing_columns_are_named(tmp_path):
    write(tmp_path, [{name: value for name, value in ROW.items() if name not in {"u", "zspec"}}])
    with pytest.raises(UsageError, match=r"lacks the columns zspec, u$"):
        read_galaxies(tmp_path)


def test_a_folder_without_the_table_is_named(tmp_path):
    with pytest.raises(UsageError, match=GALAXY_TABLE):
        read_galaxies(tmp_path)


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    (tmp_path / GALAXY_TABLE).write_text("src,zspec\n")
    with pytest.raises(UsageError, match="no table of real galaxies"):
        read_galaxies(tmp_path)


def test_a_column_of_words_is_named(tmp_path):
    write(tmp_path, [ROW | {"zspec": "far"}])
    with pytest.raises(UsageError, match="column zspec is no number"):
        read_galaxies(tmp_path)


def test_observed_magnitudes_lose_the_dust_of_the_map(tmp_path):
    place = {"ra": 185.0, "dec": 1.0}
    write(tmp_path, [ROW | place | {"magtype": "dr7"}, ROW | place | {"magtype": "model_dered"}])
    galaxies = read_galaxies(tmp_path)
    dust = galactic_ebv(185.0, 1.0) * EXTINCTION_PER_EBV
    assert dust[0] > 0.05
    assert (galaxies.magnitudes[1] - galaxies.magnitudes[0]).tolist() == pytest.approx(dust.tolist())


def test_missing_and_absurd_magnitudes_leave_the_photometry(tmp_path):
    write(tmp_path, [ROW, ROW | {"i": None}, ROW | {"u": -9999.0}, ROW | {"u": 23.0}])
    galaxies = read_galaxies(tmp_path)
    assert len(galaxies) == 4
    assert len(galaxies.photometry()) == 1


def test_the_shipped_rows_are_those_of_two_sources():
    galaxies = shipped_galaxies()
    assert galaxies.names() == sorted(LICENSED_SOURCES)
    assert [len(galaxies.of(name)) for name in LICENSED_SOURCES] == [13_813, 5_000]
    assert np.isfinite(galaxies.magnitudes).all()


def test_only_licensed_rows_are_cut(tmp_path):
    names = np.array([*LICENSED_SOURCES, "mine", LICENSED_SOURCES[0]])
    columns = {band: np.array([ROW[band]] * 3 + [np.nan]) for band in ("u", "g", "r", "i", "z", "zspec")}
    assert cut_licensed(galaxies_of(columns | {"src": names}), tmp_path / "cut.safetensors") == 2


@pytest.mark.parametrize("band", range(5))
def test_shipped_magnitudes_keep_two_millimagnitudes(band, tmp_path, monkeypatch):
    rng = np.random.default_rng(band)
    colours = rng.uniform([0.8, 0.3, 0.2, 0.1], [1.95, 1.1, 0.5, 0.4], (500, 4))
    r_mag = rng.uniform(14, 17.7, 500)
    offsets = np.column_stack(
        [colours[:, 1] + colours[:, 0], colours[:, 1], 0 * r_mag, -colours[:, 2], -colours[:, 2:].sum(1)]
    )
    columns = dict(zip("ugriz", (r_mag[:, None] + offsets).T, strict=True))
    columns |= {"zspec": np.full(500, 0.1), "src": np.full(500, "mlz_mgs")}
    (tmp_path / "tables").mkdir()
    cut_licensed(galaxies_of(columns), tmp_path / "tables" / "licensed_galaxies.safetensors")
    monkeypatch.setattr("fiberless.evaluation.sky.table.files", lambda _: tmp_path)
    again = shipped_galaxies().magnitudes[:, band]
    assert np.abs(again - columns["ugriz"[band]]).max() < 0.002
