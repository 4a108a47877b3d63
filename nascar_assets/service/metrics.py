"""What the service counts and times, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_LATENCY = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_JOB = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class ServiceMetrics:
    """The service's own registry, so that several servers fit into one process."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = "nascar_api"
        self.requests = Counter(
            f"{name}_requests",
            "Requests by route and answer.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.latency = Histogram(
            f"{name}_request_seconds",
            "Time to answer by route.",
            ["method", "route"],
            buckets=_LATENCY,
            registry=self.registry,
        )
        self.refused = Counter(
            f"{name}_refused", "Refusals by code.", ["code"], registry=self.registry
        )
        self.jobs = Counter(
            f"{name}_jobs", "Jobs by how they ended.", ["end"], registry=self.registry
        )
        self.job_seconds = Histogram(
            f"{name}_job_seconds", "Time of a job.", buckets=_JOB, registry=self.registry
        )
        self.stage_seconds = Histogram(
            f"{name}_stage_seconds",
            "Time of a job by stage.",
            ["stage"],
            buckets=_JOB,
            registry=self.registry,
        )
        self.queued = Gauge(f"{name}_queued", "Jobs that wait.", registry=self.registry)
        self.workers = Gauge(f"{name}_workers", "Workers that are ready.", registry=self.registry)
        self.worker_deaths = Counter(
            f"{name}_worker_deaths", "Workers that died.", registry=self.registry
        )
        self.webhooks = Counter(
            f"{name}_webhooks", "Deliveries by outcome.", ["outcome"], registry=self.registry
        )

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
