"""From coordinates and object ids to predictions, through real processes and the real frames of a field."""

import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from fiberless.astro.bands import BANDS
from fiberless.images.apertures import aperture_nmgy, centres_px
from fiberless.images.fits.pixels import stored_pixels
from fiberless.images.fits.read import read_cutout
from fiberless.sources.sdss.frames import find_fields, read_frame
from fiberless.sources.sdss.names import FieldName, frame_path
from fiberless.testing import write_toy_store
from tests.running_service import PATIENCE_SECONDS, serving
from tests.survey_files import object_id, write_field_list, write_object_table
from tests.survey_server import SurveyServer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

FRAMES = Path(__file__).resolve().parents[3] / "shared" / "data" / "frames"
FIELD = FieldName(run=2820, rerun=301, camcol=3, field=122)
GALAXY = (38.35502, -0.15570)
GALAXY_ID = f"sdss:{object_id(FIELD, 57)}"
AT_THE_BORDER = [(38.24927, -0.13706), (38.31772, 0.0043)]
OFF_THE_FRAMES = (38.35502, 0.02)
CARDS = [f"{stem}{axis}" for stem in ("CTYPE", "CRPIX", "CRVAL", "CD1_", "CD2_") for axis in (1, 2)]


def frame_wcs(band):
    header = read_frame(find_fields(FRAMES)[0].frames[band]).image.header
    return WCS(fits.Header({card: header[card] for card in CARDS}))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The field in the archive's layout: its frames, its objects, and the list of fields."""
    if not FRAMES.is_dir():
        pytest.skip("the real SDSS frames are not at ../shared/data/frames")
    root = tmp_path_factory.mktemp("archive")
    for band in BANDS:
        path = root / frame_path(band, FIELD)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(FRAMES / path.name)
    corners = frame_wcs("r").calc_footprint(axes=(2048, 1489))
    # The scan of stripe 82 runs along the equator: its (µ, ν) are (RA, Dec).
    outline = (*corners[:, 0].min(keepdims=True), *corners[:, 0].max(keepdims=True))
    outline += (*corners[:, 1].min(keepdims=True), *corners[:, 1].max(keepdims=True))
    write_field_list(root, [{"name": FIELD, "outline": outline}])
    write_object_table(root, FIELD, {56: AT_THE_BORDER[0], 57: GALAXY})
    server = SurveyServer(root)
    yield server
    server.close()


@pytest.fixture(scope="module")
def service(archive, tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    write_toy_store(models)
    environment = {
        "FIBERLESS_CUTOUT_SOURCES": "sdss",
        "FIBERLESS_SDSS_URL": archive.url,
        "FIBERLESS_SURVEY_HOSTS": archive.url,
    }
    folder = tmp_path_factory.mktemp("service")
    with (
        serving(folder, models, "--port", "0", environment=environment) as running,
        httpx.Client(base_url=running.url, timeout=60.0, trust_env=False) as client,
    ):
        yield client


def submit(service, **target):
    body = {"target": target, "options": {"n_candidates": 2, "steps": 2}}
    answer = service.post("/api/v1/predictions", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def ended(service, job_id):
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS
    while time.monotonic() < deadline:
        job = service.get(f"/api/v1/jobs/{job_id}", params={"wait": 10}).json()
        if job["phase"] in {"COMPLETED", "ERROR", "ABORTED"}:
            return job
    pytest.fail(f"the job is still {job}")


def predicted(service, job_id):
    """Prediction of a job, and the cutout that it was made from."""
    job = ended(service, job_id)
    assert job["phase"] == "COMPLETED", job
    prediction = service.get(f"/api/v1/predictions/{job['prediction_id']}").json()
    cutout = service.get(f"/api/v1/predictions/{prediction['id']}/cutout", params={"format": "fits"})
    return prediction, read_cutout(cutout.content)


def test_coordinates_and_object_ids_become_predictions(service, archive):
    by_position = submit(service, ra=GALAXY[0], dec=GALAXY[1])
    by_name = submit(service, object_id=GALAXY_ID)
    prediction, cutout = predicted(service, by_position)
    assert prediction["provenance"]["cutout"]["source"] == "sdss"
    assert (prediction["object"]["ra"], prediction["object"]["dec"]) == GALAXY
    assert cutout.notes == ()

    for plane in cutout.flux_nmgy:
        centre = centres_px(np.repeat(plane[None, None], len(BANDS), axis=1))[0]
        np.testing.assert_allclose(centre, 31.5, atol=0.5)
    aperture = aperture_nmgy(cutout.flux_nmgy[None], radii_arcsec=(3.0,))[0, :, 0]
    for band, flux in zip(BANDS, aperture, strict=True):
        x, y = frame_wcs(band).world_to_pixel_values(*GALAXY)
        x0, y0 = int(x) - 31, int(y) - 31
        frame = stored_pixels(read_frame(find_fields(FRAMES)[0].frames[band]).image)
        own = frame[None, None, y0 : y0 + 64, x0 : x0 + 64].repeat(len(BANDS), axis=1)
        assert flux == pytest.approx(aperture_nmgy(own, radii_arcsec=(3.0,))[0, 0, 0], rel=0.01)

    named, same_cutout = predicted(service, by_name)
    assert same_cutout.sha256 == cutout.sha256
    assert named["object"] == {"object_id": GALAXY_ID, "ra": GALAXY[0], "dec": GALAXY[1], "frame": "icrs"}
    assert service.get(f"/api/v1/objects/{GALAXY_ID}").status_code == 200
    assert [archive.requests[str(frame_path(band, FIELD))] for band in BANDS] == [1] * len(BANDS)


def test_galaxies_at_the_border_are_padded_and_flagged(service):
    jobs = [submit(service, ra=ra, dec=dec) for ra, dec in AT_THE_BORDER]
    for job_id in jobs:
        prediction, cutout = predicted(service, job_id)
        told = [warning["detail"] for warning in prediction["warnings"]]
        assert any(text.endswith("of the image is off the frame; noise was put there") for text in told)
        np.testing.assert_allclose(centres_px(cutout.flux_nmgy[None])[0], 31.5, atol=1.0)


@pytest.mark.parametrize(
    ("target", "slug"),
    [
        ({"ra": OFF_THE_FRAMES[0], "dec": OFF_THE_FRAMES[1]}, "outside-footprint"),
        ({"ra": 200.0, "dec": 89.0}, "outside-footprint"),
        ({"object_id": f"sdss:{object_id(FIELD, 58)}"}, "not-found"),
        ({"object_id": "sdss:587722981742084096"}, "invalid-object-id"),
    ],
)
def test_what_cannot_be_fetched_ends_with_its_reason(service, target, slug):
    job = ended(service, submit(service, **target))
    assert (job["phase"], job["error"]["slug"], job["error"]["kind"]) == ("ERROR", slug, "usage")
