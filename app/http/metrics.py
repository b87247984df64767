"""What a Prometheus server may ask: requests by route, jobs that wait, the workers' signs of life."""

from collections.abc import Iterator

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from prometheus_fastapi_instrumentator import Instrumentator

from fiberless.contract import QUEUE_FETCH, QUEUE_PREDICT
from fiberless.service.storage import Store

__all__ = ["count_requests", "exposition"]


def count_requests(application: FastAPI) -> None:
    """Count the requests of an application by route, method and status, and their seconds, in its state."""
    registry = CollectorRegistry()
    application.state.metrics = registry
    measured = Instrumentator(
        should_group_status_codes=False, excluded_handlers=["^/metrics$", "^/static"], registry=registry
    )
    measured.instrument(application, metric_namespace="fiberless")


def exposition(application: FastAPI, store: Store) -> bytes:
    """All metrics in Prometheus' text format. Blocks: asks the database."""
    present = CollectorRegistry()
    present.register(_State(store))
    return generate_latest(application.state.metrics) + generate_latest(present)


class _State(Collector):
    """Gauges that the rows tell at the moment of asking: several front ends then agree."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Queues and workers as they are now."""
        depths = self._store.jobs.queue_depths()
        waiting = GaugeMetricFamily("fiberless_jobs_waiting", "Jobs that wait in a queue.", labels=["queue"])
        for queue in (QUEUE_FETCH, QUEUE_PREDICT):
            waiting.add_metric([queue], depths.get(queue, 0))
        yield waiting
        silence = GaugeMetricFamily(
            "fiberless_worker_silence_seconds",
            "Since a worker's last sign of life.",
            labels=["kind", "worker"],
        )
        sick = GaugeMetricFamily(
            "fiberless_worker_sick", "1 for a worker that took itself out.", labels=["kind", "worker"]
        )
        for beat in self._store.heartbeats.recent():
            silence.add_metric([beat.worker_kind, beat.worker_id], beat.age_seconds)
            sick.add_metric([beat.worker_kind, beat.worker_id], float(beat.trouble is not None))
        yield silence
        yield sick
