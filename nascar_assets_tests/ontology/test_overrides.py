"""What people enter is kept, checked, and never lost."""

import json
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.ontology import Statement, StatementStore, UnknownVetoRule, build_state, in_force
from nascar_assets.storage import DataRoot
from nascar_assets_tests.ontology.made_up import AS_OF, driver_values, schedule, track_values

T0 = datetime(2031, 1, 1, 12, tzinfo=UTC)


def entry(action="override", subject="driver", id_="101", name="skill", value=0.7, at=T0, **more):
    more = {"author": "Ada Marsh", "reason": "tested well"} | more
    return Statement(action, subject, id_, name, value, at=at, **more)


def test_entries_come_back_as_they_went_in(tmp_path):
    store = StatementStore(DataRoot(tmp_path))
    assert store.entries() == ()
    entries = (
        entry(reason='because "ü"\nand so on'),
        entry(
            subject="track", id_="1", name="pit_window_laps", value=[30, 60], at=T0 + timedelta(1)
        ),
        entry("veto", name="leads-no-laps", value=None, at=T0 + timedelta(2)),
        entry("clear", value=None, at=T0 + timedelta(3)),
    )
    for one in reversed(entries):
        store.add(one)
        store.add(one)
    assert StatementStore(DataRoot(tmp_path)).entries() == entries


def test_people_who_write_at_the_same_time_all_keep_their_entries(tmp_path):
    def write(number):
        for i in range(10):
            StatementStore(DataRoot(tmp_path)).add(entry(id_=f"{number}-{i}"))

    writers = [threading.Thread(target=write, args=(n,)) for n in range(5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(StatementStore(DataRoot(tmp_path)).entries()) == 50


@pytest.mark.parametrize("damage", ["value", "text", "field"])
def test_a_damaged_entry_is_named_and_left_out(tmp_path, damage, caplog):
    store = StatementStore(DataRoot(tmp_path))
    path = tmp_path / store.add(entry())
    store.add(other := entry(id_="102", at=T0 + timedelta(1)))
    stored = json.loads(path.read_text())
    if damage == "value":
        path.write_text(json.dumps({**stored, "value": 0.99}))
    elif damage == "field":
        del stored["author"]
        path.write_text(json.dumps(stored))
    else:
        path.write_bytes(path.read_bytes()[:40])
    assert store.entries() == (other,)
    assert path.name in caplog.text
    if damage == "value":
        assert "subject_id '101', name 'skill', value 0.99, author 'Ada Marsh'" in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "max_laps_led", "value": 10**20},
        {"name": "max_laps_led", "value": 10**400},
        {"name": "max_laps_led", "value": 1e300},
        {"name": "max_laps_led", "value": float("nan")},
        {"name": "skill", "value": float("inf")},
        {"subject": "track", "name": "pit_window_laps", "value": [1, 10**20]},
        {"subject": "track", "name": "pit_window_laps", "value": [True, 2]},
        {"reason": "half a letter \ud800"},
        {"reason": "a\0b"},
        {"reason": "x" * 10_000},
        {"reason": 5},
        {"author": "\udcff"},
        {"id_": "\ud800"},
        {"action": "veto", "name": "leads-at-most:laps=" + "9" * 30, "value": None},
        {"action": "veto", "name": "finishes-behind:other=" + "9" * 3000, "value": None},
    ],
)
def test_what_no_spec_can_hold_is_not_kept(wrong):
    with pytest.raises(InputError):
        entry(**wrong)


def test_bounds_that_contradict_each_other_are_refused_and_set_aside(tmp_path):
    store = StatementStore(DataRoot(tmp_path))
    upper = entry(name="max_laps_led", value=10)
    store.add(upper)
    lower = entry(name="min_laps_led", value=50, at=T0 + timedelta(1))
    with pytest.raises(InputError, match="at least 50 and at most 10"):
        store.add(lower)
    other = StatementStore(DataRoot(tmp_path / "other"))
    other.add(lower)
    (path,) = (tmp_path / "other").rglob("*.json")
    path.rename(tmp_path / "ontology/entries" / path.name)  # written before it was checked
    assert store.entries() == (upper,)
    (fault,) = store.examined()[1]
    assert "101" in fault
    assert "min_laps_led = 50 by Ada Marsh" in fault
    store.add(entry("clear", name="max_laps_led", value=None, at=T0 + timedelta(hours=1)))
    assert lower in store.entries()


def test_an_override_survives_a_rebuild_for_another_date(tmp_path):
    store = StatementStore(DataRoot(tmp_path))
    store.add(entry(value=0.95))
    for days in (0, 30):
        state = build_state(
            driver_values(),
            track_values(),
            schedule(),
            store.entries(),
            AS_OF + timedelta(days=days),
        )
        node = next(node for node in state.drivers if node.driver_id == "101")
        assert (node.skill, node.overridden) == (0.95, ("skill",))


def test_the_last_word_wins():
    entries = [
        entry(value=0.6),
        entry(value=0.8, at=T0 + timedelta(1)),
        entry("veto", name="leads-no-laps", value=None),
        entry(name="shadow_risk", value=0.2),
        entry("clear", name="shadow_risk", value=None, at=T0 + timedelta(2)),
        entry("lift", name="leads-no-laps", value=None, at=T0 + timedelta(3)),
    ]
    assert in_force(entries) == ((entries[1],), ())
    assert in_force(entries, by=T0) == ((entries[3], entries[0]), (entries[2],))
    assert in_force(entries, by=T0 - timedelta(1)) == ((), ())


def test_times_are_kept_in_utc():
    zoned = datetime(2031, 1, 1, 7, tzinfo=timezone(timedelta(hours=-5)))
    assert entry(at=zoned).at == T0
    assert entry(at=zoned).at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": 1.5}, r"skill lies in \[0, 1\]"),
        ({"value": True}, "needs a number"),
        ({"value": float("nan")}, "needs a number"),
        ({"value": "0.5"}, "needs a number"),
        ({"value": None}, "needs a number"),
        ({"name": "speed"}, "no field 'speed'.*Fields of a driver: skill"),
        ({"name": "min_laps_led", "value": 1.5}, "whole number"),
        ({"subject": "team"}, "driver or a track"),
        ({"subject": "track", "name": "pit_window_laps", "value": [60, 30]}, "ascend"),
        ({"subject": "track", "name": "pit_window_laps", "value": []}, "ascend"),
        ({"author": " "}, "needs its author"),
        ({"reason": ""}, "needs its reason"),
        ({"at": datetime(2031, 1, 1)}, "zone"),  # noqa: DTZ001
        ({"action": "delete"}, "one of override, clear, veto, lift"),
        ({"action": "clear"}, "takes no value"),
    ],
)
def test_entries_that_cannot_be_are_refused(change, message):
    base = {"action": "override", "subject": "driver", "id_": "101", "name": "skill", "value": 0.5}
    with pytest.raises(InputError, match=message):
        entry(**(base | change))


def test_a_veto_must_be_in_the_vocabulary():
    with pytest.raises(UnknownVetoRule, match=r"'be-lucky'.*Known rules: leads-no-laps"):
        entry("veto", name="be-lucky", value=None)
    with pytest.raises(UnknownVetoRule, match="for a track, not for a driver"):
        entry("veto", name="accidents-at-most:cars=3", value=None)


LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@given(
    st.floats(0, 1),
    st.text(LETTERS, min_size=1).filter(str.strip),
    st.datetimes(timezones=st.just(UTC)),
)
def test_any_valid_entry_round_trips(value, reason, at):
    files = {}

    class Memory:
        def read(self, path):
            return files.get(path)

        def write(self, path, data):
            files[path] = data

        def list(self, prefix=""):
            return [type("File", (), {"path": path}) for path in files if path.startswith(prefix)]

    store = StatementStore(Memory())
    one = entry(value=value, reason=reason, at=at)
    store.add(one)
    assert store.entries() == (one,)
