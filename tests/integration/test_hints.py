import signal

import pytest

from fiberless.service.queue import Hints, make_celery

pytestmark = pytest.mark.stack


@pytest.fixture
def hints(broker):
    with_close = Hints(broker.url)
    yield with_close
    with_close.close()


def test_a_hint_lies_in_its_queue(hints):
    assert hints.waiting("predict") == 0
    assert hints.send("j_1", "predict")
    assert hints.send("j_2", "fetch")
    assert (hints.waiting("predict"), hints.waiting("fetch")) == (1, 1)


def test_a_message_carries_a_job_id_and_nothing_else(broker, hints):
    hints.send("j_1", "predict")
    (message,) = broker.client.lrange("predict", 0, -1)
    assert b"j_1" in message
    assert len(message) < 1500


def test_an_emptied_broker_takes_hints_again(broker, hints):
    hints.send("j_1", "predict")
    broker.client.flushall()
    assert hints.send("j_2", "predict")
    assert hints.waiting("predict") == 1


def test_a_restarted_broker_takes_hints_again(broker, hints):
    hints.send("j_1", "predict")
    broker.kill()
    assert not hints.send("j_2", "predict")
    assert hints.waiting("predict") is None
    broker.start()
    assert hints.send("j_3", "predict")


def test_a_frozen_broker_holds_nobody_up_for_good(broker, hints):
    hints.send("j_1", "predict")
    broker.process.send_signal(signal.SIGSTOP)
    assert not hints.send("j_2", "predict")
    hints.publish("j_3", "predict")


def test_published_hints_arrive_by_the_time_of_closing(broker):
    hints = Hints(broker.url)
    for number in range(10):
        hints.publish(f"j_{number}", "predict")
    hints.close()
    assert broker.client.llen("predict") == 10


def test_without_a_broker_hints_are_left_to_others():
    hints = Hints(None)
    hints.publish("j_1", "predict")
    assert not hints.send("j_1", "predict")
    assert hints.waiting("predict") is None
    hints.close()


def test_the_settings_that_no_job_may_be_lost_by():
    conf = make_celery("redis://127.0.0.1:1/0", socket_timeout_seconds=1.0).conf
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.task_ignore_result
    assert conf.result_backend is None
    assert conf.worker_prefetch_multiplier == 1
    assert conf.accept_content == ["json"]
    assert not conf.worker_cancel_long_running_tasks_on_connection_loss
    assert conf.broker_transport_options["visibility_timeout"] == 3600
    assert not conf.broker_transport_options["retry_on_timeout"]
