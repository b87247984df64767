import pytest

from fiberless.contract import JobPhase
from worker.sweeper import Sweeper


class ScriptedBroker:
    """The side of `Hints` that the sweeper sees, with a broker that can be full or away."""

    def __init__(self):
        self.sent = []
        self.lying = {"predict": 0, "fetch": 0}
        self.is_up = True

    def send(self, job_id, queue):
        if self.is_up:
            self.sent.append((job_id, queue))
        return self.is_up

    def waiting(self, queue):
        return self.lying[queue] if self.is_up else None


@pytest.fixture
def broker():
    return ScriptedBroker()


@pytest.fixture
def sweeper(store, broker, settings):
    return Sweeper(store, broker, settings=settings)


def test_lost_hints_are_sent_again(submit, submit_position, broker, sweeper, let_pass):
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


def test_without_a_broker_crashed_jobs_still_end_and_hints_stay_due(store, submit, broker, sweeper, let_pass):
    crashed, waiting = submit(), submit()
    for _ in range(3):
        store.claim([crashed], owner="x", queue="predict", lease_seconds=-1, max_attempts=3)
    let_pass(seconds=60)
    broker.is_up = False
    assert sweeper.sweep() == 0
    assert store.job(crashed).phase is JobPhase.ERROR
    broker.is_up = True
    assert sweeper.sweep() == 1
    assert broker.sent == [(waiting, "predict")]
