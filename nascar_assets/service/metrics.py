"""What the service counts and times, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics import MetricWrapperBase

M = TypeVar("M", bound=MetricWrapperBase)

_LATENCY = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_JOB = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class ServiceMetrics:
    """The service's own registry, so that several servers fit into one process."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def made(kind: type[M], name: str, words: str, *labels: str, **more: Any) -> M:
            return kind(f"nascar_api_{name}", words, labels, registry=self.registry, **more)

        self.requests = made(
            Counter, "requests", "Requests by route and answer.", "method", "route", "status"
        )
        self.latency = made(
            Histogram,
            "request_seconds",
            "Time to answer by route.",
            "method",
            "route",
            buckets=_LATENCY,
        )
        self.refused = made(Counter, "refused", "Refusals by code.", "code")
        self.jobs = made(Counter, "jobs", "Jobs by how they ended.", "end")
        self.job_seconds = made(Histogram, "job_seconds", "Time of a job.", buckets=_JOB)
        self.stage_seconds = made(
            Histogram, "stage_seconds", "Time of a job by stage.", "stage", buckets=_JOB
        )
        self.queued = made(Gauge, "queued", "Jobs that wait.")
        self.workers = made(Gauge, "workers", "Workers that are ready.")
        self.worker_deaths = made(Counter, "worker_deaths", "Workers that died.")
        self.webhooks = made(Counter, "webhooks", "Deliveries by outcome.", "outcome")

    def text(self, queued: Callable[[], int], workers: int) -> bytes:
        """Everything in Prometheus' text format.

        Args:
            queued: Counts the jobs that wait; the gauge keeps its value where that fails.
            workers: Workers that are ready.
        """
        self.workers.set(workers)
        try:
            self.queued.set(queued())
        except Exception:  # the storage is away: /ready says so
            self.queued.set(float("nan"))
        return generate_latest(self.registry)
