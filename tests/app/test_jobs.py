"""Jobs over HTTP: listed, cancelled, followed by server-sent events."""

import asyncio
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
import uvicorn

from app import job_events
from app.main import create_app
from fiberless.contract import QUEUE_FETCH, QUEUE_PREDICT, JobProgress, LinkedJob, Target
from fiberless.service.settings import Settings
from fiberless.service.storage import open_store
from fiberless.service.storage.jobs import JobStore

pytestmark = pytest.mark.anyio
URL = "/api/v1/predictions"
JOBS = "/api/v1/jobs"


@pytest.fixture
def store(settings):
    opened = open_store(settings)
    yield opened
    opened.close()


@pytest.fixture
def submit(client, galaxy_fits):
    """Submit an image; the id of its job."""

    async def submit_one(seed=0):
        headers = {"Content-Type": "application/fits"}
        answer = await client.post(f"{URL}?n_candidates=2&seed={seed}", content=galaxy_fits, headers=headers)
        assert answer.status_code == 202
        return answer.json()["id"]

    return submit_one


def take(store, job_id, lease_token="w"):
    (job,) = store.leases.claim(
        [job_id], lease_token=lease_token, queue=QUEUE_PREDICT, lease_seconds=60, max_attempts=3
    )
    return job


async def test_jobs_are_listed_newest_first_with_a_link_to_the_next_page(client, submit):
    ids = [await submit(seed) for seed in range(3)]
    first = await client.get(JOBS, params={"limit": 2, "phase": "QUEUED"})
    assert [job["id"] for job in first.json()["jobs"]] == ids[:0:-1]
    following = first.json()["next"]
    assert first.headers["Link"] == f'<{following}>; rel="next"'
    last = await client.get(following)
    assert [job["id"] for job in last.json()["jobs"]] == ids[:1]
    assert last.json()["next"] is None
    assert "Link" not in last.headers


async def test_a_listed_job_is_what_reading_it_answers(client, submit):
    job_id = await submit()
    (listed,) = (await client.get(JOBS)).json()["jobs"]
    read = (await client.get(f"{JOBS}/{job_id}")).json()
    assert listed == read
    assert read["links"] == {
        "self": f"{JOBS}/{job_id}",
        "events": f"{JOBS}/{job_id}/events",
        "prediction": None,
        "uws": None,
    }


async def test_jobs_are_filtered_by_several_phases(client, store, submit):
    waiting, working, aborted = [await submit(seed) for seed in range(3)]
    take(store, working)
    await client.delete(f"{JOBS}/{aborted}")
    answer = await client.get(JOBS, params={"phase": ["QUEUED", "ABORTED"]})
    assert {job["id"] for job in answer.json()["jobs"]} == {waiting, aborted}
    assert (await client.get(JOBS, params={"phase": "ERROR"})).json() == {"jobs": [], "next": None}


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "phase=DONE", "cursor=x", "cursor="])
async def test_a_list_that_cannot_be_made_is_refused(shared_client, query):
    answer = await shared_client.get(f"{JOBS}?{query}")
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-parameter")


@pytest.mark.parametrize("wait", ["-1", "61", "1e9", "nan", "inf", "soon", ""])
async def test_a_wait_out_of_bounds_is_refused(client, submit, wait):
    answer = await client.get(f"{JOBS}/{await submit()}?wait={wait}")
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-parameter")


async def test_a_waiting_job_is_cancelled_and_stays_so(client, store, submit):
    job_id = await submit()
    answer = await client.delete(f"{JOBS}/{job_id}")
    assert (answer.status_code, answer.json()["phase"]) == (200, "ABORTED")
    assert "Retry-After" not in answer.headers
    assert (await client.delete(f"{JOBS}/{job_id}")).json() == answer.json()
    assert (await client.get(f"{JOBS}/{job_id}?wait=30")).json() == answer.json()
    assert store.jobs.queue_depths() == {}


async def test_a_job_at_work_is_cancelled_under_its_worker(client, store, submit):
    job_id = await submit()
    take(store, job_id)
    assert (await client.delete(f"{JOBS}/{job_id}")).json()["phase"] == "ABORTED"
    assert store.leases.held("w") == frozenset()


async def test_a_completed_job_is_not_undone(client, submit, work):
    job_id = await submit()
    await asyncio.to_thread(work, job_id)
    answer = await client.delete(f"{JOBS}/{job_id}")
    assert (answer.status_code, answer.json()["phase"]) == (200, "COMPLETED")
    assert (await client.get(answer.json()["links"]["prediction"])).status_code == 200


async def test_what_is_not_there_is_neither_cancelled_nor_followed(client):
    assert (await client.delete(f"{JOBS}/j_0")).status_code == 404
    assert (await client.get(f"{JOBS}/j_0/events")).json()["type"] == "/problems/not-found"


def parse(text):
    """(name, id, job) of each event of a stream, comments left out; by the WHATWG's rules, simplified."""
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            events.append((fields["event"], int(fields["id"]), LinkedJob.model_validate_json(fields["data"])))
    return events


async def read_events(client, job_id, last_event_id=None):
    headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
    answer = await client.get(f"{JOBS}/{job_id}/events", headers=headers)
    if answer.status_code == 200:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, parse(answer.text)


@pytest.fixture
async def finished(store, submit, work):
    """Id of a job with a life of its own: claimed, given back, claimed again, completed."""
    job_id = await submit()
    take(store, job_id, "first")
    store.leases.set_progress(job_id, "first", JobProgress(stage="predicting", done=4, total=15))
    store.leases.release(job_id, "first")
    await asyncio.to_thread(work, job_id)
    return job_id


async def test_a_finished_job_tells_its_whole_life_and_the_stream_ends(client, finished):
    status, events = await read_events(client, finished)
    assert status == 200
    assert [(name, revision, job.phase.value) for name, revision, job in events] == [
        ("progress", 0, "QUEUED"),
        ("progress", 1, "EXECUTING"),
        ("progress", 2, "EXECUTING"),
        ("progress", 3, "QUEUED"),
        ("progress", 4, "EXECUTING"),
        ("end", 5, "COMPLETED"),
    ]
    assert events[2][2].progress == JobProgress(stage="predicting", done=4, total=15)
    assert events[-1][2].model_dump(mode="json") == (await client.get(f"{JOBS}/{finished}")).json()


@pytest.mark.parametrize("seen", range(5))
async def test_whoever_comes_back_gets_just_what_was_missed(client, finished, seen):
    _, everything = await read_events(client, finished)
    assert await read_events(client, finished, last_event_id=seen) == (200, everything[seen + 1 :])


async def test_whoever_has_seen_the_end_is_told_not_to_come_back(client, finished):
    answer = await client.get(f"{JOBS}/{finished}/events", headers={"Last-Event-ID": "5"})
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("strange", ["6", "999999999", "x", "-1", "1.5", "", "٣", "9" * 5000])
async def test_an_id_that_is_not_of_this_job_misses_nothing(client, finished, strange):
    headers = {"Last-Event-ID": strange.encode()}
    answer = await client.get(f"{JOBS}/{finished}/events", headers=headers)
    assert [revision for _, revision, _ in parse(answer.text)] == [0, 1, 2, 3, 4, 5]


async def test_head_of_a_stream_answers_at_once(client, submit):
    answer = await client.head(f"{JOBS}/{await submit()}/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


@asynccontextmanager
async def served(settings: Settings):
    """The front end behind a real server, whose streams are not collected before they are answered."""
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    serving = asyncio.create_task(server.serve())
    await _until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        yield client, app
    app.state.service.closing.set()
    server.should_exit = True
    await serving


@asynccontextmanager
async def following(client, job_id, last_event_id=None):
    """Iterator over the events of an open stream."""
    headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}

    async def events(answer):
        block = ""
        async for line in answer.aiter_lines():
            block += f"{line}\n"
            if not line:
                for event in parse(block):
                    yield event
                block = ""

    async with client.stream("GET", f"{JOBS}/{job_id}/events", headers=headers) as answer:
        yield events(answer)


async def test_events_arrive_as_they_happen_and_a_lost_connection_misses_nothing(
    settings, store, submit, work
):
    job_id = await submit()
    seen = []
    async with served(settings) as (client, _):
        async with following(client, job_id) as events:
            seen.append(await anext(events))
            take(store, job_id, "w")
            seen.append(await anext(events))
        for done in (1, 2, 3):
            store.leases.set_progress(job_id, "w", JobProgress(stage="predicting", done=done, total=15))
        async with following(client, job_id, last_event_id=seen[-1][1]) as events:
            seen += [await anext(events) for _ in range(3)]
            store.leases.release(job_id, "w")
            await asyncio.to_thread(work, job_id)
            seen += [event async for event in events]
    assert [revision for _, revision, _ in seen] == list(range(len(seen)))
    assert [job.progress.done for _, _, job in seen[:5]] == [0, 0, 1, 2, 3]
    assert [name for name, _, _ in seen] == ["progress"] * (len(seen) - 1) + ["end"]
    assert seen[-1][2].phase.value == "COMPLETED"


async def test_a_caller_that_leaves_leaves_nothing_behind(settings, submit, monkeypatch):
    job_id, asked = await submit(), []
    look = JobStore.events
    monkeypatch.setattr(
        JobStore, "events", lambda self, *args, **options: asked.append(0) or look(self, *args, **options)
    )
    async with served(settings) as (client, _):
        async with following(client, job_id) as events:
            await anext(events)
            await _until(lambda: len(asked) > 2)
        await asyncio.sleep(job_events._LONGEST_PAUSE_SECONDS + 0.2)
        asked_by_then = len(asked)
        await asyncio.sleep(3 * job_events._LONGEST_PAUSE_SECONDS)
        assert len(asked) == asked_by_then


async def test_a_service_that_closes_ends_its_streams(settings, submit):
    job_id = await submit()
    async with served(settings) as (client, app), following(client, job_id) as events:
        await anext(events)
        app.state.service.closing.set()
        assert [event async for event in events] == []


async def test_silence_is_kept_alive_by_comments(settings, submit, monkeypatch):
    job_id = await submit()
    monkeypatch.setattr(job_events, "_HEARTBEAT_SECONDS", 0.0)
    async with served(settings) as (client, _), client.stream("GET", f"{JOBS}/{job_id}/events") as answer:
        lines = answer.aiter_lines()
        with suppress(StopAsyncIteration):
            while await anext(lines) != ": ping":
                pass
            return
    pytest.fail("no heartbeat came")


async def _until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  what is waited for knows of no event
            await asyncio.sleep(0.01)


async def test_twenty_posts_at_once_with_one_key_make_one_job(client, store, galaxy_fits):
    headers = {"Content-Type": "application/fits", "Idempotency-Key": "night-1"}
    posts = [client.post(URL, content=galaxy_fits, headers=headers) for _ in range(20)]
    answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert store.jobs.queue_depths() == {"predict": 1}
    other = await client.post(f"{URL}?seed=1", content=galaxy_fits, headers=headers)
    assert (other.status_code, other.json()["type"]) == (409, "/problems/idempotency-conflict")


async def test_a_full_queue_answers_429_and_when_to_come_back(settings, galaxy_fits):
    app = create_app(settings.model_copy(update={"max_queued": 1}))
    headers = {"Content-Type": "application/fits"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client,
    ):
        first = await client.post(URL, content=galaxy_fits, headers=headers)
        refused = await client.post(f"{URL}?seed=1", content=galaxy_fits, headers=headers)
        await client.delete(first.headers["Location"])
        again = await client.post(f"{URL}?seed=1", content=galaxy_fits, headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/queue-full")
    assert int(refused.headers["Retry-After"]) >= 1
    assert again.status_code == 202


async def test_an_object_of_a_survey_becomes_a_job_under_its_name(client, store):
    answer = await client.post(URL, json={"target": {"object_id": "sdss:1237648720693755918"}})
    assert answer.status_code == 202
    job_id = answer.json()["id"]
    (job,) = store.leases.claim(
        [job_id], lease_token="f", queue=QUEUE_FETCH, lease_seconds=60, max_attempts=3
    )
    assert job.target == Target(object_id="sdss:1237648720693755918")
    assert job.options.object_id == "sdss:1237648720693755918"
    own = {"target": {"object_id": "sdss:1"}, "options": {"object_id": "mine:1"}}
    job_id = (await client.post(URL, json=own)).json()["id"]
    (job,) = store.leases.claim(
        [job_id], lease_token="f", queue=QUEUE_FETCH, lease_seconds=60, max_attempts=3
    )
    assert (job.target.object_id, job.options.object_id) == ("sdss:1", "mine:1")


async def test_a_cancelled_job_is_not_answered_as_a_prediction(client, galaxy_fits):
    headers = {"Content-Type": "application/fits", "Idempotency-Key": "k", "Prefer": "wait=0"}
    job_id = (await client.post(URL, content=galaxy_fits, headers=headers)).json()["id"]
    await client.delete(f"{JOBS}/{job_id}")
    answer = await client.post(URL, content=galaxy_fits, headers=headers)
    assert (answer.status_code, answer.json()["phase"]) == (202, "ABORTED")
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (URL, "OPTIONS, POST"),
        (JOBS, "GET, HEAD, OPTIONS"),
        (f"{JOBS}/j_0", "DELETE, GET, HEAD, OPTIONS"),
        (f"{JOBS}/j_0/events", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ],
)
async def test_options_and_405_name_every_method(shared_client, path, methods):
    answer = await shared_client.options(path)
    assert (answer.status_code, answer.headers["Allow"], answer.content) == (204, methods, b"")
    refused = await shared_client.request("PROPFIND", path)
    assert (refused.status_code, refused.headers["Allow"]) == (405, methods)


async def test_options_of_nothing_is_not_found(shared_client):
    assert (await shared_client.options("/nowhere")).status_code == 404
