"""With keys, a job is there for the key that made it alone; for others it is as one never made."""

from __future__ import annotations

import pytest

from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.service.contracts import OptimizeRequest
from nascar_assets.service.jobs import resolved_job
from nascar_assets.service.optimizer import Optimizer
from nascar_assets.service.problems import RequestRefused
from nascar_assets.service.run_store import RunStore
from nascar_assets.service.settings import ServiceSettings
from nascar_assets_tests.service.conftest import request_body

MINE, OTHER = "key:mine", "key:other"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def _optimizer(home, **settings) -> Optimizer:
    platform = Platform(home=str(home))
    store = RunStore(open_instance(str(home)))
    store.register(resolved_job(platform))

    def nothing(*_):
        pass

    chosen = ServiceSettings(**settings)
    return Optimizer(store, platform, chosen, wake=nothing, stop_job=nothing, ended=nothing)


@pytest.fixture(scope="module")
def optimizer(tmp_path_factory):
    home = tmp_path_factory.mktemp("owned")
    return _optimizer(home, keys_file="the keys are read elsewhere")


def _request(**changes) -> OptimizeRequest:
    return OptimizeRequest.model_validate(request_body(n_scenarios=10, **changes))


def _problem(work) -> tuple:
    with pytest.raises(RequestRefused) as refused:
        work()
    return refused.value.status, refused.value.problem


@pytest.mark.slow
def test_anothers_job_and_an_unknown_one_are_alike(optimizer):
    run_id = optimizer.submit(_request(), client=MINE).run_id
    for _ in range(2):  # also once its owner has had it read
        for ask in (optimizer.status, optimizer.result, optimizer.cancel):
            foreign = _problem(lambda ask=ask: ask(run_id, OTHER))
            assert foreign == _problem(lambda ask=ask: ask(UNKNOWN, OTHER))
            assert foreign[0] == 404
        assert optimizer.status(run_id, MINE).status == "pending"
    assert optimizer.cancel(run_id, MINE).status == "cancelled"
    assert optimizer.status(run_id, MINE).status == "cancelled"
    assert _problem(lambda: optimizer.status(run_id, OTHER))[0] == 404


@pytest.mark.slow
def test_a_list_holds_ones_own_jobs_only(optimizer):
    mine = [optimizer.submit(_request(slate_id="listed"), client=MINE).run_id for _ in range(3)]
    others = [optimizer.submit(_request(slate_id="listed"), client=OTHER).run_id for _ in range(2)]

    def listed(client, **asked):
        wanted = {"slate_id": None, "status": None, "limit": 100, "cursor": None} | asked
        return {job.run_id for job in optimizer.list_jobs(client=client, **wanted).jobs}

    assert set(mine) <= listed(MINE)
    assert not listed(MINE) & set(others)
    assert listed(OTHER, slate_id="listed") == set(others)
    assert listed("key:third") == set()
    foreign = _problem(lambda: listed(OTHER, cursor=mine[0]))
    assert foreign == _problem(lambda: listed(OTHER, cursor=UNKNOWN))


def test_a_run_config_of_anothers_job_is_unknown(optimizer):
    job = optimizer.submit(_request(), client=MINE)
    foreign = _problem(lambda: optimizer.submit(_request(run_config=job.run_id), client=OTHER))
    unknown = _problem(lambda: optimizer.submit(_request(run_config=UNKNOWN), client=OTHER))
    assert foreign == unknown
    assert foreign[1].code == "RUN_CONFIG_UNKNOWN"
    assert optimizer.submit(_request(run_config=job.run_id), client=MINE).status == "pending"


def test_an_idempotency_key_is_its_clients_own(optimizer):
    mine = optimizer.submit(_request(seed=1), client=MINE, key="monday")
    other = optimizer.submit(_request(seed=2), client=OTHER, key="monday")
    assert mine.run_id != other.run_id
    assert optimizer.submit(_request(seed=1), client=MINE, key="monday").run_id == mine.run_id


@pytest.mark.slow
def test_without_keys_jobs_are_everybodys(tmp_path):
    optimizer = _optimizer(tmp_path)
    run_id = optimizer.submit(_request(), client="192.0.2.1").run_id
    assert optimizer.status(run_id, "192.0.2.2").status == "pending"
    assert optimizer.cancel(run_id, "192.0.2.2").status == "cancelled"
