"""Jobs listed, followed and cancelled, from the caller's side."""

from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest
from sqlalchemy import update

from fiberless.contract import ErrorReport, JobPhase, JobProgress, Target
from fiberless.errors import ErrorKind, TransientError, UsageError
from fiberless.service.storage import QueueLimits
from fiberless.service.storage.cursor import decode_cursor, encode_cursor
from fiberless.service.storage.schema import JOB

REPORT = ErrorReport(slug="outside-footprint", kind=ErrorKind.USAGE, detail="no image there")
STEP = JobProgress(stage="predicting", done=3, total=15)


def _pages(store, **options):
    cursor, pages = None, []
    while True:
        page = store.jobs.page(owner="", cursor=cursor, **options)
        pages.append([job.id for job in page.jobs])
        cursor = page.next_cursor
        if cursor is None:
            return pages


def test_jobs_are_listed_newest_first_a_page_at_a_time(store, submit):
    ids = [submit() for _ in range(5)]
    newest_first = sorted(ids, key=lambda job_id: (store.jobs.get(job_id).created, job_id), reverse=True)
    pages = _pages(store, limit=2)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert list(chain(*pages)) == newest_first
    assert _pages(store, limit=5) == [newest_first]


def test_jobs_of_one_moment_are_each_listed_once(store, submit):
    ids = {submit() for _ in range(7)}
    with store.database.write() as connection:
        connection.execute(update(JOB).values(created=1_900_000_000.123456789))
    listed = list(chain(*_pages(store, limit=3)))
    assert len(listed) == 7
    assert set(listed) == ids


def test_new_jobs_do_not_move_the_pages_behind_them(store, submit):
    old = [submit() for _ in range(4)]
    page = store.jobs.page(owner="", limit=2)
    submit()
    rest = store.jobs.page(owner="", limit=9, cursor=page.next_cursor)
    assert {job.id for job in page.jobs + rest.jobs} == set(old)


def test_jobs_are_filtered_by_phase(store, submit, claim):
    waiting, working, aborted = submit(), submit(), submit()
    claim([working])
    store.jobs.cancel(aborted)
    phases = [JobPhase.EXECUTING, JobPhase.ABORTED]
    assert {job.id for job in store.jobs.page(owner="", phases=phases).jobs} == {working, aborted}
    assert [job.id for job in store.jobs.page(owner="", phases=[JobPhase.QUEUED]).jobs] == [waiting]


def test_an_owner_sees_its_own_jobs_only(store, submit):
    mine, other = submit(owner="ada"), submit(owner="bo")
    assert [job.id for job in store.jobs.page(owner="ada").jobs] == [mine]
    assert [job.id for job in store.jobs.page(owner="bo").jobs] == [other]
    assert store.jobs.page(owner="").jobs == ()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!",
        "é",
        "W10",
        "WzEsMl0",
        "a" * 200,
        encode_cursor("a", 1.0),
        encode_cursor(1.0, "\0"),
        encode_cursor(float("inf"), "a"),
    ],
)
def test_what_is_not_a_cursor_is_refused(store, cursor):
    with pytest.raises(UsageError, match="cursor"):
        store.jobs.page(owner="", cursor=cursor)


def test_a_cursor_keeps_every_bit():
    place = (1_900_000_000.1 + 2**-22, "j_ü")
    assert decode_cursor(encode_cursor(*place), float, str) == place


def _told(store, job_id, **options):
    return [(event.revision, event.job.phase.value) for event in store.jobs.events(job_id, **options)]


def test_a_job_tells_its_whole_life_in_order(store, submit, claim, make_result, cutout):
    job_id = submit(image=False)
    first = store.jobs.get(job_id)
    claim([job_id], lease_token="f", queue="fetch")
    store.leases.attach_cutout(job_id, "f", cutout)
    claim([job_id], lease_token="a")
    store.leases.set_progress(job_id, "a", STEP)
    store.predictions.finish(job_id, "a", make_result("p_1"))
    events = store.jobs.events(job_id)
    assert [(event.revision, event.job.phase.value, event.job.progress.stage) for event in events] == [
        (0, "QUEUED", "queued"),
        (1, "EXECUTING", "fetching"),
        (2, "QUEUED", "queued"),
        (3, "EXECUTING", "predicting"),
        (4, "EXECUTING", "predicting"),
        (5, "COMPLETED", "done"),
    ]
    assert events[0].job == first
    assert events[4].job.progress == STEP
    assert events[-1].job == store.jobs.get(job_id)
    assert all(event.job.prediction_id is event.job.ended is event.job.error is None for event in events[:-1])
    assert [event.job.started is None for event in events] == [True, False, False, False, False, False]


def test_events_after_a_revision_are_those_that_were_missed(store, submit, claim):
    job_id = submit()
    assert _told(store, job_id) == [(0, "QUEUED")]
    assert _told(store, job_id, after=0) == []
    claim([job_id], lease_token="a")
    store.leases.set_progress(job_id, "a", STEP)
    store.leases.fail(job_id, "a", REPORT)
    assert _told(store, job_id, after=1) == [(2, "EXECUTING"), (3, "ERROR")]
    assert _told(store, job_id, after=3) == []
    assert store.jobs.events(job_id)[-1].job.error == REPORT
    assert store.jobs.events(job_id)[2].job.error is None


def test_a_job_answered_at_once_has_one_event(store, make_request, submit, claim, make_result):
    earlier = submit()
    claim([earlier], lease_token="a")
    store.predictions.finish(earlier, "a", make_result("p_1"))
    request = make_request()
    job, _ = store.jobs.submit(type(request)(**{**vars(request), "prediction_id": "p_1"}))
    assert _told(store, job.id) == [(0, "COMPLETED")]


def test_nobody_can_follow_an_unknown_job(store):
    with pytest.raises(UsageError, match="not-found"):
        store.jobs.events("j_unknown")


def test_what_nobody_sees_leaves_no_event(store, submit, claim, let_pass):
    job_id = submit()
    let_pass(seconds=10)
    store.leases.sweep(max_attempts=3, resend_after_seconds=5)
    claim([job_id], lease_token="a")
    store.leases.renew("a", 60)
    assert _told(store, job_id) == [(0, "QUEUED"), (1, "EXECUTING")]


def test_a_crashed_job_tells_every_attempt(store, submit, claim):
    job_id = submit()
    for lease_token in "abc":
        claim([job_id], lease_token=lease_token, lease_seconds=-1)
    store.leases.sweep(max_attempts=3, resend_after_seconds=5)
    assert [event.job.attempts for event in store.jobs.events(job_id)] == [0, 1, 2, 3, 3]
    assert _told(store, job_id)[-1] == (4, "ERROR")


def test_events_have_no_gap_and_one_end_however_many_write(store, second_store, submit, claim, make_result):
    """Progress, cancelling and finishing at once: revisions count up by one, and the end is told once."""
    job_id = submit()
    claim([job_id], lease_token="a")

    def act(number):
        side = [store, second_store][number % 2]
        if number == 5:
            side.jobs.cancel(job_id)
        elif number == 6:
            side.predictions.finish(job_id, "a", make_result("p_1"))
        else:
            side.leases.set_progress(job_id, "a", JobProgress(stage="predicting", done=number, total=15))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(act, range(12)))
    events = store.jobs.events(job_id)
    assert [event.revision for event in events] == list(range(len(events)))
    assert [event.job.phase.is_final for event in events] == [False] * (len(events) - 1) + [True]
    assert events[-1].job == store.jobs.get(job_id)


def test_a_waiting_job_is_aborted_at_once(store, submit, claim):
    job_id = submit()
    job = store.jobs.cancel(job_id)
    assert (job.phase, job.attempts, job.error, job.prediction_id) == (JobPhase.ABORTED, 0, None, None)
    assert job.ended >= job.created
    assert claim([job_id]) == []
    assert store.jobs.queue_depths() == {}


def test_a_job_at_work_is_aborted_and_its_worker_writes_nothing(store, submit, claim, make_result):
    job_id, other = submit(), submit()
    claim([job_id, other], lease_token="a")
    assert store.leases.held("a") == {job_id, other}
    assert store.jobs.cancel(job_id).phase is JobPhase.ABORTED
    assert store.leases.held("a") == {other}
    assert store.leases.report("a", {job_id: STEP, other: STEP}) == {other}
    assert not store.predictions.finish(job_id, "a", make_result("p_late"))
    assert not store.leases.fail(job_id, "a", REPORT)
    assert not store.predictions.exists("p_late")
    assert store.jobs.get(job_id).phase is JobPhase.ABORTED
    assert store.jobs.get(other).progress == STEP


def test_a_job_that_ended_stays_as_it_is(store, submit, claim):
    job_id = submit()
    claim([job_id], lease_token="a")
    store.leases.fail(job_id, "a", REPORT)
    before = store.jobs.get(job_id)
    assert store.jobs.cancel(job_id) == before
    aborted = store.jobs.cancel(submit())
    assert store.jobs.cancel(aborted.id) == aborted
    assert _told(store, aborted.id) == [(0, "QUEUED"), (1, "ABORTED")]


def test_an_unknown_job_cannot_be_cancelled(store):
    with pytest.raises(UsageError, match="not-found"):
        store.jobs.cancel("j_unknown")


def test_a_full_queue_refuses_new_jobs_and_writes_nothing(store, make_request, settings, submit):
    waiting = [store.jobs.submit(make_request(key=key), limits=QueueLimits(2, 2))[0] for key in ("a", "b")]
    for blob in (settings.data_dir / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    with pytest.raises(TransientError, match="queue-full"):
        store.jobs.submit(make_request(key="c"), limits=QueueLimits(2, 2))
    assert store.jobs.queue_depths() == {"predict": 2}
    assert [path for path in (settings.data_dir / "blobs").rglob("*") if path.is_file()] == []
    store.jobs.cancel(waiting[0].id)
    assert store.jobs.submit(make_request(key="c"), limits=QueueLimits(2, 2))[1]
    assert submit()


def test_one_owner_fills_no_more_than_a_share_and_keeps_nobody_out(store, make_request):
    """The queue is full of others' jobs, and the next owner's first request is let in all the same."""
    limits = QueueLimits(total=30, per_owner=15)

    def ask(owner, times):
        return [store.jobs.submit(make_request(owner=owner), limits=limits) for _ in range(times)]

    ask("alice", 15)
    with pytest.raises(TransientError, match="queue-full: 15 of your jobs wait, 15 may"):
        ask("alice", 1)
    ask("bob", 15)
    assert len(ask("carol", 10)) == 10
    with pytest.raises(TransientError, match="queue-full: 40 jobs wait, 30 may"):
        ask("carol", 1)


def test_a_full_queue_answers_those_who_ask_again(store, make_request):
    job, _ = store.jobs.submit(make_request(key="a"), limits=QueueLimits(1, 1))
    assert store.jobs.submit(make_request(key="a"), limits=QueueLimits(1, 1)) == (job, False)
    with pytest.raises(UsageError, match="idempotency-conflict"):
        store.jobs.submit(make_request(key="a", body="c" * 64), limits=QueueLimits(1, 1))


def test_a_named_target_reaches_the_worker(store, make_request, claim):
    request = make_request(image=False)
    named = type(request)(**{**vars(request), "target": Target(object_id="sdss:1237648720693755918")})
    job, _ = store.jobs.submit(named)
    (claimed,) = claim([job.id], queue="fetch")
    assert claimed.target == Target(object_id="sdss:1237648720693755918")
