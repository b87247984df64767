"""From a catalogue to shards, against a local server in the archive's layout."""

import csv
import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import numpy as np
import psutil
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.cli import app
from fiberless.datasets.sdss.build import Build, Sizes, working_in
from fiberless.datasets.sdss.dereddening import spectrum_correction
from fiberless.datasets.sdss.options import Selection, SplitRule, frame_path, spectrum_path
from fiberless.datasets.sdss.split import PARTS, sky_cells
from fiberless.datasets.shards import ShardSet
from fiberless.errors import TransientError, UsageError

WIDE = Selection(redshift=(0.0, 0.3))
SPLIT = SplitRule(seed=0, validation_share=0.3, test_share=0.3)
CLI = [sys.executable, "-c", "from fiberless.cli import main; main()"]
FIRST_ID = 1237648720693755918


def silent(*_):
    """Hear progress and say nothing."""


def build_of(served, survey, out, *, split=SPLIT, selection=WIDE, catalogue=None, client=None):
    return Build(
        out=out,
        selection=selection,
        split=split,
        archive=client or served.client(),
        catalogue_file=catalogue or survey.catalogue,
        sizes=Sizes(chunk=3, shard=2),
    )


def run(build):
    with closing(build.archive), working_in(build.out):
        catalogue, _ = build.catalogue(progress=silent)
        return build.run(catalogue, workers=1, progress=silent)


def digests(out):
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in PARTS
        for path in sorted((out / name).iterdir())
    } | {
        name: hashlib.sha256((out / name).read_bytes()).hexdigest()
        for name in ("report.csv", "downloads.csv")
    }


def report(out):
    with (out / "report.csv").open() as stream:
        return {int(row["object_id"]): row for row in csv.DictReader(stream)}


def arguments(served, survey, out):
    options = ["--catalogue", survey.catalogue, "--archive-url", served.url, "--out", out, "--yes"]
    options += ["--z-min", 0, "--z-max", 0.3, "--seed", 0, "--validation-share", 0.3, "--test-share", 0.3]
    options += ["--rate", 1000, "--workers", 1, "--chunk-size", 3, "--shard-size", 2]
    return ["data", "sdss", *map(str, options)]


@pytest.fixture(scope="module")
def whole(survey, serve, tmp_path_factory):
    """The data set of an uninterrupted run, and what was printed."""
    out = tmp_path_factory.mktemp("whole")
    result = CliRunner().invoke(app, arguments(serve(survey.root), survey, out))
    assert result.exit_code == 0, result.output
    return out, result.output


def test_every_galaxy_comes_out_as_it_was_put_in(whole, survey):
    out, _ = whole
    seen = set()
    for name in PARTS:
        data = ShardSet(out / name)
        for place, number in enumerate(data.object_ids()):
            i = int(number) - FIRST_ID
            seen.add(i)
            image = data.column("image")[place]
            np.testing.assert_array_equal(image[2], survey.mock["image"][i][2])
            np.testing.assert_allclose(image, survey.mock["image"][i], atol=2e-3, rtol=2e-3)
            truth = dict(zip(data.info.truth_names, data.column("truth")[place], strict=True))
            row = survey.rows[i]
            assert truth["redshift"] == np.float32(row["z"])
            assert truth["ebv"] == pytest.approx(0.1, rel=1e-6)
            assert truth["sigma_star"] == 150 + i
            assert truth["log_stellar_mass"] == 10.5
            assert np.isnan(truth["log_sfr"])
            assert np.isnan(truth["oxygen"])
            expected = np.maximum(survey.mock["flux"][i].astype(float), 0.1)
            expected *= spectrum_correction(OBSERVED_WAVE_AA, 0.1)
            assert truth["r_mag"] == pytest.approx(16.5 - 0.2285)
            flux = data.column("flux")[place].astype(float)
            assert flux[1000:2000].mean() == pytest.approx(expected[1000:2000].mean(), rel=0.01)
    assert seen == set(range(12))


def test_ids_are_exact_and_never_floats(whole):
    out, _ = whole
    ids = np.concatenate([ShardSet(out / name).object_ids() for name in PARTS])
    assert ids.dtype == np.int64
    assert FIRST_ID in ids.tolist()
    assert int(np.float64(FIRST_ID)) != FIRST_ID


def test_parts_share_no_cell_of_the_sky(whole, survey):
    out, _ = whole
    places = {int(row["objID"]): (float(row["ra"]), float(row["dec"])) for row in survey.rows}
    cells = {}
    for name in PARTS:
        ra, dec = np.array([places[int(i)] for i in ShardSet(out / name).object_ids()]).T
        cells[name] = set(sky_cells(16, ra, dec).tolist())
    assert cells["train"] & cells["validation"] == set()
    assert cells["train"] & cells["test"] == set()
    assert cells["validation"] & cells["test"] == set()


def test_the_cost_is_printed_before_anything_is_taken(served, survey, tmp_path):
    command = [word for word in arguments(served, survey, tmp_path / "out") if word != "--yes"]
    result = CliRunner().invoke(app, command, input="n\n")
    assert result.exit_code == 1
    assert "galaxies    12 in 4 fields" in result.output
    assert "requests    32" in result.output
    assert "transfer    0.1 GB" in result.output
    assert served.n_requests == 0


def test_what_was_taken_is_recorded_with_its_checksum(whole, survey):
    out, _ = whole
    with (out / "downloads.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 12 + 4 * 5
    for row in rows:
        body = (survey.root / row["path"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(body).hexdigest()
        assert int(row["n_bytes"]) == len(body)


def test_nothing_is_left_of_the_downloads(whole):
    out, _ = whole
    assert [path for path in (out / "work" / "downloads").rglob("*") if path.is_file()] == []


def test_a_finished_data_set_is_not_asked_for_again(whole, survey, served):
    out, _ = whole
    before = digests(out)
    result = CliRunner().invoke(app, arguments(served, survey, out))
    assert result.exit_code == 0, result.output
    assert served.n_requests == 0
    assert digests(out) == before


def kill_when(process, reached):
    """SIGKILL when a condition holds; the children go too."""
    for _ in range(3000):
        if reached():
            break
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    else:
        pytest.fail("the moment to kill never came")
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def start(served, survey, out):
    return subprocess.Popen(
        [*CLI, *arguments(served, survey, out)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def test_killed_three_times_it_ends_with_the_same_bytes(whole, survey, serve, tmp_path):
    out = tmp_path / "out"
    first = serve(survey.root)
    first.hold_at = 13
    kill_when(start(first, survey, out), first.held.is_set)
    assert list(out.glob("train/*")) == []

    second = serve(survey.root)
    second.hold_at = 10
    kill_when(start(second, survey, out), (out / "work/chunks/chunk-00001.json").exists)
    assert not (out / "work/chunks/chunk-00002.json").exists()

    third = serve(survey.root)
    kill_when(start(third, survey, out), (out / "downloads.csv").exists)

    last = start(serve(survey.root), survey, out)
    output, _ = last.communicate()
    assert last.returncode == 0, output
    assert digests(out) == digests(whole[0])


def test_server_errors_cut_bodies_and_half_written_files_change_nothing(whole, survey, served, tmp_path):
    keys = {"run2d": "26", "mjd": 51602}
    busy = spectrum_path(plate=266, fiber=1, **keys).as_posix()
    cut = spectrum_path(plate=267, fiber=2, **keys).as_posix()
    cut_frame = frame_path("i", rerun="301", run=94, camcol=3, field=1).as_posix()
    served.faults[busy] = [503, 429, 503]
    served.faults[cut] = ["cut", "cut"]
    served.faults[cut_frame] = ["cut"]
    download = tmp_path / "work/downloads/chunk-00000"
    download.mkdir(parents=True)
    (download / "spec-0266-51602-0001.fits.part").write_bytes(b"SIMPLE  =  half")
    chunks = tmp_path / "work/chunks"
    chunks.mkdir()
    (chunks / "shard-00000.safetensors").write_bytes(b"a shard without its record")
    (chunks / "shard-00001.tmp").write_bytes(b"half")
    run(build_of(served, survey, tmp_path))
    assert (served.requests[busy], served.requests[cut], served.requests[cut_frame]) == (4, 3, 2)
    assert digests(tmp_path) == digests(whole[0])


def test_an_archive_that_is_down_stops_the_run_which_then_goes_on(whole, survey, served, tmp_path):
    busy = spectrum_path(run2d="26", plate=270, mjd=51602, fiber=5).as_posix()
    served.faults[busy] = [503] * 4
    with pytest.raises(TransientError, match="did not come in 4 tries"):
        run(build_of(served, survey, tmp_path))
    run(build_of(served, survey, tmp_path))
    assert digests(tmp_path) == digests(whole[0])


def test_what_the_archive_lacks_is_reported_and_left_out(survey, served, tmp_path):
    spectrum = spectrum_path(run2d="26", plate=266, mjd=51602, fiber=1).as_posix()
    frame = frame_path("z", rerun="301", run=94, camcol=3, field=2).as_posix()
    served.faults[spectrum] = [404]
    served.faults[frame] = [404]
    summary = run(build_of(served, survey, tmp_path))
    assert summary.rejected == {"missing-image": 3, "missing-spectrum": 1}
    assert sum(summary.parts.values()) == 8
    found = report(tmp_path)
    assert found[FIRST_ID]["outcome"] == "missing-spectrum"
    assert [found[FIRST_ID + i]["outcome"] for i in (6, 7, 8)] == ["missing-image"] * 3
    assert served.requests[spectrum] == 1


def test_work_of_another_selection_is_never_mixed_in(whole, survey, served):
    out, _ = whole
    with pytest.raises(UsageError, match="another selection"):
        run(build_of(served, survey, out, selection=Selection(redshift=(0.0, 0.2))))


def test_another_split_needs_no_download(survey, served, tmp_path):
    run(build_of(served, survey, tmp_path))
    before = served.n_requests
    for name in PARTS:
        for path in (tmp_path / name).iterdir():
            path.unlink()
    summary = run(build_of(served, survey, tmp_path, split=SplitRule(kind="paper", validation_rows=2)))
    assert summary.parts == {"train": 9, "validation": 2, "test": 1}
    assert served.n_requests == before
    with pytest.raises(UsageError, match="holds another data set"):
        run(build_of(served, survey, tmp_path))


def test_two_runs_in_one_folder_are_refused(tmp_path):
    with working_in(tmp_path), pytest.raises(UsageError, match="another run"), working_in(tmp_path):
        pass


def test_images_of_a_cube_file(survey, served, tmp_path):
    cube = np.moveaxis(survey.mock["image"].astype(np.float32), 1, -1)[::-1]
    labels = np.zeros(12, dtype=[("objID", "i8"), ("z", "f4")])
    labels["objID"] = [row["objID"] for row in survey.rows][::-1]
    np.savez(tmp_path / "sdss.npz", cube=cube[:-1], labels=labels[:-1])
    command = [*arguments(served, survey, tmp_path / "out"), "--cube", str(tmp_path / "sdss.npz")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert served.n_requests == 12
    assert report(tmp_path / "out")[FIRST_ID]["outcome"] == "missing-image"
    for name in PARTS:
        data = ShardSet(tmp_path / "out" / name)
        for image, number in zip(data.column("image"), data.object_ids(), strict=True):
            np.testing.assert_array_equal(image, survey.mock["image"][int(number) - FIRST_ID])


REAL_GALAXIES = [(38.35502, -0.15570), (38.24927, -0.13706), (38.31772, 0.0043)]
REAL_SPLIT = SplitRule(seed=0, nside=1024, validation_share=0.3, test_share=0.3)


@pytest.fixture
def real_rows(shared_data, local):
    """Real files under the archive's paths, and rows that pair the spectra with galaxies of the frames.

    Only the pairing, and the redshifts of what is no galaxy, are made up.
    """
    for path in (shared_data / "frames").iterdir():
        target = local.root / frame_path(path.name[6], rerun="301", run=2820, camcol=3, field=122)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    rows = []
    for i, path in enumerate(sorted((shared_data / "spectra").iterdir())):
        plate, mjd, fiber = map(int, path.stem.split("-")[1:])
        target = local.root / spectrum_path(run2d="26", plate=plate, mjd=mjd, fiber=fiber)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
        z = float(fits.getdata(path, 2)["Z"][0])
        ra, dec = REAL_GALAXIES[i % 3]
        row = {"objID": FIRST_ID + i, "plate": plate, "mjd": mjd, "fiberID": fiber, "run": 2820, "camcol": 3}
        rows.append(row | {"field": 122, "ra": ra, "dec": dec, "z": z if 0.02 < z < 0.15 else 0.1})
    return rows


def test_real_files_in_the_archive_s_layout(real_rows, write_csv, local, tmp_path):
    build = build_of(
        local,
        None,
        tmp_path / "out",
        split=REAL_SPLIT,
        selection=Selection(redshift=(0.02, 0.15)),
        catalogue=write_csv(tmp_path / "catalogue.csv", real_rows),
    )
    summary = run(dataclasses.replace(build, sizes=Sizes(chunk=12)))
    assert summary.rejected == {"not-a-galaxy": 2, "all-zero": 1}
    assert sum(summary.parts.values()) == 9
    names = {row["objID"]: f"{row['plate']:04d}-{row['mjd']}-{row['fiberID']:04d}" for row in real_rows}
    outcomes = report(tmp_path / "out")
    assert {names[i]: row["outcome"] for i, row in outcomes.items() if row["outcome"] != "kept"} == {
        "0269-51581-0003": "all-zero",
        "1931-53358-0251": "not-a-galaxy",
        "1942-53415-0005": "not-a-galaxy",
    }
    notes = {row["detail"] for row in outcomes.values() if row["outcome"] == "kept"}
    assert all("of the image is off the frame" in note for note in notes)
    for name in PARTS:
        data = ShardSet(tmp_path / "out" / name)
        assert np.isfinite(data.column("image")).all()
        assert (data.column("sigma") > 0).all()
        assert np.isinf(data.column("sigma")).mean() < 0.02


def test_wrong_options_are_said_in_one_line(served, survey, tmp_path):
    command = [*arguments(served, survey, tmp_path), "--nside", "12"]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, UsageError)
    assert "power of two" in str(result.exception)
