"""Bad requests: thousands of them, none of which is more than a 4xx that names its field."""

from __future__ import annotations

import copy
import json
import os
import random
import string
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nascar_assets.service.contracts import OptimizeRequest
from nascar_assets_tests.service.conftest import request_body

ROUNDS = int(os.environ.get("NASCAR_FAULT_ROUNDS", "0"))
pytestmark = pytest.mark.timeout(1_800 if ROUNDS else 300)
POST = "/api/v1/optimize"
HEADERS = {"Content-Type": "application/json"}
RUN_CONFIG = {
    "run_id": "elsewhere",
    "constraint_spec_hash": "0" * 64,
    "sim_params": {
        "n_scenarios": 10,
        "field_size": 12,
        "race_length": 60,
        "pit_strategy_mix": {"STANDARD": 1.0},
    },
    "created_at": "2026-03-01T00:00:00Z",
    "random_seed": 7,
    "checksum": None,
}
"""Well formed; no request of these tests compiles to its constraints."""
_local = threading.local()

NASTY = [
    None, True, False, "", " ", "x" * 5_000, "\u0000", "\ud800", "🏁", "../../etc/passwd", "1",
    "0.5", "NaN", -1, 0.5, 1e308, 10**400, -(10**30), [], {}, [[]], {"a": {}}, float("nan"),
    float("inf"),
    "<script>alert(1)</script>", "'; DROP TABLE runs; --", "{\"env\": \"HOME\"}", {"env": "HOME"},
]  # fmt: skip


def _client(server) -> httpx.Client:
    if getattr(_local, "url", None) != server.url:
        _local.client, _local.url = httpx.Client(base_url=server.url, timeout=60), server.url
    return _local.client


def _send(server, content: bytes) -> httpx.Response:
    return _client(server).post(POST, content=content, headers=HEADERS)


def _assert_refused(answer: httpx.Response, what: object) -> dict:
    assert 400 <= answer.status_code < 500, (what, answer.status_code, answer.text[:500])
    problem = answer.json()
    assert set(problem) == {"code", "message", "field", "remedy", "run_id"}, what
    assert problem["code"]
    assert problem["message"]
    return problem


def _paths(value: object, path: tuple = ()) -> list[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in items:
        found.append((*path, key))
        if isinstance(item, (dict, list)) and item:
            found += _paths(item, (*path, key))
    return found


def _with(path: tuple, value: object) -> dict:
    body = request_body(
        drivers=6, portfolio={"lineups": 2, "drivers": {"Driver 1": {"lock": True}}}
    )
    target = body
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return body


def _acceptable(path: tuple, value: object) -> bool:
    """Whether a mutation leaves a request that may well be taken."""
    name = path[-1]
    if value is None:
        # Null says no more than leaving an optional field out does.
        return name in ("name", "max_laps_led", "race_length", "random_seed", "portfolio")
    if isinstance(value, str) and name in ("driver_id", "name", "slate_id"):
        return value.strip() != "" and len(value) <= 200 and value.isprintable()
    if name in ("skill", "aggression", "shadow_risk"):
        return isinstance(value, float) and 0 <= value <= 1
    if name == "lock":
        return isinstance(value, bool) or value == "1"
    return value == {} and name in ("portfolio", "drivers", "Driver 1")


@pytest.mark.faults
def test_every_field_refuses_every_nasty_value_and_is_named(server):
    """Every field of a whole request in turn takes every value that it should not."""
    template = _with(("slate_id",), "x")
    cases = [
        (path, value)
        for path in _paths(template)
        for value in NASTY
        if not _acceptable(path, value)
    ]
    # The six drivers are alike: one of them is enough outside the long run.
    if not ROUNDS:
        cases = [c for c in cases if c[0][:2] != ("drivers", 3) or len(c[0]) == 2]
        cases = [c for c in cases if not (len(c[0]) > 2 and c[0][0] == "drivers" and c[0][1] != 1)]

    def check(case):
        path, value = case
        body = json.dumps(_with(path, value)).encode()
        problem = _assert_refused(_send(server, body), case)
        assert "Traceback" not in problem["message"]
        return problem

    with ThreadPoolExecutor(6) as pool:
        problems = list(pool.map(check, cases))
    assert len(problems) > 600
    named = [p for p in problems if p["field"]]
    assert len(named) > 0.95 * len(problems)


def test_a_run_config_refuses_every_nasty_value(server):
    deep = [[[]], json.loads("[" * 250 + "]" * 250), json.loads("[" * 300 + "]" * 300)]
    for path in _paths(RUN_CONFIG):
        for value in [*NASTY, *deep]:
            config = copy.deepcopy(RUN_CONFIG)
            target = config
            for key in path[:-1]:
                target = target[key]
            target[path[-1]] = value
            body = json.dumps(request_body(drivers=6) | {"run_config": config})
            problem = _assert_refused(_send(server, body.encode()), (path, str(value)[:50]))
            assert problem["field"].startswith("run_config"), (path, str(value)[:50])


@pytest.mark.parametrize("field", ["drivers", "scenario_config", "run_config", "portfolio"])
@pytest.mark.parametrize(
    "value",
    [[{}] * 200_000, {str(key): {} for key in range(60_000)}, {"groups": [[{}] * 9_000] * 6}],
    ids=["list", "object", "nested"],
)
def test_a_megabyte_of_faults_is_one_fault(field, value):
    """Each of them told by itself, it takes the server half a minute and two gigabytes."""
    with pytest.raises(ValidationError) as refused:
        OptimizeRequest.model_validate(_with((field,), value))
    (fault,) = refused.value.errors()
    assert fault["loc"] == (field,)
    assert "10,000 values are the most in one list or object, 50,000 in all" in fault["msg"]


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"slate": "x"}, "slate", "UNKNOWN_FIELD"),
        ({"salary_cap": 9_999}, "salary_cap", "INVALID_VALUE"),
        ({"salary_cap": 100_001}, "salary_cap", "INVALID_VALUE"),
        ({"slate_id": "   "}, "slate_id", "INVALID_VALUE"),
        ({"random_seed": -1}, "random_seed", "INVALID_VALUE"),
        ({"drivers": []}, "drivers", "INVALID_VALUE"),
        ({"webhook_url": ""}, "webhook_url", "INVALID_VALUE"),
        ({"webhook_url": "ftp://example.org/"}, "webhook_url", "WEBHOOK_FORBIDDEN"),
        ({"portfolio": {"lineups": 0}}, "portfolio.lineups", "INVALID_VALUE"),
        ({"portfolio": {"drivers": {"Nobody": {"lock": True}}}}, "portfolio.drivers.Nobody", None),
        ({"portfolio": {"linups": 3}}, "portfolio", "INVALID_VALUE"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(server, change, field, code):
    problem = _assert_refused(server.post(request_body() | change), change)
    assert problem["field"] == field
    assert code in (None, problem["code"])


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"salary_min": 2**63}, "salary_min"),
        ({"salary_min": 10**400}, "salary_min"),
        ({"objective": "probability", "threshold": 1e308}, "threshold"),
        ({"objective": "probability", "threshold": -1e308}, "threshold"),
        ({"objective": "payout", "payout": "1e999990"}, "payout"),
        ({"objective": "payout", "payout": "\ud800"}, "payout"),
        ({"ownership_max": 1e308}, "ownership_max"),
        ({"max_shared": 2**63}, "max_shared"),
        ({"drivers": {"Driver 1\x00": {}}}, "drivers.Driver 1\x00.[key]"),
        ({"drivers": {"Driver \ud800": {}}}, None),
        ({"teams": {"\x1b[31m": {"at_most": 1}}}, None),
        ({"groups": [{"drivers": ["\udfff"]}]}, "groups.0.drivers.0"),
        ({"groups": [{"drivers": ["Driver 1"], "name": "\x00"}]}, "groups.0.name"),
        ({"groups": [{"drivers": ["Driver 1"], "at_least": 2**64}]}, "groups.0.at_least"),
        ({"groups": [{"drivers": ["Driver 1"]}] * 10_000}, "groups"),
        ({"groups": [{"drivers": ["Driver 1"] * 10_000}]}, "groups.0.drivers"),
        ({"rules": [{"if": ["Driver 1"], "then": ["Driver 2"], "at_most": 10**30}]}, None),
    ],
)
def test_settings_past_any_use_are_refused_at_once_with_their_field(server, settings, field):
    content = json.dumps(request_body(portfolio=settings)).encode()
    problem = _assert_refused(_send(server, content), settings)
    assert problem["field"].startswith("portfolio." if field is None else f"portfolio.{field}")
    assert not any(word in problem["message"] for word in ("OverflowError", "int64", "codec"))


@pytest.mark.parametrize("text", ["%00", "%ff", "%ED%A0%80", "%1b", "a%0Ab", "x" * 300])
def test_no_query_reaches_the_storage_that_is_no_text(server, text):
    for name in ("slate_id", "cursor"):
        answer = server.http.get(f"{POST}?{name}={text}")
        if text != "%ff" and not text.startswith("%ED"):  # read as a sign that stands for nothing
            assert _assert_refused(answer, text)["field"] == name
        assert answer.status_code in (200, 422)


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_at_the_end_of_time_is_refused(server, when):
    body = request_body() | {"run_config": RUN_CONFIG | {"created_at": when}}
    assert _assert_refused(server.post(body), when)["field"].startswith("run_config")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"n_scenarios": 15}, "n_scenarios"),
        ({"n_scenarios": 0}, "n_scenarios"),
        ({"n_scenarios": 10_010}, "n_scenarios"),
        ({"track_id": ""}, "track_id"),
        ({"race_length": 49}, "race_length"),
        ({"race_length": 501}, "race_length"),
        ({"field_size": 5}, "field_size"),
        ({"field_size": 51}, "field_size"),
        ({"calibration_enabled": "yes"}, "calibration_enabled"),
        ({"pit_strategy_mix": {"AGGRESSIVE": 0.5}}, None),
        ({"pit_strategy_mix": {"WILD": 1.0}}, "pit_strategy_mix.WILD.[key]"),
    ],
)
def test_the_bounds_of_scenarios_hold(server, change, field):
    body = request_body()
    body["scenario_config"] |= change
    problem = _assert_refused(server.post(body), change)
    wanted = "scenario_config" if field is None else f"scenario_config.{field}"
    assert problem["field"] == wanted


def test_what_the_contract_denies_carries_its_code(server):
    body = request_body()
    for driver in body["drivers"]:
        driver["salary"] = 9_000
    assert server.post(body).json()["code"] == "LINEUP_INFEASIBLE"
    body = request_body()
    for driver in body["drivers"]:
        driver["min_laps_led"] = 10
    assert server.post(body).json()["code"] == "LAPS_LED_INFEASIBLE"
    body = request_body()
    del body["drivers"][3]["salary"]
    problem = server.post(body).json()
    assert (problem["code"], problem["field"]) == ("SALARY_MISSING", "drivers.3.salary")
    for driver in body["drivers"]:
        driver.pop("salary", None)
    problem = server.post(body).json()
    assert problem["code"] == "SLATE_UNKNOWN"
    assert problem["remedy"]
    body = request_body()
    body["scenario_config"]["track_id"] = "daytoona"
    problem = server.post(body).json()
    assert (problem["code"], problem["field"]) == ("TRACK_UNKNOWN", "scenario_config.track_id")
    body = request_body()
    body["drivers"][1]["driver_id"] = "driver-0"
    assert server.post(body).status_code == 422
    body = request_body()
    body["drivers"][2] |= {"min_laps_led": 5, "max_laps_led": 4}
    assert server.post(body).json()["field"] == "drivers.2"
    settings = {"lineups": 2, "drivers": {"Driver 0": {"min_exposure": 0.6, "max_exposure": 0.9}}}
    assert server.post(request_body(portfolio=settings)).json()["code"] == "EXPOSURE_INFEASIBLE"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"\x00" * 100,
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"slate_id": ' + b"9" * 10_000 + b"}",
        b'{"slate_id": NaN}',
        b"a=b&c=d",
        b'{"__proto__": {}, "constructor": 1}',
    ],
)
def test_a_body_that_is_no_request_is_refused(server, content):
    answer = _send(server, content)
    _assert_refused(answer, content[:50])
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (b"{}", "text/plain", "sent as text/plain, not as JSON"),
        (b"[]", "application/json", "valid dictionary"),
        (b"null", "application/json", "valid dictionary"),
    ],
)
def test_a_body_that_is_at_fault_as_a_whole_is_named(server, content, kind, said):
    answer = server.http.post(POST, content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["field"]) == (422, "body")
    assert said in answer.json()["message"]


@pytest.mark.parametrize("path", ["", "/{slate}/entries", "/{slate}/views"])
def test_a_file_in_a_form_is_to_be_sent_as_the_body(server, path):
    path = path.format(slate="2026-03-01-cup-dk-classic")
    answer = server.http.post(f"/api/v1/slates{path}", files={"file": b"Name,Salary\n"})
    found = answer.json()
    assert (answer.status_code, found["code"], found["field"]) == (422, "FILE_IN_FORM", "body")
    assert "--data-binary" in found["remedy"]


def test_a_body_of_more_than_a_megabyte_is_refused_before_it_is_parsed(server):
    large = json.dumps(request_body(slate_id="x" * 1_000_001)).encode()
    answer = _send(server, large)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")

    def drops():
        for _ in range(120):
            yield b"x" * 10_000

    # Without a length that could be believed, the bytes are counted as they come.
    answer = httpx.post(server.url + POST, content=drops(), headers=HEADERS)
    assert answer.status_code == 413
    assert server.http.get("/health").status_code == 200


_text = st.text(max_size=30) | st.sampled_from(["", "daytona", "driver-0", "skill", "../x", "\x00"])
_leaf = st.none() | st.booleans() | st.integers() | st.floats() | _text
_any_json = st.recursive(
    _leaf,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)
EXAMPLES = 10_000 if ROUNDS else 400


@pytest.mark.faults
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(body=_any_json)
def test_no_json_whatever_makes_more_than_a_4xx(server, body):
    _assert_refused(_send(server, json.dumps(body).encode("utf-8", "surrogatepass")), body)


@pytest.mark.faults
def test_random_changes_to_a_whole_request_give_an_answer_of_the_document(server):
    """Up to three changes to a good request: taken, or refused; never a fault of the server."""
    source = random.Random(20_260_221)
    count = 20_000 if ROUNDS else 1_000
    whole = request_body(drivers=6, n_scenarios=10)
    repeating = whole | {"run_config": RUN_CONFIG}

    def mutated() -> bytes:
        body = copy.deepcopy(repeating if source.random() < 0.2 else whole)
        paths = _paths(body)
        for _ in range(source.randint(1, 3)):
            target = body
            path = source.choice(paths)
            try:
                for key in path[:-1]:
                    target = target[key]
                if source.random() < 0.2:
                    del target[path[-1]]
                else:
                    letters = "".join(source.choices(string.printable, k=source.randint(0, 30)))
                    number = source.choice([source.randint(-5, 5), 10 ** source.randint(1, 30)])
                    # Copied: a later change may reach into it.
                    chosen = source.choice([*NASTY, letters, number, source.random()])
                    target[path[-1]] = copy.deepcopy(chosen)
            except (KeyError, IndexError, TypeError):
                continue
        text = json.dumps(body)
        if source.random() < 0.1:
            cut = source.randrange(len(text))
            text = text[:cut] + source.choice(["", "}", "\\", '"', "🏁"]) + text[cut + 1 :]
        return text.encode("utf-8", "surrogatepass")

    bodies = [mutated() for _ in range(count)]

    def check(content: bytes) -> int:
        answer = _send(server, content)
        if answer.status_code == 200:
            _client(server).delete(f"{POST}/{answer.json()['run_id']}")
        else:
            _assert_refused(answer, content[:300])
        return answer.status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(check, bodies))
    assert statuses.count(200) < 0.5 * count
