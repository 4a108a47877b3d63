import io
import itertools
import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.feed.payload import LARGEST_JSON_BYTES
from nascar_assets.telemetry.landing import (
    GIVE_UP,
    SETTLE,
    LandedFile,
    LandingCursor,
    decide_landing,
    is_complete,
)
from nascar_assets_tests.telemetry.lap_frames import START, as_json, clean_race, lap_times_body


class Folder:
    """A landing folder by hand, with a clock."""

    def __init__(self):
        self.now = START
        self.files = {}
        self.unreadable = set()
        self.cursor = None

    def write(self, path, data):
        self.files[path] = (data, self.now)

    def look(self, after=SETTLE):
        self.now += after
        listing = [LandedFile(path, len(data), when) for path, (data, when) in self.files.items()]
        decision = decide_landing(
            listing,
            LandingCursor.from_text(self.cursor),
            self._read,
            lambda path: None if path.startswith("stray") else f"race-{path.split('/')[0]}",
            self.now,
        )
        self.cursor = decision.cursor.to_text()
        return decision

    def _read(self, path):
        if path in self.unreadable:
            raise OSError(f"{path}: permission denied")
        return self.files[path][0]


@pytest.fixture
def folder():
    return Folder()


def keys(decision):
    return [race.race_key for race in decision.ready]


BODY = as_json(lap_times_body())


def test_a_file_is_ready_once_it_has_stayed_as_it_is(folder):
    folder.write("a/laps.json", BODY)
    first = folder.look()
    assert (keys(first), first.waiting) == ([], ("a/laps.json",))
    assert keys(folder.look()) == ["race-a"]
    assert keys(folder.look()) == []


def test_a_file_that_was_replaced_after_it_was_handed_on_is_read_anew(folder):
    folder.write("a/laps.json", BODY)
    folder.look()
    assert keys(folder.look()) == ["race-a"]
    cursor = LandingCursor.from_text(folder.cursor)
    folder.cursor = cursor.without("a/laps.json").to_text()
    assert keys(folder.look()) == []
    assert keys(folder.look()) == ["race-a"]


def test_two_looks_within_the_settling_time_are_too_soon(folder):
    folder.write("a/laps.json", BODY)
    folder.look()
    assert keys(folder.look(after=timedelta(seconds=1))) == []
    assert keys(folder.look(after=SETTLE)) == ["race-a"]


def test_a_file_still_being_written_is_left_alone(folder):
    for end in range(100, len(BODY), 400):
        folder.write("a/laps.json", BODY[:end])
        assert keys(folder.look()) == []
    folder.write("a/laps.json", BODY)
    assert keys(folder.look()) == []
    assert keys(folder.look()) == ["race-a"]


def test_a_cut_short_file_that_stays_so_waits_and_is_handed_on_at_last(folder):
    folder.write("a/laps.json", BODY[:200])
    folder.look()
    decision = folder.look()
    assert (keys(decision), decision.waiting) == ([], ("a/laps.json",))
    # No writer is at it any more: validation shall quarantine it.
    assert keys(folder.look(after=GIVE_UP)) == ["race-a"]
    assert keys(folder.look()) == []


def test_the_same_content_again_starts_nothing(folder):
    folder.write("a/laps.json", BODY)
    folder.look()
    folder.look()
    folder.write("a/laps.json", BODY)
    folder.look()
    assert keys(folder.look()) == []


def test_a_correction_starts_its_own_race_alone(folder):
    for name in "ab":
        folder.write(f"{name}/laps.json", BODY)
    folder.look()
    first = folder.look()
    assert keys(first) == ["race-a", "race-b"]
    folder.write("b/laps.json", BODY + b"\n")
    folder.look()
    second = folder.look()
    assert keys(second) == ["race-b"]
    assert second.ready[0].files != first.ready[1].files


def test_a_file_that_went_and_came_back_starts_nothing(folder):
    folder.write("a/laps.json", BODY)
    folder.look()
    folder.look()
    kept = folder.files.pop("a/laps.json")
    folder.look()
    folder.files["a/laps.json"] = kept
    folder.look()
    assert keys(folder.look()) == []


def test_an_unreadable_file_is_tried_again_and_the_rest_goes_on(folder):
    folder.write("a/laps.json", BODY)
    folder.write("b/laps.json", BODY)
    folder.unreadable.add("a/laps.json")
    folder.look()
    decision = folder.look()
    assert keys(decision) == ["race-b"]
    assert "permission denied" in decision.unread["a/laps.json"]
    folder.unreadable.clear()
    assert keys(folder.look()) == ["race-a"]


def test_an_unknown_race_waits_for_the_schedule(folder):
    folder.write("stray.json", BODY)
    folder.look()
    assert folder.look().unknown == ("stray.json",)
    assert folder.look().unknown == ("stray.json",)


def test_two_new_files_of_a_race_are_handed_on_together(folder):
    folder.write("a/laps.json", BODY)
    folder.write("a/pits.json", b"[]")
    folder.look()
    (race,) = folder.look().ready
    assert set(race.files) == {"a/laps.json", "a/pits.json"}


def test_a_cursor_of_another_kind_starts_afresh():
    for text in (
        None,
        "",
        "nonsense",
        "[]",
        '{"version": 9}',
        '{"version": 1, "files": {"a": [1]}}',
    ):
        assert LandingCursor.from_text(text).files == {}


def test_completeness():
    buffer = io.BytesIO()
    clean_race().write_parquet(buffer)
    whole = buffer.getvalue()
    assert is_complete(whole)
    assert is_complete(BODY)
    assert is_complete(b"null")
    assert is_complete(b'{"Lap": ' + b"9" * 6_000 + b"}")  # whole; validation refuses it
    assert not is_complete(b"")
    for end in (3, 4, 8, 100, len(whole) - 1):
        assert not is_complete(whole[:end]) or whole[:end] == b"PAR"
    assert not is_complete(BODY[:-1])
    assert is_complete(b"[" * (LARGEST_JSON_BYTES + 1))  # not read to see: validation refuses it


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.integers(0, 8)),
        min_size=1,
        max_size=25,
    )
)
def test_every_content_is_handed_on_exactly_once(steps):
    """Whatever is written when, each race's last content is handed on, none twice in a row."""
    folder = Folder()
    handed: dict[str, list[str]] = {}

    def note(decision):
        for race in decision.ready:
            for path, content in race.files.items():
                handed.setdefault(path, []).append(content)

    for name, version, wait in steps:
        folder.write(f"{name}/laps.json", json.dumps({"version": version}).encode())
        note(folder.look(after=timedelta(seconds=wait)))
    for _ in range(3):
        note(folder.look())
    for contents in handed.values():
        assert all(one != two for one, two in itertools.pairwise(contents))
    assert set(handed) == set(folder.files)
