"""Cone search over a live server, asked by pyvo; its mistakes, its limits, and VOSI availability."""

import asyncio
import os
import shutil
import subprocess
import threading
from io import BytesIO
from xml.etree import ElementTree as ET

import httpx
import pytest
import pyvo
import uvicorn
from astropy.io.votable import parse
from pyvo.dal.exceptions import DALQueryError

from app.main import create_app
from fiberless.contract import QUEUE_PREDICT, PredictionRequest
from fiberless.service.settings import Settings
from fiberless.service.storage import open_store

OFFSETS_ARCSEC = (0, 10, 20)
FITS = {"Content-Type": "application/fits"}


@pytest.fixture(scope="module")
def url(tmp_path_factory, model_store, predictor, make_placed):
    """URL of a front end that holds three predictions, at 0, 10 and 20 arcsec from (180, 30)."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("vo"), model_store=model_store, redis_url=None)
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_config=None))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve()))
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    for number, offset in enumerate(OFFSETS_ARCSEC):
        name = f"&object_id=test:{number}" if number < 2 else ""
        answer = httpx.post(
            f"{url}/api/v1/predictions?n_candidates=1&steps=2{name}",
            content=make_placed(180, 30 + offset / 3600),
            headers=FITS,
        )
        _work_off(settings, predictor, answer.json()["id"])
    yield url
    server.should_exit = True
    thread.join()
    loop.close()


def _work_off(settings, predictor, job_id):
    store = open_store(settings)
    (job,) = store.leases.claim(
        [job_id], lease_token="w", queue=QUEUE_PREDICT, lease_seconds=60, max_attempts=3
    )
    (result,) = predictor.predict([PredictionRequest(store.leases.load_cutout(job), job.options)])
    assert store.predictions.finish(job.id, "w", result)
    store.close()


@pytest.fixture
def service(url):
    return pyvo.dal.SCSService(f"{url}/vo/scs")


def ask(url, **parameters):
    return httpx.get(f"{url}/vo/scs", params={"RA": 180, "DEC": 30, "SR": 0.1} | parameters)


def test_pyvo_finds_what_the_json_face_finds(url, service):
    found = service.search(pos=(180, 30), radius=0.1)
    cone = {"ra": 180, "dec": 30, "radius_arcsec": 360}
    listed = httpx.get(f"{url}/api/v1/objects", params=cone).json()["objects"]
    assert [row.id for row in found] == [one["prediction"]["id"] for one in listed]
    assert [row.pos.ra.deg for row in found] == [one["ra"] for one in listed]
    assert [row["object_id"] for row in found] == ["test:0", "test:1", ""]
    assert [round(3600 * row["separation"], 3) for row in found] == list(OFFSETS_ARCSEC)
    assert [row["redshift"] for row in found] == [one["prediction"]["redshift"] for one in listed]
    table = found.to_table()
    assert [str(table[name].unit) for name in ("ra", "dec", "separation")] == ["deg"] * 3


def test_an_access_address_answers_with_fits(service):
    (row, *_) = service.search(pos=(180, 30), radius=0.1)
    assert httpx.get(row["spectrum_url"]).content.startswith(b"SIMPLE  =")


def test_the_radius_is_in_degrees_and_nothing_there_is_no_error(service):
    assert len(service.search(pos=(180, 30), radius=15 / 3600)) == 2
    assert len(service.search(pos=(10, -30), radius=1)) == 0


def test_fewer_than_there_are_is_an_overflow(url, service):
    """The INFO stands after the table; pyvo's cone search takes the rows and does not look at it."""
    assert len(service.search(pos=(180, 30), radius=0.1, maxrec=2)) == 2
    for maxrec, told in ((0, True), (2, True), (3, False)):
        answer = ask(url, MAXREC=maxrec)
        tree = parse(BytesIO(answer.content))
        assert len(tree.get_first_table().array) == maxrec
        assert ("OVERFLOW" in answer.text.partition("</TABLE>")[2]) == told
        statuses = [info.value for info in tree.resources[0].infos]
        assert statuses == (["OK", "OVERFLOW"] if told else ["OK"])


def test_names_have_no_case_and_unknown_ones_are_ignored(url):
    answer = httpx.get(f"{url}/vo/scs?ra=180&Dec=30&sR=0.1&FLAVOUR=sweet")
    assert len(parse(BytesIO(answer.content)).get_first_table().array) == 3


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"SR": 180}, "SR must be a number of degrees from 0 to 10"),
        ({"SR": "wide"}, "SR must be"),
        ({"SR": ""}, "SR is missing"),
        ({"RA": 361}, "RA must be"),
        ({"DEC": "nan"}, "DEC must be"),
        ({"RA": [1, 2]}, "RA is given 2 times"),
        ({"MAXREC": -1}, "MAXREC must be"),
        ({"VERB": 4}, "VERB must be"),
        ({"RESPONSEFORMAT": "csv"}, "RESPONSEFORMAT"),
    ],
)
def test_a_mistake_is_told_as_cone_searches_tell_it(url, wrong, told):
    answer = ask(url, **wrong)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-votable+xml")
    (resource,) = parse(BytesIO(answer.content)).resources
    (info,) = resource.infos
    assert info.name == "Error"
    assert told in info.value


def test_pyvo_raises_our_words(service):
    with pytest.raises(DALQueryError, match="from 0 to 10"):
        service.search(pos=(180, 30), radius=180)


def test_availability_says_what_is_missing(url):
    answer = httpx.get(f"{url}/vo/availability")
    root = ET.fromstring(answer.content)  # noqa: S314  # our own answer
    space = "{http://www.ivoa.net/xml/VOSIAvailability/v1.0}"
    assert root.tag == f"{space}availability"
    assert root.findtext(f"{space}available") == "false"  # no worker runs here
    assert any("worker" in (note.text or "") for note in root.findall(f"{space}note"))


@pytest.mark.parametrize("wrong", [{}, {"SR": 0}, {"MAXREC": 2}, {"MAXREC": 0}, {"SR": 180}])
def test_votlint_finds_nothing_to_say(url, wrong, tmp_path):
    stilts = shutil.which("stilts")
    if stilts is None:
        if os.environ.get("REQUIRE_STILTS"):
            pytest.fail("stilts is required here (REQUIRE_STILTS)")
        pytest.skip("needs Debian's stilts")
    path = tmp_path / "answer.vot"
    path.write_bytes(ask(url, **wrong).content)
    done = subprocess.run([stilts, "votlint", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
