"""The survey's archive over HTTP, played by a local server with simulated frames."""

import numpy as np
import pytest

from fiberless.astro.bands import BANDS
from fiberless.contract import Target
from fiberless.errors import FatalError, TransientError, UsageError
from fiberless.images.apertures import aperture_nmgy, centres_px
from fiberless.sources.sdss.archive import SdssArchive
from fiberless.sources.sdss.names import FIELD_LIST_PATH, FieldName, frame_path, object_table_path
from tests.survey_files import CORNER, GALAXY, STEP_DEG, object_id, write_archive, write_object_table

WHOLE = FieldName(run=94, rerun=301, camcol=3, field=11)
BETTER = FieldName(run=125, rerun=301, camcol=3, field=7)
EDGE = FieldName(run=94, rerun=301, camcol=3, field=12)
GALAXY_TARGET = Target(ra=GALAXY[0], dec=GALAXY[1])
NEAR_EDGE = Target(ra=CORNER[0] + 100 * STEP_DEG, dec=CORNER[1] + 10 * STEP_DEG)


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Two fields that show the galaxy, the later with the better sky, and one that has it at its edge."""
    root = tmp_path_factory.mktemp("archive")
    shifted = (CORNER[0] - 20 * STEP_DEG, CORNER[1])
    edge = (GALAXY[0] - 15 * STEP_DEG, CORNER[1])
    write_archive(root, {WHOLE: (CORNER, 0.4), BETTER: (shifted, 0.8), EDGE: (edge, 0.9)})
    write_object_table(root, WHOLE, {1: (10.001, 0.001), 14: GALAXY})
    return root


@pytest.fixture
def served(survey, serve):
    return serve(survey)


@pytest.fixture
def archive_of(client, tmp_path):
    return lambda server, folder="kept", **options: SdssArchive(
        client(server), server.url, folder=tmp_path / folder, **({"max_bytes": 2**30} | options)
    )


@pytest.fixture
def archive(archive_of, served):
    return archive_of(served)


def requested(server, field):
    return [band for band in BANDS if server.requests[str(frame_path(band, field))]]


def test_a_position_gives_the_galaxy_from_the_best_field(archive, served):
    cutout = archive.fetch(GALAXY_TARGET)
    assert (cutout.source, cutout.ra, cutout.dec, cutout.notes) == ("sdss", *GALAXY, ())
    np.testing.assert_allclose(centres_px(cutout.flux_nmgy[None])[0], 31.5, atol=0.55)
    np.testing.assert_allclose(
        aperture_nmgy(cutout.flux_nmgy[None])[0, :, 4], [10, 20, 30, 40, 50], rtol=0.05
    )
    assert requested(served, BETTER) == list(BANDS)
    assert requested(served, WHOLE) == requested(served, EDGE) == []


def test_files_are_fetched_once_by_all_processes_that_share_the_folder(archive_of, served):
    first = archive_of(served).fetch(GALAXY_TARGET)
    n_requests = served.n_requests
    assert n_requests == 1 + len(BANDS)
    assert archive_of(served).fetch(GALAXY_TARGET).sha256 == first.sha256
    assert served.n_requests == n_requests


def test_frames_give_way_when_the_folder_is_full(archive_of, served, tmp_path):
    frame_bytes = sum((served.root / frame_path(band, BETTER)).stat().st_size for band in BANDS)
    archive = archive_of(served, max_bytes=int(1.2 * frame_bytes))
    archive.fetch(GALAXY_TARGET)
    archive.fetch(Target(object_id=f"sdss:{object_id(WHOLE, 14)}"))
    sizes = [path.stat().st_size for path in (tmp_path / "kept" / "files").rglob("*.bz2")]
    assert sum(sizes) <= 1.2 * frame_bytes


def test_an_object_is_cut_from_the_field_that_its_name_holds(archive, served):
    cutout = archive.fetch(Target(object_id=f"sdss:{object_id(WHOLE, 14)}"))
    assert (cutout.ra, cutout.dec) == GALAXY
    assert requested(served, WHOLE) == list(BANDS)
    assert not served.requests[str(FIELD_LIST_PATH)]


def test_an_object_has_the_catalogue_s_position(archive):
    assert archive.locate(f"sdss:{object_id(WHOLE, 1)}") == (10.001, 0.001)


@pytest.mark.parametrize(("field", "index"), [(WHOLE, 2), (BETTER, 14)])
def test_an_object_that_the_catalogue_lacks(archive, field, index):
    with pytest.raises(UsageError) as caught:
        archive.fetch(Target(object_id=f"sdss:{object_id(field, index)}"))
    assert caught.value.slug == "not-found"


def test_at_the_edge_of_the_survey_the_cutout_is_padded_and_says_so(archive_of, local):
    write_archive(local.root, {WHOLE: (CORNER, 0.4)})
    cutout = archive_of(local).fetch(NEAR_EDGE)
    assert cutout.notes == ("36% of the image is off the frame; noise was put there",)


@pytest.mark.parametrize("position", [(200.0, 40.0), (10.1, 0.0), (0.0, -90.0)])
def test_what_the_survey_did_not_image(archive, position):
    with pytest.raises(UsageError) as caught:
        archive.fetch(Target(ra=position[0], dec=position[1]))
    assert caught.value.slug == "outside-footprint"


def test_a_field_whose_frames_end_before_its_listed_edge_is_passed_over(archive_of, local):
    """The list outlines r to some pixels; where another band's frame ends earlier, the next is tried."""
    shifted = (CORNER[0] - 60 * STEP_DEG, CORNER[1])
    write_archive(local.root, {EDGE: (CORNER, 0.9), WHOLE: (shifted, 0.1)})
    target = Target(ra=GALAXY[0], dec=CORNER[1] + STEP_DEG)
    with pytest.raises(UsageError, match="frames do not show"):
        archive_of(local).fetch(target)
    assert requested(local, EDGE) == requested(local, WHOLE) == list(BANDS)


def test_a_frame_that_is_missing_sends_to_the_next_field(archive_of, local):
    write_archive(local.root, {WHOLE: (CORNER, 0.4), BETTER: (CORNER, 0.8)})
    (local.root / frame_path("z", BETTER)).unlink()
    assert archive_of(local).fetch(GALAXY_TARGET).source == "sdss"
    (local.root / frame_path("z", WHOLE)).unlink()
    with pytest.raises(FatalError, match="no frame"):
        archive_of(local, folder="other").fetch(GALAXY_TARGET)


def test_a_damaged_frame_is_fetched_again_the_next_time(archive_of, local):
    write_archive(local.root, {WHOLE: (CORNER, 0.4)})
    path = local.root / frame_path("i", WHOLE)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    archive = archive_of(local)
    with pytest.raises(TransientError, match="frame-i"):
        archive.fetch(GALAXY_TARGET)
    path.write_bytes(whole)
    assert archive.fetch(GALAXY_TARGET).source == "sdss"


def test_a_damaged_table_is_fetched_again_the_next_time(archive_of, local):
    write_object_table(local.root, WHOLE, {14: GALAXY})
    path = local.root / object_table_path(WHOLE)
    whole = path.read_bytes()
    path.write_bytes(whole[:-2880])
    archive = archive_of(local)
    with pytest.raises(TransientError, match="photoObj"):
        archive.locate(f"sdss:{object_id(WHOLE, 14)}")
    path.write_bytes(whole)
    assert archive.locate(f"sdss:{object_id(WHOLE, 14)}") == GALAXY


def test_the_large_list_is_not_asked_for_by_every_job_after_it_failed(archive_of, served, tmp_path):
    now = [1000.0]
    archive = archive_of(served, clock=lambda: now[0])
    served.faults[str(FIELD_LIST_PATH)] = [503] * 4
    for _ in range(3):
        with pytest.raises(TransientError) as caught:
            archive.fetch(GALAXY_TARGET)
        assert caught.value.slug == "source-unavailable"
    assert served.requests[str(FIELD_LIST_PATH)] == 4
    now[0] += 61
    assert archive.fetch(GALAXY_TARGET).source == "sdss"
    assert [path.name for path in (tmp_path / "kept").glob("*.part")] == []


def test_what_a_killed_process_left_of_the_list_is_written_over(archive_of, served, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "window_flist.part").write_bytes(b"half")
    (tmp_path / "kept" / "fields.safetensors").write_bytes(b"half")
    assert archive_of(served).fetch(GALAXY_TARGET).source == "sdss"


def test_an_archive_without_a_list_of_fields_is_none(archive_of, local):
    with pytest.raises(FatalError, match="window_flist"):
        archive_of(local).fetch(GALAXY_TARGET)
