import signal

import pytest

from fiberless.service.queue import JobQueue, make_celery

pytestmark = pytest.mark.stack


@pytest.fixture
def job_queue(broker):
    with_close = JobQueue(broker.url)
    yield with_close
    with_close.close()


def test_a_message_lies_in_its_queue(job_queue):
    assert job_queue.waiting("predict") == 0
    assert job_queue.send("j_1", "predict")
    assert job_queue.send("j_2", "fetch")
    assert (job_queue.waiting("predict"), job_queue.waiting("fetch")) == (1, 1)


def test_a_message_carries_a_job_id_and_nothing_else(broker, job_queue):
    job_queue.send("j_1", "predict")
    (message,) = broker.client.lrange("predict", 0, -1)
    assert b"j_1" in message
    assert len(message) < 1500


def test_an_emptied_broker_takes_messages_again(broker, job_queue):
    job_queue.send("j_1", "predict")
    broker.client.flushall()
    assert job_queue.send("j_2", "predict")
    assert job_queue.waiting("predict") == 1


def test_a_restarted_broker_takes_messages_again(broker, job_queue):
    job_queue.send("j_1", "predict")
    broker.kill()
    assert not job_queue.send("j_2", "predict")
    assert job_queue.waiting("predict") is None
    broker.start()
    assert job_queue.send("j_3", "predict")


def test_a_frozen_broker_holds_nobody_up_for_good(broker, job_queue):
    job_queue.send("j_1", "predict")
    broker.process.send_signal(signal.SIGSTOP)
    assert not job_queue.send("j_2", "predict")
    job_queue.publish("j_3", "predict")


def test_published_messages_arrive_by_the_time_of_closing(broker):
    job_queue = JobQueue(broker.url)
    for number in range(10):
        job_queue.publish(f"j_{number}", "predict")
    job_queue.close()
    assert broker.client.llen("predict") == 10


def test_without_a_broker_messages_are_left_to_others():
    job_queue = JobQueue(None)
    job_queue.publish("j_1", "predict")
    assert not job_queue.send("j_1", "predict")
    assert job_queue.waiting("predict") is None
    job_queue.close()


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
