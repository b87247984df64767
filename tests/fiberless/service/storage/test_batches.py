import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from fiberless.contract import ErrorReport, JobPhase, Prediction, PredictionOptions, Target
from fiberless.errors import ErrorKind, TransientError, UsageError
from fiberless.service.storage import BatchHead, BatchRow
from fiberless.service.storage.schema import BATCH, JOB, PREDICTION

STORED = (Path(__file__).parents[2] / "contract" / "stored" / "prediction-1.0.json").read_bytes()

WRONG = ErrorReport(slug="invalid-coordinates", kind=ErrorKind.USAGE, detail="dec is missing")


@pytest.fixture
def make_head():
    def make(*, owner="", key=None, body="b" * 64, queue="fetch"):
        options = PredictionOptions(model="toy-1", n_candidates=3, label="plate")
        return BatchHead(owner=owner, options=options, queue=queue, idempotency_key=key, body_sha256=body)

    return make


def _row(number):
    return BatchRow(name=f"r{number}", object_id=f"r{number}", target=Target(ra=number % 360, dec=1.5))


@pytest.fixture
def open_batch(store, make_head):
    """Open a batch of so many positions, and of one wrong row if asked for; its id."""

    def open_one(n_rows=3, *, with_wrong_row=False, **words):
        head = make_head(**words)
        begun = store.batches.begin(head)
        rows = [_row(number) for number in range(n_rows)]
        rows += [BatchRow(name="wrong", error=WRONG)] if with_wrong_row else []
        store.batches.add_rows(begun.id, head, rows[:2], first_row=0)
        store.batches.add_rows(begun.id, head, rows[2:], first_row=2)
        return store.batches.open(begun.id, n_rows=len(rows)).id

    return open_one


def _counts(batch):
    return {phase.value: count for phase, count in batch.counts.items() if count}


def test_rows_are_jobs_and_wrong_ones_have_ended_from_the_start(store, open_batch):
    batch_id = open_batch(3, with_wrong_row=True)
    batch = store.batches.get(batch_id, owner="")
    assert (batch.phase, batch.n_rows, batch.label) == (JobPhase.EXECUTING, 4, "plate")
    assert _counts(batch) == {"PENDING": 3, "ERROR": 1}
    items = store.batches.items(batch_id, owner="").items
    assert [(item.row, item.id, item.ra) for item in items][1:] == [
        (1, "r1", 1.0),
        (2, "r2", 2.0),
        (3, "wrong", None),
    ]
    assert items[3].error == WRONG
    assert store.jobs.get(items[3].job_id).error == WRONG
    assert store.jobs.get(items[3].job_id).ended is not None
    assert store.jobs.get(items[0].job_id).phase is JobPhase.PENDING


def test_rows_that_were_let_in_are_claimed_like_any_job(store, open_batch, claim):
    open_batch(3)
    assert claim([item.job_id for item in _all_items(store)], queue="fetch") == []
    first, second = store.batch_feeder.feed("fetch", room=2)
    (claimed,) = claim([first], queue="fetch")
    assert claimed.is_batch
    assert claimed.target.position == (0.0, 1.5)
    assert (claimed.options.object_id, claimed.options.n_candidates) == ("r0", 3)
    assert store.batch_feeder.feed("fetch", room=2) == [_all_items(store)[2].job_id]
    assert store.batch_feeder.feed("fetch", room=9) == []
    assert second == _all_items(store)[1].job_id


def _all_items(store):
    (batch,) = store.batches.page(owner="").batches
    return store.batches.items(batch.id, owner="").items


def test_a_queue_gets_no_more_rows_than_there_is_room_for_whoever_feeds(store, second_store, open_batch):
    open_batch(40)
    with ThreadPoolExecutor(4) as pool:
        feeds = [
            pool.submit([store, second_store][number % 2].batch_feeder.feed, "fetch", room=10)
            for number in range(8)
        ]
    let_in = [job_id for feed in feeds for job_id in feed.result()]
    assert len(let_in) == len(set(let_in)) == 10


def test_images_are_not_fetched_faster_than_they_are_predicted(store, open_batch, claim, cutout):
    open_batch(6)
    for job_id in store.batch_feeder.feed("fetch", room=3):
        claim([job_id], lease_token=job_id, queue="fetch")
        store.leases.attach_cutout(job_id, job_id, cutout)
    assert store.batch_feeder.feed("fetch", room=3) == []
    assert len(store.batch_feeder.feed("fetch", room=5)) == 2


def test_a_small_batch_does_not_wait_for_the_end_of_a_large_one(store, open_batch):
    large, small = open_batch(50), open_batch(3)
    let_in = set(store.batch_feeder.feed("fetch", room=8))
    of_small = {item.job_id for item in store.batches.items(small, owner="").items}
    of_large = {item.job_id for item in store.batches.items(large, owner="").items}
    assert (len(let_in & of_small), len(let_in & of_large)) == (3, 4)


def test_a_batch_that_is_cancelled_ends_at_once_and_its_workers_write_nothing(store, open_batch, claim):
    batch_id = open_batch(4, with_wrong_row=True)
    held, _ = store.batch_feeder.feed("fetch", room=2)
    claim([held], lease_token="w", queue="fetch")
    batch = store.batches.cancel(batch_id, owner="")
    assert batch.phase is JobPhase.ABORTED
    assert _counts(batch) == {"ABORTED": 4, "ERROR": 1}
    assert batch.ended is not None
    assert not store.leases.fail(held, "w", WRONG)
    assert store.batch_feeder.feed("fetch", room=9) == []
    assert store.batches.cancel(batch_id, owner="") == batch


def test_cancelling_goes_on_after_a_crash(store, open_batch):
    batch_id = open_batch(3)
    with store.database.write() as connection:
        connection.execute(update(BATCH).values(state="cancelling"))
    store.batch_feeder.tidy()
    assert _counts(store.batches.get(batch_id, owner="")) == {"ABORTED": 3}


def test_a_batch_ends_when_its_last_row_does(store, open_batch, claim):
    batch_id = open_batch(2)
    for job_id in store.batch_feeder.feed("fetch", room=2):
        assert store.batches.get(batch_id, owner="").ended is None
        claim([job_id], lease_token=job_id, queue="fetch")
        store.leases.fail(job_id, job_id, WRONG)
    batch = store.batches.get(batch_id, owner="")
    assert (batch.phase, _counts(batch)) == (JobPhase.ERROR, {"ERROR": 2})
    assert batch.ended == max(store.jobs.get(item.job_id).ended for item in _all_items(store))


def test_nobody_sees_a_batch_before_it_is_whole_or_another_owners(store, make_head, open_batch):
    begun = store.batches.begin(make_head())
    store.batches.add_rows(begun.id, make_head(), [_row(0)], first_row=0)
    theirs = open_batch(owner="else")
    for batch_id in (begun.id, theirs, "b_absent"):
        for ask in (store.batches.get, store.batches.items, store.batches.cancel):
            with pytest.raises(UsageError, match="not-found: there is no such batch"):
                ask(batch_id, owner="")
        assert store.batches.outcomes(batch_id, owner="", after_row=-1, limit=5) == [] or batch_id == begun.id
    assert store.batches.page(owner="").batches == ()
    assert store.batch_feeder.feed("fetch", room=9) == [
        item.job_id for item in store.batches.items(theirs, owner="else").items
    ]


def test_what_a_dead_process_left_is_deleted_and_its_key_is_free(store, make_head):
    dead = store.batches.begin(make_head(key="k"))
    store.batches.add_rows(dead.id, make_head(), [_row(number) for number in range(5)], first_row=0)
    assert store.batches.begin(make_head(key="k")) is None, "it may be alive"
    store.batch_feeder.tidy()
    assert _count(store, JOB) == 5
    with store.database.write() as connection:
        connection.execute(update(BATCH).values(touched=BATCH.c.touched - 3600))
    again = store.batches.begin(make_head(key="k"))
    assert again.is_new
    with pytest.raises(TransientError, match="took too long"):
        store.batches.add_rows(dead.id, make_head(), [_row(5)], first_row=5)
    store.batch_feeder.tidy()
    assert (_count(store, JOB), _count(store, BATCH)) == (0, 1)


def _count(store, table):
    with store.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_key_names_one_batch_of_one_body_and_one_owner(store, make_head, open_batch):
    batch_id = open_batch(key="k")
    again = store.batches.begin(make_head(key="k"))
    assert (again.id, again.is_new) == (batch_id, False)
    with pytest.raises(UsageError, match="idempotency-conflict"):
        store.batches.begin(make_head(key="k", body="other"))
    assert store.batches.begin(make_head(key="k", owner="else")).is_new


def test_many_requests_with_one_key_begin_one_batch(store, second_store, make_head):
    with ThreadPoolExecutor(8) as pool:
        begun = list(
            pool.map(
                lambda number: [store, second_store][number % 2].batches.begin(make_head(key="k")), range(20)
            )
        )
    assert sum(one is not None and one.is_new for one in begun) == 1
    assert _count(store, BATCH) == 1


def test_pages_of_rows_and_batches_are_whole_and_without_doubles(store, open_batch):
    ids = [open_batch(5) for _ in range(3)]
    seen, cursor = [], None
    while True:
        page = store.batches.items(ids[0], owner="", cursor=cursor, limit=2)
        seen += [item.row for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [0, 1, 2, 3, 4]
    first = store.batches.page(owner="", limit=2)
    second = store.batches.page(owner="", limit=2, cursor=first.next_cursor)
    assert [batch.id for batch in (*first.batches, *second.batches)] == ids[::-1]
    assert second.next_cursor is None


def test_items_can_be_asked_for_by_phase(store, open_batch):
    batch_id = open_batch(3, with_wrong_row=True)
    page = store.batches.items(batch_id, owner="", phase=JobPhase.ERROR)
    assert [item.id for item in page.items] == ["wrong"]


def test_outcomes_carry_the_documents_of_predictions(store, open_batch, claim, make_result, cutout):
    batch_id = open_batch(2)
    first, _ = store.batch_feeder.feed("fetch", room=2)
    claim([first], lease_token="f", queue="fetch")
    store.leases.attach_cutout(first, "f", cutout)
    claim([first], lease_token="p")
    result = make_result("p_1", object_id="r0")
    assert store.predictions.finish(first, "p", result)
    (done, document), (waiting, none) = store.batches.outcomes(batch_id, owner="", after_row=-1, limit=5)
    assert (done.prediction_id, done.phase) == ("p_1", JobPhase.COMPLETED)
    assert document == store.predictions.document("p_1")
    assert (waiting.row, none) == (1, None)
    assert store.batches.outcomes(batch_id, owner="", after_row=1, limit=5) == []


def test_outcomes_of_an_older_schema_are_read_in_the_words_of_the_newest(
    store, open_batch, claim, make_result, cutout
):
    batch_id = open_batch(1)
    (job_id,) = store.batch_feeder.feed("fetch", room=1)
    claim([job_id], lease_token="f", queue="fetch")
    store.leases.attach_cutout(job_id, "f", cutout)
    claim([job_id], lease_token="p")
    assert store.predictions.finish(job_id, "p", make_result("p_1", object_id="r0"))
    key = store.blobs.put(STORED)
    with store.batches.database.write() as connection:
        connection.execute(update(PREDICTION).values(document_key=key))
    ((_, document),) = store.batches.outcomes(batch_id, owner="", after_row=-1, limit=5)
    stored = json.loads(STORED)["properties"]["stellar_mass"]["value"]
    assert Prediction.model_validate_json(document).properties.log_stellar_mass.value == stored


def test_counting_and_paging_use_an_index(store, open_batch):
    """Reads of a batch touch its own rows only, however many jobs there are."""
    open_batch(2)
    if store.database.dialect != "sqlite":
        pytest.skip("the plan of SQLite")
    questions = [
        "SELECT phase, count(*), max(ended) FROM job WHERE batch_id = 'b' GROUP BY phase",
        "SELECT * FROM job WHERE batch_id = 'b' AND owner = '' AND batch_row > 7 ORDER BY batch_row LIMIT 9",
    ]
    with store.database.read() as connection:
        plans = [
            " ".join(row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}"))
            for question in questions
        ]
    assert "COVERING INDEX ix_job_batch_id_phase_ended (batch_id=?)" in plans[0]
    assert "INDEX ix_job_batch_id_batch_row (batch_id=? AND batch_row>?)" in plans[1]
    assert "TEMP B-TREE" not in plans[1]
