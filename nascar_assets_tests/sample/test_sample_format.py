"""The sample's files have the keys and types of the feed's."""

import json
import os
from pathlib import Path

import pytest

from nascar_assets.sample import Sample
from nascar_assets.sample.salaries import LAYOUTS
from nascar_assets_tests.samples import sample_of

# Keys of the public feed, as it sends them, with the types seen in it.
NUMBER = frozenset({"int", "float"})
INT, TEXT, FLAG = frozenset({"int"}), frozenset({"str"}), frozenset({"bool"})
MAYBE_INT, MAYBE_TEXT, NOTHING = INT | {"NoneType"}, TEXT | {"NoneType"}, frozenset({"NoneType"})
LIST = frozenset({"list"})

SCHEDULE_ROW = {
    "race_id": INT, "series_id": INT, "race_season": INT, "race_name": TEXT, "race_type_id": INT,
    "restrictor_plate": FLAG, "track_id": INT, "track_name": TEXT, "date_scheduled": TEXT,
    "race_date": TEXT, "qualifying_date": TEXT, "tunein_date": TEXT,
    "scheduled_distance": NUMBER, "actual_distance": NUMBER, "scheduled_laps": INT,
    "actual_laps": INT, "stage_1_laps": INT, "stage_2_laps": INT, "stage_3_laps": INT,
    "number_of_cars_in_field": INT, "pole_winner_driver_id": MAYBE_INT,
    "pole_winner_speed": NUMBER, "number_of_lead_changes": INT, "number_of_leaders": INT,
    "number_of_cautions": INT, "number_of_caution_laps": INT, "average_speed": NUMBER,
    "total_race_time": MAYBE_TEXT, "margin_of_victory": MAYBE_TEXT, "race_purse": INT,
    "race_comments": MAYBE_TEXT, "attendance": INT, "radio_broadcaster": TEXT,
    "television_broadcaster": TEXT, "satellite_radio_broadcaster": TEXT, "master_race_id": INT,
    "inspection_complete": FLAG, "playoff_round": INT, "is_qualifying_race": MAYBE_INT,
    "qualifying_race_no": MAYBE_INT, "qualifying_race_id": MAYBE_INT,
    "has_qualifying": MAYBE_INT, "winner_driver_id": MAYBE_INT, "pole_winner_laptime": NOTHING,
    "stage_4_laps": MAYBE_INT, "timing_run_id": MAYBE_INT,
}  # fmt: skip
WEEKEND = {"weekend_race": LIST, "weekend_runs": LIST}
WEEKEND_RACE = SCHEDULE_ROW | {"results": LIST, "stage_results": LIST}
RESULT = {
    "race_id": INT, "race_season": INT, "finishing_position": INT, "starting_position": INT,
    "car_number": TEXT, "driver_fullname": TEXT, "driver_id": INT, "team_name": TEXT,
    "car_make": TEXT, "sponsor": MAYBE_TEXT, "crew_chief_fullname": TEXT, "laps_completed": INT,
    "finishing_status": MAYBE_TEXT, "laps_led": INT, "times_led": INT, "points_earned": INT,
    "diff_laps": INT, "diff_time": INT, "playoff_points_earned": INT, "points_position": INT,
    "points_delta": INT, "disqualified": FLAG, "qualifying_order": INT,
    "qualifying_position": INT, "qualifying_speed": NUMBER, "series_id": INT,
}  # fmt: skip
STAGE = {"stage_number": INT, "results": LIST}
STAGE_RESULT = {
    "driver_fullname": TEXT, "driver_id": INT, "car_number": TEXT, "finishing_position": INT,
    "stage_points": INT,
}  # fmt: skip
LOOP = {
    "race_id": INT, "race_name": TEXT, "series_id": INT, "sch_laps": INT, "act_laps": INT,
    "drivers": LIST,
}  # fmt: skip
LOOP_DRIVER = {
    "driver_id": INT, "start_ps": INT, "mid_ps": INT, "ps": INT, "closing_ps": INT,
    "closing_laps_diff": INT, "best_ps": INT, "worst_ps": INT, "avg_ps": NUMBER,
    "passes_gf": INT, "passing_diff": INT, "passed_gf": INT, "quality_passes": INT,
    "fast_laps": INT, "top15_laps": INT, "lead_laps": INT, "laps": INT, "rating": NUMBER,
}  # fmt: skip
SESSION = {"Title": TEXT, "Items": LIST}
AVERAGE = {
    "BestLapRank": INT, "Number": TEXT, "NASCARDriverID": INT, "FullName": TEXT,
    "Manufacturer": TEXT, "Sponsor": MAYBE_TEXT, "BestLapTime": NUMBER, "OverAllAvg": NUMBER,
    "OverAllAvgRank": INT, "Con5Lap": NUMBER, "Con5LapRank": MAYBE_INT, "Con10Lap": NUMBER,
    "Con10LapRank": MAYBE_INT, "Con15Lap": NUMBER, "Con15LapRank": MAYBE_INT,
    "Con20Lap": NUMBER, "Con20LapRank": MAYBE_INT, "Con25Lap": NUMBER,
    "Con25LapRank": MAYBE_INT, "Con30Lap": NUMBER, "Con30LapRank": MAYBE_INT,
}  # fmt: skip
LAP_FILE = {"laps": LIST, "flags": LIST}
LAP_CAR = {
    "Number": TEXT, "FullName": TEXT, "Manufacturer": TEXT, "RunningPos": INT,
    "NASCARDriverID": INT, "Laps": LIST,
}  # fmt: skip
LAP = {
    "Lap": INT, "LapTime": NUMBER | {"NoneType"}, "LapSpeed": MAYBE_TEXT, "RunningPos": INT,
}  # fmt: skip
FLAG_ROW = {"LapsCompleted": INT, "FlagState": INT}


def objects(path, document):
    """Every kind of object in one of the feed's documents, with the keys expected of it."""
    if path.endswith("race_list_basic.json"):
        yield from ((row, SCHEDULE_ROW) for row in document["series_1"])
    elif path.endswith("weekend-feed.json"):
        yield document, WEEKEND
        for race in document["weekend_race"]:
            yield race, WEEKEND_RACE
            yield from ((row, RESULT) for row in race["results"])
            for stage in race["stage_results"]:
                yield stage, STAGE
                yield from ((row, STAGE_RESULT) for row in stage["results"])
    elif path.endswith("lap-averages.json"):
        for session in document:
            yield session, SESSION
            yield from ((row, AVERAGE) for row in session["Items"])
    elif path.endswith("lap-times.json"):
        yield document, LAP_FILE
        for car in document["laps"]:
            yield car, LAP_CAR
            yield from ((row, LAP) for row in car["Laps"])
        yield from ((row, FLAG_ROW) for row in document["flags"])
    elif path.startswith("loopstats/"):
        for race in document:
            yield race, LOOP
            yield from ((row, LOOP_DRIVER) for row in race["drivers"])
    else:
        raise AssertionError(f"{path} is no file of the feed")


@pytest.fixture(scope="module")
def sample() -> Sample:
    return sample_of(1)


@pytest.mark.slow
def test_every_object_has_exactly_the_feeds_keys_and_types(sample):
    seen = set()
    for path, content in sample.files.items():
        for value, keys in objects(path, json.loads(content)):
            seen.add(id(keys))
            assert value.keys() == keys.keys(), path
            wrong = {k: v for k, v in value.items() if type(v).__name__ not in keys[k]}
            assert not wrong, path
    assert len(seen) == 14  # every kind of object above occurs


def test_salary_file_has_draftkings_columns():
    # The layout of DraftKings' own export.
    assert LAYOUTS["dk"].header == (
        "Position,Name + ID,Name,ID,Roster Position,Salary,Game Info,TeamAbbrev,AvgPointsPerGame"
    )


@pytest.mark.real_data
def test_documented_keys_are_those_of_the_real_feed():
    # Files of 2025; older and later ones lack a few columns.
    feed = Path(os.environ.get("NASCAR_REAL_DATA", "")) / "feed"
    if "NASCAR_REAL_DATA" not in os.environ or not feed.is_dir():
        pytest.skip("NASCAR_REAL_DATA is not set")
    files = [
        feed / "cacher/2025/race_list_basic.json",
        *sorted((feed / "cacher/2025/1").glob("*/weekend-feed.json")),
        *sorted((feed / "cacher/2025/1").glob("*/lap-averages.json")),
        *sorted((feed / "cacher/2025/1").glob("*/lap-times.json"))[:2],
        *sorted((feed / "loopstats/prod/2025/1").glob("*.json")),
    ]
    seen = set()
    for file in files:
        path = file.relative_to(feed).as_posix()
        for value, keys in objects(path, json.loads(file.read_text())):
            # `in`, not `==`: one object may leave out a column that the others have.
            if value.keys() == keys.keys():
                seen.add(id(keys))
            for key, item in value.items():
                assert key in keys, (path, key)
                assert type(item).__name__ in keys[key], (path, key, item)
    assert len(seen) == 14
