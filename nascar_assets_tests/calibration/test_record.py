"""The slate's calibration record: out of sample, honest about what it lacks."""

import io
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from benchmarks.planted import FixedModel
from nascar_assets.calibration import RecordSettings, score_race, walk_forward_record
from nascar_assets.calibration.archive import race_to_forecast
from nascar_assets.calibration.backtest import BacktestSettings, run_backtest
from nascar_assets.calibration.baselines import StartClimatology, ranks
from nascar_assets.calibration.forecasts import KnownHistory, race_seed
from nascar_assets.calibration.metrics_crps import crps_ensemble
from nascar_assets.calibration.race_forecast import RunningOrder, race_setup
from nascar_assets.calibration.record import _fitted_before, _latest_first
from nascar_assets.calibration.score_tables import scores_from_table, scores_to_table
from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import ENTRIES
from nascar_assets.history.ratings import rate_history
from nascar_assets.history.schemas import DRIVER_VALUES, TRACK_VALUES
from nascar_assets.orchestration.inputs.race_scores import KeptScores
from nascar_assets.rules import rule_set, score
from nascar_assets.scenarios import STARTING_VALUES, ProcessParameters, RaceSetupError
from nascar_assets.storage import DataRoot

from .world import Planted, world

AS_OF = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def tables():
    return world()


@pytest.fixture(scope="module")
def ratings(tables):
    return rate_history(tables.results)


@pytest.mark.slow
def test_measures_the_last_races_before_the_as_of_time(tables, ratings):
    record = walk_forward_record(
        tables.results, ratings, AS_OF, RecordSettings(8, 100), schedule=tables.schedule
    )
    assert record.races == 8
    assert all(value is not None for value in record.headline().values())
    assert record.metrics["crps"].standard_error > 0
    assert record.metrics["crps"].races == 8
    again = walk_forward_record(
        tables.results, ratings, AS_OF, RecordSettings(8, 100), schedule=tables.schedule
    )
    assert again.as_dict() == record.as_dict()


@pytest.mark.slow
def test_what_happens_after_the_as_of_time_changes_nothing(tables, ratings):
    late = pl.col("results_at") > AS_OF
    other = tables.results.with_columns(
        finish=pl.when(late).then(21 - pl.col("finish")).otherwise("finish")
    )
    first, second = (
        walk_forward_record(results, ratings, AS_OF, RecordSettings(5, 50))
        for results in (tables.results, other)
    )
    assert first.as_dict() == second.as_dict()


class Shelf:
    """An archive in memory that counts what it was asked."""

    def __init__(self):
        self.kept, self.found, self.computed = {}, 0, 0

    def find(self, race_key, inputs_hash):
        scores = self.kept.get((race_key, inputs_hash))
        self.found += scores is not None
        return scores

    def keep(self, race_key, inputs_hash, scores):
        self.computed += 1
        self.kept[race_key, inputs_hash] = scores


@pytest.mark.slow
def test_scores_that_were_kept_are_not_computed_again_and_say_the_same(tables, ratings):
    shelf = Shelf()

    def record(results=tables.results, **changes):
        settings = {name: changes.pop(name) for name in ("n_scenarios", "seed") if name in changes}
        asked = RecordSettings(**{"n_races": 6, "n_scenarios": 60, **settings})
        more = {"schedule": tables.schedule, **changes}
        return walk_forward_record(results, ratings, AS_OF, asked, **more)

    fresh = record()
    assert record(archive=shelf).as_dict() == fresh.as_dict()
    assert (shelf.found, shelf.computed) == (0, 6)
    assert record(archive=shelf).as_dict() == fresh.as_dict()
    assert (shelf.found, shelf.computed) == (6, 6)
    # Whatever a score follows from is part of its key: one race's outcome, the settings, a fit.
    race = tables.results.filter(pl.col("results_at") <= AS_OF)["race_id"][-1]
    swapped = pl.when(pl.col("race_id") == race).then(21 - pl.col("finish")).otherwise("finish")
    record(tables.results.with_columns(finish=swapped), archive=shelf)
    assert shelf.computed == 7
    record(archive=shelf, seed=2)
    assert shelf.computed == 13
    record(archive=shelf, n_scenarios=61)
    assert shelf.computed == 19
    known = STARTING_VALUES.with_type("short", kappa=STARTING_VALUES.of("short").kappa * 1.1)
    early = ProcessParameters(known.by_type, "fit", datetime(2022, 1, 1, tzinfo=UTC))
    changed = record(archive=shelf, parameters=early)
    assert shelf.computed == 25
    assert changed.as_dict() == record(parameters=early).as_dict()


@pytest.mark.slow
def test_points_are_scored_by_the_rules_of_the_contest_and_kept_apart(tables, ratings, tmp_path):
    root = DataRoot(tmp_path)

    def record(contest):
        kept = KeptScores(root, "code", contest=contest)
        asked = RecordSettings(3, 60, contest=contest)
        found = walk_forward_record(tables.results, ratings, AS_OF, asked, archive=kept)
        return found.metrics, len(kept.computed)

    (usual, first), (other, second) = record("dk-classic"), record("fd-classic")
    assert (first, second) == (3, 3)
    assert other["rps_finish"] == usual["rps_finish"]  # the same simulated races
    assert other["crps_points"] != usual["crps_points"]
    assert (record("dk-classic"), record("fd-classic")) == ((usual, 0), (other, 0))
    # By hand: the forecast's counts and the outcome's, both by FanDuel's rules.
    past = next(
        _latest_first(
            tables.results.filter(pl.col("results_at") <= AS_OF), ratings, {},
            lambda _: STARTING_VALUES, {}, RecordSettings(contest="fd-classic"),
        )
    )  # fmt: skip
    forecaster = RunningOrder(past.parameters, values=False)
    history = KnownHistory(AS_OF, tables.results.clear(), ratings.clear())
    seed = race_seed(1, past.race.race_id, forecaster.name)
    made = forecaster.forecast(history, past.race, 60, seed)
    rules = rule_set("fd-classic", past.race.start_time.date())
    names = ("start", "finish", "laps_led", "fastest_laps", "laps_completed")
    ours = score(rules, **{name: getattr(made, name) for name in names}) / 20
    rows = past.outcome
    real = score(rules, **{name: rows[name].to_numpy() for name in names}) / 20
    assert rows["driver_id"].to_list() == list(made.driver_ids)
    found = past.score(forecaster, history, 60, 1).per_driver["crps_points"]
    assert found == pytest.approx(crps_ensemble(ours, real))


@pytest.mark.slow
def test_without_the_grid_no_forecast_knows_it(tables, ratings):
    def record(results, grid, archive=None):
        return walk_forward_record(
            results, ratings, AS_OF, RecordSettings(6, 60, grid=grid), archive=archive
        ).metrics["rps_finish"]

    turned = tables.results.with_columns(start=pl.col("start").reverse().over("race_id"))
    blind = record(tables.results, False)
    assert record(turned, False) == blind
    assert record(turned, True) != record(tables.results, True)
    shelf = Shelf()
    record(tables.results, True, shelf)
    assert record(tables.results, False, shelf) == blind
    assert shelf.found == 0


def test_another_forecaster_is_not_mixed_with_kept_scores(tables, ratings):
    shelf = Shelf()
    walk_forward_record(
        tables.results,
        ratings,
        AS_OF,
        RecordSettings(3, 60),
        forecaster=StartClimatology(),
        archive=shelf,
    )
    assert not shelf.kept


@pytest.mark.parametrize("joint", [True, False])
def test_scores_survive_their_table_to_the_bit(joint):
    rng = np.random.default_rng(3)
    finish = ranks(rng.random((40, 6))).astype(np.int64)
    scores = score_race(
        {
            "driver_ids": tuple("abcdef"),
            "finish": finish,
            "laps_led": np.where(finish == 1, 100, 0),
            "points": 50.0 - finish,
            "status": np.where(finish == 6, 1, 0),
        },
        pl.DataFrame(
            {
                "driver_id": list("fedcb"),
                "finish": [1, 2, 3, 4, 5],
                "laps_led": [100, 0, 0, 0, 0],
                "points": [49.0, 48.0, 47.0, 46.0, 45.0],
                "status": ["running"] * 5,
            }
        ),
        race_id="9",
        groups={"track_type": "short", "season": "2024"},
        teams={"b": "x", "c": "x", "d": "y", "e": "y"},
        missing="exclude",
        joint=joint,
    )
    buffer = io.BytesIO()
    scores_to_table(scores).write_parquet(buffer)
    buffer.seek(0)
    back = scores_from_table(pl.read_parquet(buffer))
    assert back.excluded == {"a": "in the forecast, not in the results"} == scores.excluded
    for item in fields(scores):
        assert plain(getattr(back, item.name)) == plain(getattr(scores, item.name)), item.name


def plain(value):
    """Plain values, NaN as text, so that equal means equal to the bit."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [repr(float(item)) for item in value]
    return repr(float(value)) if isinstance(value, float) else value


@pytest.mark.slow
def test_kept_scores_are_those_of_the_same_code_and_inputs(tables, ratings, tmp_path):
    root = DataRoot(tmp_path)

    def record(code):
        kept = KeptScores(root, code)
        found = walk_forward_record(
            tables.results, ratings, AS_OF, RecordSettings(3, 50), archive=kept
        )
        return found.as_dict(), len(kept.computed)

    first, computed = record("a")
    assert computed == 3
    assert record("a") == (first, 0)
    assert record("b") == (first, 3)
    assert record("b") == (first, 0)
    one = sorted(tmp_path.rglob("*.parquet"))[0]
    one.write_bytes(one.read_bytes()[:200])  # a damaged copy costs one race's time, nothing else
    assert record("b") == (first, 1)


def test_a_table_that_is_none_of_scores_is_refused():
    with pytest.raises(InputError, match="cannot be read"):
        scores_from_table(pl.DataFrame({"race_id": ["1"]}))


def test_no_history_gives_no_numbers_and_the_reason(tables, ratings):
    record = walk_forward_record(tables.results, ratings, datetime(2023, 1, 1, tzinfo=UTC))
    assert record.races == 0
    assert record.headline() is None
    assert "no past race" in record.reason
    unrated = walk_forward_record(tables.results, ratings.clear(), AS_OF)
    assert unrated.headline() is None
    assert unrated.exclusions["race without out-of-sample ratings"] > 20


def test_ratings_that_may_know_the_outcome_are_refused(tables, ratings):
    late = ratings.with_columns(as_of=pl.col("as_of") + timedelta(days=1))
    with pytest.raises(InputError, match="may know its outcome"):
        walk_forward_record(tables.results, late, AS_OF)


def test_a_baseline_can_be_measured_on_the_same_races(tables, ratings):
    record = walk_forward_record(
        tables.results, ratings, AS_OF, RecordSettings(6, 100), forecaster=StartClimatology()
    )
    assert record.races == 6


def test_each_race_gets_the_latest_fit_that_knew_nothing_later():
    def fit(day):
        return ProcessParameters(STARTING_VALUES.by_type, "fit", datetime(2024, 1, day, tzinfo=UTC))

    fits = [fit(5), fit(20), fit(12)]
    assert _fitted_before(fits, datetime(2024, 1, 15, tzinfo=UTC)).as_of.day == 12
    assert _fitted_before(fits, datetime(2024, 1, 1, tzinfo=UTC)) is STARTING_VALUES
    assert _fitted_before([], AS_OF) is STARTING_VALUES


@pytest.mark.slow
def test_tilting_maps_follow_the_races_scored_before(tables, tmp_path):
    settings = BacktestSettings(
        date(2023, 1, 1),
        date(2024, 12, 31),
        scenarios=60,
        workers=1,
        tilt=True,
        report=False,
    )

    def run(folder):
        return run_backtest(
            lambda: tables,
            DataRoot(folder),
            settings,
            model=FixedModel(Planted(spread=0.3)),
            baselines=(StartClimatology(),),
        )

    result = run(tmp_path)
    versions = {seal.race_key: seal.model_version for seal in result.seals.values()}
    assert "tilt" not in versions["2023-cup-01"]
    assert "tilt" in versions["2024-cup-15"]
    assert result.summary.effective[0] >= 0.5 - 1e-9
    again = run(tmp_path)
    assert again.summary.as_dict() == result.summary.as_dict()


def race_of(tables, ratings, as_of, **facts):
    """The first race of the last season, as it stood at an as-of time, with other facts."""
    row = tables.schedule.filter(season=2024).row(0, named=True) | facts
    return race_to_forecast(
        row,
        tables.results.filter(race_id=row["race_id"]).select(list(ENTRIES)),
        ratings.filter(race_id=row["race_id"]),
        pl.DataFrame(schema=DRIVER_VALUES),
        pl.DataFrame(schema=TRACK_VALUES),
        as_of=as_of,
    )


@pytest.mark.parametrize("hours", [0, 30])
def test_a_slate_and_a_backtest_make_the_same_race_of_a_schedule(tables, ratings, hours):
    """Stages that end with the race or after it are left out, whatever the as-of time."""
    start = tables.schedule.filter(season=2024)["start_time"][0]
    as_of = start - timedelta(hours=hours)
    race = race_of(tables, ratings, as_of, stage_ends=[25, 50, 100, 120])
    assert (race.as_of, race.start_time) == (as_of, start)
    assert race_setup(race).stage_ends == (25, 50)
    assert race_setup(race_of(tables, ratings, as_of, stage_ends=None)).stage_ends == ()


def test_a_race_of_unknown_length_is_refused_by_its_field(tables, ratings):
    with pytest.raises(RaceSetupError, match="scheduled laps") as caught:
        race_setup(race_of(tables, ratings, AS_OF, scheduled_laps=None))
    assert caught.value.field == "scheduled_laps"
