"""Run versioning: what is saved comes back equal, and nothing that was changed comes back."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.constraints import (
    ConstraintSpec,
    ConstraintValueError,
    DriverConstraints,
    RunConfig,
    create_run_config,
    load_run_config,
    save_run_config,
)
from nascar_assets.ontology.canonical import content_hash

NOW = datetime(2031, 3, 1, tzinfo=UTC)
SPEC = ConstraintSpec("s", NOW, [DriverConstraints("1", 0.5, 0.5, 0.5)], [])
PARAMS = {"n_scenarios": 1000, "field_size": 40, "race_length": 267, "mix": {"STANDARD": [0.5, 1]}}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(min_size=1), json_values, max_size=4),
    st.integers(1, 2**80),
    st.integers(1, 10_000),
    st.datetimes(timezones=st.just(UTC)),
)
def test_a_stored_run_comes_back_equal(params, seed, scenarios, now):
    config = create_run_config(SPEC, {**params, "n_scenarios": scenarios}, seed, now=now)
    again = RunConfig.from_json(config.to_json())
    assert again == config
    assert again.to_json() == config.to_json()
    assert config.constraint_spec_hash == SPEC.hash


def test_a_saved_run_comes_back_equal(tmp_path):
    config = create_run_config(SPEC, PARAMS, 7, now=NOW)
    path = tmp_path / "deep" / "run_config.json"
    save_run_config(config, path)
    save_run_config(config, str(path))
    assert load_run_config(path) == config
    assert [item.name for item in path.parent.iterdir()] == ["run_config.json"]


def test_the_same_run_has_the_same_name_and_no_clock_is_read():
    one, two = create_run_config(SPEC, PARAMS, 7), create_run_config(SPEC, dict(PARAMS), 7)
    assert one == two
    assert one.created_at == SPEC.compiled_at
    others = (
        create_run_config(SPEC, PARAMS, 8),
        create_run_config(SPEC, {**PARAMS, "n_scenarios": 10}, 7),
        create_run_config(SPEC, PARAMS, 7, now=NOW + timedelta(1)),
    )
    assert len({one.run_id, *(other.run_id for other in others)}) == 4
    assert create_run_config(SPEC, PARAMS, 7, run_id="mine").run_id == "mine"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"random_seed": 0}, "random_seed"),
        ({"random_seed": -1}, "random_seed"),
        ({"random_seed": True}, "random_seed"),
        ({"random_seed": 1.0}, "random_seed"),
        ({"sim_params": {"n_scenarios": 0}}, "n_scenarios"),
        ({"sim_params": {}}, "n_scenarios"),
        ({"sim_params": {"n_scenarios": 5.5}}, "n_scenarios"),
        ({"sim_params": [1]}, "mapping"),
        ({"sim_params": {"n_scenarios": 5, "x": float("nan")}}, "JSON"),
        ({"sim_params": {"n_scenarios": 5, "x": object()}}, "JSON"),
        ({"sim_params": {"n_scenarios": 5, "x": NOW}}, "JSON values: datetime.* type datetime"),
        ({"sim_params": {"n_scenarios": 5, "x": [{"y": NOW.date()}]}}, "JSON.* type date;"),
        ({"sim_params": {"n_scenarios": 5, "x": {1, 2}}}, "JSON.* type frozenset"),
        ({"sim_params": {"n_scenarios": 5, "x": b"1"}}, "JSON"),
        ({"sim_params": {"n_scenarios": 5, "x": {None: "a", "None": "b"}}}, "key None is no text"),
        ({"constraint_spec_hash": "a" * 63}, "64 hex digits"),
        ({"constraint_spec_hash": "g" * 64}, "64 hex digits"),
        ({"constraint_spec_hash": None}, "64 hex digits"),
        ({"run_id": ""}, "run_id"),
        ({"created_at": datetime(2031, 3, 1)}, "created_at"),  # noqa: DTZ001
    ],
)
def test_runs_that_cannot_be_are_refused(changes, message):
    values = {
        "run_id": "r",
        "constraint_spec_hash": SPEC.hash,
        "sim_params": PARAMS,
        "created_at": NOW,
        "random_seed": 7,
    }
    RunConfig(**values)
    with pytest.raises(ConstraintValueError, match=message):
        RunConfig(**(values | changes))


def test_nothing_can_be_changed():
    params = {"n_scenarios": 10, "deep": {"list": [1, 2]}}
    config = create_run_config(SPEC, params, 7)
    params["deep"]["list"].append(3)
    assert config.sim_params["deep"]["list"] == (1, 2)
    for change in (
        lambda: setattr(config, "random_seed", 8),
        lambda: config.sim_params.__setitem__("n_scenarios", 5),
        lambda: config.sim_params["deep"].__setitem__("list", ()),
        lambda: config.sim_params["deep"]["list"].append(3),
    ):
        with pytest.raises((AttributeError, TypeError)):
            change()


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_value_that_no_run_can_have_is_refused_with_the_file(tmp_path):
    content = {**create_run_config(SPEC, PARAMS, 7).to_dict(), "random_seed": 0}
    path = tmp_path / "run_config.json"
    path.write_text(json.dumps({**content, "checksum": content_hash(content)}))
    with pytest.raises(ConstraintValueError, match=r"run_config\.json, field random_seed"):
        load_run_config(path)


def test_parameters_nested_too_deeply_are_refused():
    with pytest.raises(ConstraintValueError, match="JSON values: maximum recursion"):
        create_run_config(SPEC, {**PARAMS, "x": nested(900)}, 7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(random_seed=8), "changed after it was written"),
        (lambda s: s["sim_params"].update(n_scenarios=10), "changed after it was written"),
        (lambda s: s.update(checksum="0" * 64), "changed after it was written"),
        (lambda s: s["sim_params"].update(x=float("nan")), "Out of range float"),
        (lambda s: s["sim_params"].update(x=nested(900)), "no run config has|changed after"),
        (lambda s: s.pop("run_id"), "has the fields"),
        (lambda s: s.update(extra=1), "has the fields"),
    ],
)
def test_a_tampered_file_is_refused_with_the_reason(tmp_path, change, message):
    path = tmp_path / "run_config.json"
    save_run_config(create_run_config(SPEC, PARAMS, 7), path)
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))
    with pytest.raises(ConstraintValueError, match=message) as caught:
        load_run_config(path)
    assert "run_config.json" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"null", b"{", b"\xff\xfe", b"[1]", b"[" * 100_000])
def test_a_file_that_is_no_run_config_is_refused(tmp_path, content):
    path = tmp_path / "run_config.json"
    path.write_bytes(content)
    with pytest.raises(ConstraintValueError, match=r"run_config\.json"):
        load_run_config(path)
    with pytest.raises(FileNotFoundError):
        load_run_config(tmp_path / "none.json")
