"""Requests that come twice or at the same moment, without a server."""

from __future__ import annotations

import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from nascar_assets.errors import InputError
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.retention import unknown_runs
from nascar_assets.service.app import create_app
from nascar_assets.service.compiled import CompiledRequest
from nascar_assets.service.contracts import OptimizeRequest
from nascar_assets.service.jobs import request_path, resolved_job
from nascar_assets.service.optimizer import Optimizer
from nascar_assets.service.problems import RequestRefused
from nascar_assets.service.retention import ORPHAN_AGE, Retention
from nascar_assets.service.run_store import RunStore
from nascar_assets.service.settings import ServiceSettings
from nascar_assets.service.slate_jobs import _Order
from nascar_assets.service.slate_orders import SlateOrders
from nascar_assets.storage import DataRoot
from nascar_assets_tests.service.stored import slate_request, write_slate


def _optimizer(platform, runs):
    """The service's own, with no worker that waits for its jobs."""
    store = RunStore(open_instance(str(runs)))
    store.register(resolved_job(platform))

    def nothing(*_):
        pass

    settings = ServiceSettings(max_queued=1_000)
    return Optimizer(store, platform, settings, wake=nothing, stop_job=nothing, ended=nothing)


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    made = Platform(home=str(tmp_path_factory.mktemp("home")))
    write_slate(made.root)
    return made


@pytest.fixture(scope="module")
def optimizer(platform):
    return _optimizer(platform, platform.home)


def _seed(platform, run_id):
    """The seed that a job computes with."""
    job = CompiledRequest.from_json(platform.root.read(request_path(run_id)))
    return job.run_config.random_seed


def _at_once(optimizer, bodies):
    """What requests with one key get that come at the same moment."""
    key = str(uuid.uuid4())
    together = Barrier(len(bodies))

    def submit(body):
        request = OptimizeRequest.model_validate(body)
        together.wait()
        try:
            return optimizer.submit(request, client="here", key=key)
        except RequestRefused as refused:
            return refused

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(submit, bodies))


@pytest.mark.slow
def test_of_different_requests_with_one_key_the_accepted_one_is_computed(platform, optimizer):
    for _ in range(12):
        answers = _at_once(optimizer, [slate_request(random_seed=seed) for seed in (1, 2, 3)])
        accepted = [i for i, a in enumerate(answers) if not isinstance(a, RequestRefused)]
        assert len(accepted) == 1
        refused = [a for a in answers if isinstance(a, RequestRefused)]
        assert {a.problem.code for a in refused} == {"IDEMPOTENCY_KEY_REUSED"}
        assert _seed(platform, answers[accepted[0]].run_id) == accepted[0] + 1


@pytest.mark.slow
def test_a_request_stored_before_a_fault_is_the_one_that_is_gone_on_with(
    platform, optimizer, tmp_path
):
    body = slate_request()
    del body["random_seed"]
    request = OptimizeRequest.model_validate(body)
    run_id = optimizer.submit(request, client="here", key="k").run_id
    drawn = _seed(platform, run_id)
    # The request was stored, and the run storage knows nothing of its job.
    after = _optimizer(platform, tmp_path)
    other = OptimizeRequest.model_validate(slate_request(random_seed=1))
    with pytest.raises(RequestRefused) as refused:
        after.submit(other, client="here", key="k")
    assert refused.value.problem.code == "IDEMPOTENCY_KEY_REUSED"
    assert after.submit(request, client="here", key="k").run_id == run_id
    assert _seed(platform, run_id) == drawn


@pytest.mark.slow
def test_a_slates_request_with_one_key_is_one_job(tmp_path):
    client = TestClient(create_app(str(tmp_path)), "http://localhost")

    def sent(content, key="k", **asked):
        params = {"filename": "s.csv", "wait": 0, **asked}
        headers = {"Idempotency-Key": key}
        return client.post("/api/v1/slates", content=content, params=params, headers=headers)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(sent, [b"a,b\n"] * 4))
    (run_id,) = {answer.json()["run_id"] for answer in answers}
    assert sent(b"a,b\n", wait=0.1).json()["run_id"] == run_id
    for other in (sent(b"a,c\n"), sent(b"a,b\n", race="5")):
        assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert sent(b"a,b\n", key="l").json()["run_id"] != run_id
    assert len(client.app.state.service.store.instance.get_runs()) == 2


@pytest.mark.slow
def test_a_retry_long_after_a_fault_finds_its_files(tmp_path, monkeypatch):
    app = create_app(str(tmp_path))
    client = TestClient(app, "http://localhost", raise_server_exceptions=False)
    service = app.state.service
    root, store = service.platform.root, service.store

    def sent():
        headers = {"Idempotency-Key": "k"}
        return client.post("/api/v1/slates?filename=s.csv&wait=0", content=b"a\n", headers=headers)

    def away(*_, **__):
        raise OSError("no disk")

    with monkeypatch.context() as fault:
        fault.setattr(store, "submit", away)
        assert sent().status_code >= 500
    files = sorted(file.path for file in root.list("api") if not file.path.endswith(".ready"))
    assert [path.rsplit("/", 1)[1] for path in files] == ["request.json", "sent"]
    long_ago = time.time() - ORPHAN_AGE.total_seconds() - 60
    for path in files:
        os.utime(tmp_path / path, (long_ago, long_ago))

    def retried(*of):
        """The retry comes while the sweep is at work."""
        found = unknown_runs(*of)
        assert sent().is_success
        return found

    monkeypatch.setattr("nascar_assets.service.retention.unknown_runs", retried)
    now = datetime.now(UTC)
    Retention(store, root, ServiceSettings(), lambda: None).sweep(now)
    assert sorted(file.path for file in root.list("api") if file.path in files) == files
    assert all(now - file.modified < ORPHAN_AGE for file in root.list("api"))


def test_a_file_that_is_gone_is_asked_for_again(tmp_path):
    order = object.__new__(_Order)
    order.root, order.run_id = DataRoot.open(tmp_path), str(uuid.uuid4())
    with pytest.raises(InputError, match=r"field body.*Send it again"):
        order.sent()


def test_a_view_that_two_take_back_at_once_was_dropped_before(monkeypatch):
    view = SimpleNamespace(dropped_at=None)
    reads = SimpleNamespace(view=lambda *_: view)
    orders = SlateOrders(*([None] * 3), reads, *([None] * 3))

    def too_late(*_):
        view.dropped_at = "now"
        raise InputError("The view 'v' was dropped before.", field="ID")

    monkeypatch.setattr("nascar_assets.service.slate_orders.drop_view", too_late)
    with pytest.raises(RequestRefused) as refused:
        orders.drop_view("slate", "v")
    assert (refused.value.status, refused.value.problem.code) == (409, "VIEW_DROPPED")
