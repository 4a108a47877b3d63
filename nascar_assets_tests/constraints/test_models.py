"""The compiled models: checked, immutable all the way down, one hash for one content."""

import copy
import dataclasses
import hashlib
import json
import math
import pickle
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.constraints import (
    ConstraintSpec,
    ConstraintValueError,
    DriverConstraints,
    MissingConstraintError,
    TrackConstraints,
    version_from_constraints,
)
from nascar_assets.constraints.frozen import FrozenMap, freeze

NOW = datetime(2031, 3, 1, tzinfo=UTC)
unit = st.floats(0, 1)
ids = st.text("abc0123456789:", min_size=1, max_size=6)


@st.composite
def drivers(draw, driver_id=ids):
    low = draw(st.integers(0, 300))
    return DriverConstraints(
        driver_id=draw(driver_id),
        skill=draw(unit),
        aggression=draw(unit),
        shadow_risk=draw(unit),
        min_laps_led=low,
        max_laps_led=draw(st.none() | st.integers(low, 600)),
        veto_rules=draw(st.lists(st.sampled_from(["leads-no-laps", "does-not-retire"]))),
        overridden=draw(st.lists(st.sampled_from(["skill", "aggression"]))),
    )


@st.composite
def tracks(draw):
    windows = sorted(draw(st.sets(st.integers(1, 500), max_size=5)))
    return TrackConstraints(draw(ids), draw(unit), draw(unit), draw(unit), windows)


@st.composite
def specs(draw):
    return ConstraintSpec(
        draw(ids),
        NOW,
        draw(st.lists(drivers(), max_size=6, unique_by=lambda d: d.driver_id)),
        draw(st.lists(tracks(), max_size=3, unique_by=lambda t: t.track_id)),
    )


def spec(**changes):
    values = {
        "slate_id": "2031-03-01-cup-dk-classic",
        "compiled_at": NOW,
        "drivers": [DriverConstraints("1", 0.5, 0.4, 0.3), DriverConstraints("2", 0.6, 0.5, 0.5)],
        "tracks": [TrackConstraints("9", 0.5, 0.5, 0.5, [40, 80])],
    }
    return ConstraintSpec(**(values | changes))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(specs(), st.randoms(use_true_random=False))
def test_a_spec_is_the_same_however_it_is_given(made, random):
    listed = list(made.drivers.values())
    random.shuffle(listed)
    again = ConstraintSpec(made.slate_id, NOW + timedelta(days=9), listed, dict(made.tracks))
    assert again.hash == made.hash == version_from_constraints(made)
    assert (again.drivers, again.tracks) == (made.drivers, made.tracks)
    assert list(again.drivers) == sorted(made.drivers)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(specs())
def test_a_stored_spec_comes_back_equal(made):
    assert ConstraintSpec.from_json(made.to_json()) == made
    assert pickle.loads(pickle.dumps(made)) == made
    assert copy.deepcopy(made) == made
    assert hash(ConstraintSpec.from_json(made.to_json())) == hash(made)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(drivers(), drivers())
def test_different_content_has_different_hashes(one, two):
    first, second = ConstraintSpec("s", NOW, [one], []), ConstraintSpec("s", NOW, [two], [])
    assert (first.hash == second.hash) is (one == two)


def test_the_hash_is_that_of_the_canonical_text():
    text = (
        '{"drivers":[{"aggression":0.4,"driver_id":"1","max_laps_led":null,"min_laps_led":0,'
        '"overridden":[],"shadow_risk":0.3,"skill":0.5,"veto_rules":[]}],"slate_id":"s",'
        '"tracks":[{"aggression_factor":0.5,"caution_rate":0.25,"difficulty":1.0,"overridden":[],'
        '"pit_window_laps":[40,80],"track_id":"9","veto_rules":[]}]}'
    )
    made = ConstraintSpec(
        "s",
        NOW,
        [DriverConstraints("1", 0.5, 0.4, 0.3)],
        [TrackConstraints("9", 1, 0.5, 0.25, [40, 80])],
    )
    assert made.hash == hashlib.sha256(text.encode()).hexdigest()


def test_nothing_can_be_changed():
    made = spec()
    driver, track = made.drivers["1"], made.tracks["9"]
    for value in (made, driver, track):
        for field in dataclasses.fields(value):
            with pytest.raises((AttributeError, TypeError)):
                setattr(value, field.name, getattr(value, field.name))
            with pytest.raises((AttributeError, TypeError)):
                delattr(value, field.name)
    for change in (
        lambda: made.drivers.__setitem__("1", driver),
        lambda: made.drivers.pop("1"),
        lambda: made.drivers.update({}),
        lambda: made.drivers._items.__setitem__("1", driver),
        lambda: setattr(made.drivers, "_items", {}),
        lambda: driver.veto_rules.append("x"),
        lambda: track.pit_window_laps.append(1),
        lambda: setattr(driver, "another", 1),
    ):
        with pytest.raises((AttributeError, TypeError)):
            change()
    assert spec() == made


def test_what_was_given_may_change_afterwards():
    rules, windows = ["leads-no-laps"], [40, 80]
    listed = [DriverConstraints("1", 0.5, 0.4, 0.3, veto_rules=rules)]
    made = spec(drivers=listed, tracks={"9": TrackConstraints("9", 0.5, 0.5, 0.5, windows)})
    before = made.to_json()
    rules.append("x")
    windows.append(5)
    listed.clear()
    assert made.to_json() == before


@pytest.mark.parametrize("field", ["skill", "aggression", "shadow_risk"])
@pytest.mark.parametrize("value", [-0.001, 1.001, math.nan, math.inf, "0.5", None, True, [0.5]])
def test_driver_values_lie_in_the_unit_interval(field, value):
    values = {"skill": 0.5, "aggression": 0.5, "shadow_risk": 0.5, field: value}
    with pytest.raises(ConstraintValueError, match=field) as caught:
        DriverConstraints(driver_id="4153", **values)
    assert isinstance(caught.value, ValueError)
    assert "4153" in str(caught.value)


@pytest.mark.parametrize("field", ["difficulty", "aggression_factor", "caution_rate"])
@pytest.mark.parametrize("value", [-0.001, 1.001, math.nan])
def test_track_values_lie_in_the_unit_interval(field, value):
    values = {"difficulty": 0.5, "aggression_factor": 0.5, "caution_rate": 0.5, field: value}
    with pytest.raises(ConstraintValueError, match=field):
        TrackConstraints(track_id="9", **values)


@pytest.mark.parametrize("windows", [[80, 40], [40, 40], [0, 10], [-5], [1.5], "40", [True], 40])
def test_pit_windows_are_positive_and_ascend(windows):
    with pytest.raises(ConstraintValueError, match="pit_window_laps"):
        TrackConstraints("9", 0.5, 0.5, 0.5, windows)


@pytest.mark.parametrize(("low", "high"), [(-1, None), (5, 4), (0, -1), (1.5, None), (0, 2.5)])
def test_bounds_on_laps_led_are_in_order(low, high):
    with pytest.raises(ConstraintValueError, match="laps_led"):
        DriverConstraints("1", 0.5, 0.5, 0.5, min_laps_led=low, max_laps_led=high)


def test_numbers_of_numpy_are_taken_and_kept_as_plain_numbers():
    driver = DriverConstraints("1", np.float64(0.5), np.float32(0.25), 0, np.int64(3), np.int32(9))
    assert driver == DriverConstraints("1", 0.5, 0.25, 0.0, 3, 9)
    assert [type(v) for v in (driver.skill, driver.aggression, driver.min_laps_led)] == [
        float,
        float,
        int,
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slate_id": ""}, "slate_id"),
        ({"slate_id": 5}, "slate_id"),
        ({"compiled_at": datetime(2031, 3, 1)}, "compiled_at"),  # noqa: DTZ001
        ({"drivers": [DriverConstraints("1", 0, 0, 0)] * 2}, "'1' twice"),
        ({"drivers": {"2": DriverConstraints("1", 0, 0, 0)}}, "'1' under '2'"),
        ({"drivers": [{"driver_id": "1"}]}, "DriverConstraints"),
        ({"tracks": [DriverConstraints("1", 0, 0, 0)]}, "TrackConstraints"),
        ({"hash": "0" * 64}, "changed after"),
    ],
)
def test_specs_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ConstraintValueError, match=message):
        spec(**changes)


def test_the_time_is_no_part_of_the_hash_and_is_kept_in_utc():
    zoned = datetime(2031, 2, 28, 19, tzinfo=timezone(timedelta(hours=-5)))
    assert spec(compiled_at=zoned).compiled_at == NOW
    assert spec(compiled_at=zoned).to_json() == spec().to_json()
    assert spec(compiled_at=zoned.isoformat()) == spec()
    assert spec(compiled_at="2031-03-01T12:00:00Z").compiled_at == datetime(
        2031, 3, 1, 12, tzinfo=UTC
    )
    with pytest.raises(ConstraintValueError, match=r"compiled_at with its time zone.*names none"):
        spec(compiled_at="2031-03-01T12:00:00")
    for wrong in ("noon", 1_900_000_000, None, "0001-01-01T00:00:00+05:00"):
        with pytest.raises(ConstraintValueError, match="compiled_at as a time or its ISO text"):
            spec(compiled_at=wrong)
    assert spec(compiled_at=NOW + timedelta(1)).hash == spec().hash
    assert spec(compiled_at=NOW + timedelta(1)) != spec()


def test_missing_ids_are_named_with_the_slate():
    with pytest.raises(
        MissingConstraintError, match="2031-03-01-cup-dk-classic hold no driver 'x'"
    ):
        spec().get_driver_constraints("x")
    with pytest.raises(MissingConstraintError, match="no track '1'"):
        spec().get_track_constraints("1")
    assert spec().get_driver_constraints("2").skill == 0.6
    assert spec().get_track_constraints("9").pit_window_laps == (40, 80)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["drivers"][0].update(skill=0.51), "changed after"),
        (lambda s: s.update(slate_id="other"), "changed after"),
        (lambda s: s["drivers"].pop(), "changed after"),
        (lambda s: s.update(hash=""), "needs its hash"),
        (lambda s: s.update(hash=None), "needs its hash"),
        (lambda s: s.update(version="99"), "format '99'"),
        (lambda s: s.pop("tracks"), "has the fields"),
        (lambda s: s["drivers"][0].update(luck=1), "malformed"),
        (lambda s: s["drivers"][0].update(skill=1.5), "skill"),
    ],
)
def test_a_stored_spec_that_was_tampered_with_is_refused(change, message):
    stored = json.loads(spec().to_json())
    change(stored)
    with pytest.raises(ConstraintValueError, match=message):
        ConstraintSpec.from_json(json.dumps(stored))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", b"\xff", "[" * 100_000])
def test_a_stored_spec_that_is_none_is_refused(text):
    with pytest.raises(ConstraintValueError):
        ConstraintSpec.from_json(text)


def test_frozen_values_are_frozen_to_the_bottom():
    given_ = {"a": [1, {"b": {1, 2}}], "c": np.arange(3)}
    frozen = freeze(given_)
    assert frozen == {"a": (1, FrozenMap({"b": frozenset({1, 2})})), "c": (0, 1, 2)}
    assert hash(frozen) == hash(freeze(given_))


def test_what_cannot_be_frozen_is_refused():
    class Changing:
        __hash__ = None

    with pytest.raises(TypeError, match="Changing"):
        freeze({"a": [Changing()]})
    with pytest.raises(TypeError, match="key 1 is no text"):
        freeze({"a": {1: "a", "1": "b"}})
