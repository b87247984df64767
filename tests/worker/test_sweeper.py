import pytest

from fiberless.contract import JobPhase, PredictionOptions, Target
from fiberless.service.storage import BatchHead, BatchRow
from worker.sweeper import Sweeper


class ScriptedBroker:
    """The side of `JobQueue` that the sweeper sees, with a broker that can be full or away."""

    def __init__(self):
        self.sent = []
        self.of_batches = set()
        self.lying = {"predict": 0, "fetch": 0, "batch": 0}
        self.is_up = True

    def send(self, job_id, queue, *, is_batch):
        if self.is_up:
            self.sent.append((job_id, queue))
            self.of_batches |= {job_id} if is_batch else set()
        return self.is_up

    def waiting(self, queue, *, is_batch):
        return self.lying["batch" if is_batch else queue] if self.is_up else None


@pytest.fixture
def broker():
    return ScriptedBroker()


@pytest.fixture
def sweeper(store, broker, settings):
    return Sweeper(store, broker, settings=settings)


def test_lost_messages_are_sent_again(submit, submit_position, broker, sweeper, let_pass):
    image, position = submit(), submit_position()
    assert sweeper.sweep() == 0
    let_pass(seconds=60)
    assert sweeper.sweep() == 2
    assert sorted(broker.sent) == sorted([(image, "predict"), (position, "fetch")])


def test_a_long_queue_is_not_made_longer(submit, submit_position, broker, sweeper, let_pass):
    submit()
    position = submit_position()
    let_pass(seconds=60)
    broker.lying["predict"] = 5000
    assert sweeper.sweep() == 1
    assert broker.sent == [(position, "fetch")]


def test_without_a_broker_crashed_jobs_still_end_and_messages_stay_due(
    store, submit, broker, sweeper, let_pass
):
    crashed, waiting = submit(), submit()
    for _ in range(3):
        store.leases.claim([crashed], lease_token="x", queue="predict", lease_seconds=-1, max_attempts=3)
    let_pass(seconds=60)
    broker.is_up = False
    assert sweeper.sweep() == 0
    assert store.jobs.get(crashed).phase is JobPhase.ERROR
    broker.is_up = True
    assert sweeper.sweep() == 1
    assert broker.sent == [(waiting, "predict")]


@pytest.fixture
def submit_batch(store):
    """Open a batch of positions; its id."""

    def submit_some(n_rows):
        head = BatchHead(
            owner="", options=PredictionOptions(), queue="fetch", idempotency_key=None, body_sha256=""
        )
        begun = store.batches.begin(head)
        rows = [BatchRow(name=str(row), target=Target(ra=row, dec=0)) for row in range(n_rows)]
        store.batches.add_rows(begun.id, head, rows, first_row=0)
        return store.batches.open(begun.id, n_rows=n_rows).id

    return submit_some


def test_a_large_batch_comes_into_the_queue_bit_by_bit(
    store, submit_batch, settings, broker, let_pass, sweeper
):
    few = Sweeper(store, broker, settings=settings.model_copy(update={"batch_queue_rows": 4}))
    batch_id = submit_batch(10)
    assert few.sweep() == 4
    assert few.sweep() == 0
    assert broker.of_batches == {job_id for job_id, _ in broker.sent}
    counts = store.batches.get(batch_id, owner="").counts
    assert (counts[JobPhase.QUEUED], counts[JobPhase.PENDING]) == (4, 6)
    for job_id, _ in broker.sent[:3]:
        store.jobs.cancel(job_id)
    assert few.sweep() == 3
    assert sweeper.sweep() == 3
    let_pass(seconds=60)
    assert sweeper.sweep() == 7, "the messages of all rows that wait are sent again"
    assert store.batches.get(batch_id, owner="").counts[JobPhase.PENDING] == 0


def test_single_jobs_are_sent_again_however_many_rows_of_batches_wait(
    submit_position, submit_batch, broker, sweeper, let_pass
):
    submit_batch(5)
    sweeper.sweep()
    position = submit_position()
    let_pass(seconds=60)
    broker.sent.clear()
    broker.lying["batch"] = 5000
    assert sweeper.sweep() == 1
    assert broker.sent == [(position, "fetch")]
