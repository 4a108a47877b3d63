"""Scenarios tilted towards views: what is asked is met, more is refused, and laws stay kept."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.calibration.entropic import Moments, entropic_weights
from nascar_assets.calibration.tilting import EFFECTIVE_FLOOR, RIDGE
from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import VIEWS
from nascar_assets.files import SourceFile
from nascar_assets.lineups import optimal_lineups
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.view_tables import _tilted
from nascar_assets.rules import rule_set
from nascar_assets.scenarios import Scenarios, check_laws, generate_scenarios
from nascar_assets.scenarios.setup import RaceSetup
from nascar_assets.views.in_force import (
    APART,
    LATE,
    REPLACED,
    Landed,
    exposures_that_agree,
    in_force,
    statements,
)
from nascar_assets.views.odds import MARGIN_POWER, chances_of_odds, margin_is_known
from nascar_assets.views.people import Resolved
from nascar_assets.views.quantities import QUANTITIES
from nascar_assets.views.rear import with_rear_starts
from nascar_assets.views.record import ViewRecord, next_id
from nascar_assets.views.statement import Stated
from nascar_assets.views.targets import (
    Bounds,
    OwnMoments,
    blended,
    blended_targets,
    refuse_contradictions,
)
from nascar_assets.views.tilting import tilt
from nascar_assets_tests.scenarios.fields import setup_of

RULES = rule_set("dk-classic", date(2026, 3, 1))
NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
FLOOR_ERROR = 4.0
"""Monte Carlo standard errors within which a mean of resampled scenarios is taken as met."""


@pytest.fixture(scope="module")
def setup() -> RaceSetup:
    return setup_of()


@pytest.fixture(scope="module")
def made(setup: RaceSetup) -> Scenarios:
    return generate_scenarios(None, setup, 4_000, 3)


def moments(made: Scenarios) -> OwnMoments:
    return OwnMoments(made.driver_ids, made.points(RULES) / RULES.points_scale, made.finish)


def view(
    values: dict[tuple[str, str], float], confidence: float = 0.5, author: str = "me"
) -> pl.DataFrame:
    """Statements in force, a table `VIEWS`, by driver and quantity."""
    rows = [
        {
            "view_id": author,
            "file": f"{author}.csv",
            "row": number,
            "author": author,
            "why": "",
            "landed_at": NOW,
            "quantity": quantity,
            "family": QUANTITIES[quantity].family,
            "driver_id": driver,
            "name": f"Driver {driver}",
            "value": value,
            "confidence": confidence,
            "state": "in force",
        }
        for number, ((driver, quantity), value) in enumerate(values.items(), 2)
    ]
    return pl.DataFrame(rows, schema=VIEWS)


def tilted(made: Scenarios, stated: pl.DataFrame, groups: int = 4) -> tuple[Scenarios, float]:
    own = moments(made)
    targets, _ = blended_targets(stated, own)
    found = tilt(own, targets, 1, groups)
    return made.take(found.rows), found.share


def mean_points(made: Scenarios, driver: int) -> float:
    return float(moments(made).points[:, driver].mean())


def test_certain_views_that_can_be_are_met_and_every_law_holds(made: Scenarios) -> None:
    own = moments(made)
    driver = made.driver_ids[4]
    column = own.points[:, 4]
    wanted = {
        (driver, "mean_points"): float(column.mean() + 0.2 * column.std()),
        (driver, "sd_points"): float(column.std() * 0.97),
        (made.driver_ids[0], "win"): float((own.finish[:, 0] == 1).mean() * 1.1),
    }
    done, share = tilted(made, view(wanted, confidence=1.0))
    after = moments(done)
    error = FLOOR_ERROR * column.std() / np.sqrt(len(made) / 2)
    assert share == 1.0
    assert after.points[:, 4].mean() == pytest.approx(wanted[driver, "mean_points"], abs=error)
    assert after.points[:, 4].std() == pytest.approx(wanted[driver, "sd_points"], abs=error)
    chance = wanted[made.driver_ids[0], "win"]
    miss = FLOOR_ERROR * np.sqrt(chance * (1 - chance) / (len(made) / 2))
    assert (after.finish[:, 0] == 1).mean() == pytest.approx(chance, abs=miss)
    assert all(record.broken == 0 for record in check_laws(done))


@settings(deadline=None, max_examples=12)
@given(
    driver=st.integers(0, 11),
    quantity=st.sampled_from(["mean_points", "win", "top5", "ceiling_points", "odds_win"]),
    more=st.floats(0.05, 0.6),
)
def test_a_view_in_favour_moves_a_driver_up_and_further_with_confidence(
    made: Scenarios, optimal: np.ndarray, driver: int, quantity: str, more: float
) -> None:
    own = moments(made)
    column = own.points[:, driver]
    value = {
        "mean_points": float(column.mean() + more * column.std()),
        "win": float(own.chance("win")[driver] * (1 + more) + 0.01),
        "top5": float(min(own.chance("top5")[driver] * (1 + more) + 0.01, 0.98)),
        "ceiling_points": float(np.quantile(column, 0.9) + more * 10),
        "odds_win": float(own.chance("win")[driver] * (1 + more) + 0.01) ** (-1 / MARGIN_POWER),
    }[quantity]
    stated = {(made.driver_ids[driver], quantity): value}
    seen = [weights_of(own, view(stated, confidence=c)) for c in (0.0, 0.3, 0.6, 0.9)]
    for measure in (column, own.finish[:, driver] == 1, optimal[:, driver]):
        moved = [float(weights @ measure) for weights in seen]
        assert np.all(np.diff(moved) > -1e-6)
        assert moved[-1] > moved[0]


@pytest.fixture(scope="module")
def optimal(made: Scenarios) -> np.ndarray:
    """Whether each driver is in the best lineup of each scenario [m, N]; the best cost most."""
    points = made.points(RULES)
    by_mean = np.argsort(np.argsort(points.mean(axis=0)))
    best = optimal_lineups(points, 5_000 + 150 * by_mean, RULES.salary_cap, RULES.roster_size)
    held = np.zeros(points.shape, bool)
    np.put_along_axis(held, best.drivers, True, axis=1)
    return held


def weights_of(own: OwnMoments, stated: pl.DataFrame) -> np.ndarray:
    """The scenarios' weights themselves, without the noise of resampling."""
    from nascar_assets.views.tilting import _quantity

    targets, _ = blended_targets(stated, own)
    quantities = np.column_stack([_quantity(own, targets, target) for target in targets])
    wanted = np.array([target.wanted for target in targets])
    found = entropic_weights(Moments.of(quantities), wanted, floor=0.5, ridge=1e-3)
    return found.weights


def test_views_that_ask_too_much_keep_half_of_the_scenarios(made: Scenarios) -> None:
    own = moments(made)
    best = float(np.quantile(own.points[:, 8], 0.97))
    targets, _ = blended_targets(view({(made.driver_ids[8], "mean_points"): best}, 1.0), own)
    found = tilt(own, targets, 1, 4)
    assert 0.0 < found.share < 1.0
    assert found.effective >= len(made) / 2
    assert found.effective <= 0.56 * len(made)
    assert own.points[found.rows, 8].mean() > own.points[:, 8].mean()


@pytest.mark.slow
def test_a_mean_of_tilted_scenarios_errs_as_one_of_as_many_as_they_are_worth() -> None:
    means, errors, size = [], [], 400
    for seed in range(150):
        rng = np.random.default_rng(seed)
        points = rng.normal(40.0, 12.0, (size, 2))  # the second driver's know nothing of the first
        own = OwnMoments(("1", "2"), points, np.argsort(np.argsort(-points, axis=1), axis=1) + 1)
        targets, _ = blended_targets(view({("1", "mean_points"): 49.0}, 1.0), own)
        found = tilt(own, targets, seed, 4)
        means.append(points[found.rows, 1].mean())
        errors.append(points[found.rows, 1].std() / np.sqrt(found.effective))
    real = np.std(means, ddof=1)
    assert real == pytest.approx(np.mean(errors), rel=0.2)
    assert real > 1.1 * 12.0 / np.sqrt(size)  # what it would be of so many equal ones


def test_scenarios_that_are_held_back_stay_so(made: Scenarios) -> None:
    own = moments(made)
    stated = view({(made.driver_ids[3], "win"): 0.4}, 0.7)
    targets, _ = blended_targets(stated, own)
    rows = tilt(own, targets, 5, 4).rows
    assert (rows % 4 == np.arange(len(made)) % 4).all()
    assert (tilt(own, targets, 5, 4).rows == rows).all()
    assert (tilt(own, targets, 6, 4).rows != rows).any()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({("1", "win"): 0.7, ("2", "win"): 0.5}, "win chances add up to 120"),
        ({("1", "mean_points"): 900.0}, "above the best that he can do"),
        ({("1", "mean_points"): -80.0}, "below the worst"),
        ({("1", "win"): 0.5, ("1", "top3"): 0.4}, "which holds it"),
        ({("1", "win"): 0.4, ("1", "top5"): 0.2}, "win chance of 40.00% and a top 5 chance of 20"),
        ({("1", "mean_points"): 50.0, ("1", "ceiling_points"): 40.0}, "below his mean"),
        ({("1", "sd_points"): 400.0}, "his points lie between"),
        ({("1", "min_exposure"): 0.5, ("1", "max_exposure"): 0.4}, "above his greatest"),
        ({(str(n), "win"): 0.01 for n in range(1, 37)}, "whole field add up to 36"),
    ],
)
def test_contradictions_are_refused_by_name(
    values: dict[tuple[str, str], float], reason: str
) -> None:
    bounds = Bounds.of(RULES, {str(n): n for n in range(1, 37)}, 200)
    with pytest.raises(InputError, match=reason) as caught:
        refuse_contradictions(view(values), bounds)
    if len(values) < 5:
        assert "Driver 1" in str(caught.value)


def test_the_best_and_worst_points_of_a_race_by_hand() -> None:
    # Of 36 cars from 10th: 45 for the win, 9 places gained, 200 laps at 0.25 + 0.45; last: 5 points
    # for 36th, 26 places lost.
    bounds = Bounds.of(RULES, {str(n): n for n in range(1, 37)}, 200)
    assert bounds.best["10"] == 45 + 9 + 200 * 0.7
    assert bounds.worst["10"] == 5 - 26


def test_chances_of_several_people_that_add_up_to_more_than_one_give_way_and_are_named(
    made: Scenarios,
) -> None:
    own = moments(made)
    one = view({(made.driver_ids[0], "win"): 0.9}, 1.0, "one")
    other = view({(made.driver_ids[1], "win"): 0.9}, 1.0, "other")
    targets, (notice,) = blended_targets(pl.concat([one, other]), own)
    assert sum(target.wanted for target in targets) == pytest.approx(1.0)
    assert all(target.own < target.wanted < 0.9 for target in targets)
    for words in ("one.csv (one), other.csv (other)", "180.0%", "Driver"):
        assert words in notice
    assert tilt(own, targets, 1, 4).effective >= len(made) / 2


def test_views_of_two_people_that_cannot_both_hold_are_named_where_they_give_way(
    made: Scenarios,
) -> None:
    driver, teammate = made.driver_ids[:2]
    names = {key: f"Driver {key}" for key in made.driver_ids}
    run = cast(SlateRun, SimpleNamespace(rules=RULES, plan=SimpleNamespace(seed=1), names=names))
    one = view({(driver, "win"): 0.5, (teammate, "mean_points"): 40.0}, 1.0, "one")
    other = view({(driver, "top5"): 0.2}, 1.0, "other")
    _, targets, said = _tilted(run, made, pl.concat([one, other]))
    assert targets["share"].to_list() == [1.0] * 3
    (notice,) = (text for text in said if "give way" in text)
    assert "one.csv (one), other.csv (other)" in notice
    assert f"the win chance of Driver {driver} to " in notice
    assert f"the top 5 chance of Driver {driver} to " in notice
    assert "not 50.0%" in notice
    assert f"Driver {teammate}" not in notice
    # What can hold together is met, however closely it is tied: there is nothing to say.
    both = view({(driver, "win"): 0.3, (driver, "top5"): 0.6, (driver, "top10"): 0.7}, 1.0)
    assert not [text for text in _tilted(run, made, both)[2] if "give way" in text]


def test_exposures_of_two_people_that_contradict_each_other_are_both_out_of_force() -> None:
    bounds = (("min_exposure", 0.6, "one"), ("max_exposure", 0.3, "other"))
    apart, fine = (
        pl.concat([view({(driver, name): x}, author=author) for name, x, author in said])
        for driver, said in (("1", bounds), ("2", bounds[1:]))
    )
    found = exposures_that_agree(pl.concat([apart, fine]))
    assert found["state"].to_list() == [APART, APART, "in force"]
    # Two who say the same are of one mind, whatever the last bit of their mean is.
    both = view({("1", "min_exposure"): 0.85, ("1", "max_exposure"): 0.85}, 0.5, "one")
    same = pl.concat([both, view({("1", "min_exposure"): 0.85}, 0.8, "other")])
    assert exposures_that_agree(same).equals(same)
    # A third opinion makes means that agree.
    third = view({("1", "min_exposure"): 0.0}, author="third")
    table = pl.concat([apart, third])
    assert exposures_that_agree(table).equals(table)


@given(own=st.floats(-10, 60), value=st.floats(-10, 60), confidence=st.floats(0, 1))
def test_one_view_moves_a_value_by_its_confidence(
    own: float, value: float, confidence: float
) -> None:
    expected = own + confidence * (value - own)
    assert blended(own, [(value, confidence)]) == pytest.approx(expected, abs=1e-6)


def test_two_views_by_hand() -> None:
    # Weights 1, 0.5/0.5 = 1 and 0.75/0.25 = 3: (10 + 20 + 3 * 30) / 5 = 24.
    assert blended(10.0, [(20.0, 0.5), (30.0, 0.75)]) == pytest.approx(24.0)


@pytest.mark.slow
@given(
    odds=st.lists(st.floats(1.2, 500), min_size=6, max_size=12),
    own=st.lists(st.floats(0.01, 1), min_size=12, max_size=12),
    market=st.sampled_from(["win", "top3", "top5"]),
)
def test_chances_of_a_board_leave_ours_to_who_is_not_quoted_or_stand_by_themselves(
    odds: list[float], own: list[float], market: str
) -> None:
    places = {"win": 1, "top3": 3, "top5": 5}[market]
    ours = np.array(own) / sum(own) * places
    quoted = list(range(len(odds)))
    found = chances_of_odds(np.array(odds), ours, quoted, market)
    left = ours[len(odds) :].sum()
    assert (found > 0).all()
    assert (found <= 1).all()
    if margin_is_known(ours, quoted, market):
        assert found.sum() + left == pytest.approx(places, abs=1e-6)
    else:
        assert left > 0.2 * places
        typical = np.power(odds, -MARGIN_POWER)
        power = np.log(found) / -np.log(odds)  # one for all: what the places leave, or the typical
        assert power == pytest.approx(np.full(len(odds), power[0]))
        assert found.sum() == pytest.approx(min(typical.sum(), places), abs=1e-6)
    order = np.argsort(odds, kind="stable")
    assert (np.diff(found[order]) <= 1e-12).all()


@pytest.mark.parametrize("rounding", [-1, 0, 1])
def test_a_board_of_drivers_who_never_win_stands_less_a_typical_margin(rounding: int) -> None:
    # What is left for them is nothing, give or take the last bit of the others' chances.
    ours = np.array([1.0 + rounding * np.finfo(float).eps, 0.0, 0.0])
    found = chances_of_odds(np.array([501.0, 5.0]), ours, [1, 2], "win")
    assert found == pytest.approx([501**-MARGIN_POWER, 5**-MARGIN_POWER])


@pytest.mark.parametrize("drivers", [1, 3])
def test_odds_on_a_few_drivers_move_all_of_them_and_it_is_said(
    made: Scenarios, drivers: int
) -> None:
    own = moments(made)
    ours = own.chance("win")[:drivers]
    quoted = {
        (made.driver_ids[at], "odds_win"): float(1.3 * chance + 0.02) ** (-1 / MARGIN_POWER)
        for at, chance in enumerate(ours)
    }
    targets, (notice,) = blended_targets(view(quoted, 1.0, "book"), own)
    assert [target.wanted for target in targets] == pytest.approx(1.3 * ours + 0.02)
    assert notice.startswith(f"The win odds of book are of {drivers} of {len(own.driver_ids)}")
    assert f"{ours.sum():.0%} of the market" in notice


def record(hours: float, author: str = "me", **changes: object) -> ViewRecord:
    made = ViewRecord(
        f"v{hours:g}",
        "slate",
        SourceFile(f"{hours:g}.csv", f"{hours:g}"),
        author,
        NOW + timedelta(hours=hours),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def landed(record: ViewRecord, value: float, **changes: object) -> Landed:
    row = replace(Stated(2, "A", "mean_points", value), **changes)  # type: ignore[arg-type]
    return Landed(record, Resolved((("1", row),), (), ()))


def test_what_landed_after_the_as_of_time_is_listed_and_moves_nothing() -> None:
    early, late = landed(record(-2), 40.0), landed(record(2), 60.0)
    found = statements([early, late], NOW, ["1"], {"1": "A"})
    assert dict(found.select("view_id", "state").iter_rows()) == {"v-2": "in force", "v2": LATE}
    changed = statements([early, landed(record(2), -999.0)], NOW, ["1"], {"1": "A"})
    assert in_force(changed).equals(in_force(statements([early], NOW, ["1"], {"1": "A"})))


def test_of_one_author_the_newest_statement_counts_and_a_dropped_one_gives_way() -> None:
    first, second = landed(record(-3), 40.0), landed(record(-1), 50.0)
    other = landed(record(-2, "other"), 45.0)
    found = statements([second, first, other], NOW, ["1"], {"1": "A"})
    assert found["state"].to_list() == [REPLACED, "in force", "in force"]
    dropped = Landed(second.record.dropped(NOW - timedelta(minutes=5)), second.found)
    found = statements([first, dropped, other], NOW, ["1"], {"1": "A"})
    assert in_force(found)["value"].to_list() == [40.0, 45.0]
    before = statements([first, dropped], NOW - timedelta(minutes=30), ["1"], {"1": "A"})
    assert in_force(before)["value"].to_list() == [50.0]


def test_a_quote_of_before_does_not_take_the_place_of_a_newer_one_that_landed_first() -> None:
    def quoted(landed_at: float, quoted_at: float | None, value: float) -> Landed:
        time = None if quoted_at is None else NOW + timedelta(hours=quoted_at)
        made = record(landed_at, confidence=0.3)
        return landed(made, value, quantity="odds_win", quoted_at=time)

    newer, older = quoted(-3, -4, 2.5), quoted(-2, -20, 9.0)
    found = statements([newer, older], NOW, ["1"], {"1": "A"})
    assert found["state"].to_list() == ["in force", REPLACED]
    for later in (quoted(-1, -4, 2.0), quoted(-1, None, 2.0)):
        found = statements([newer, older, later], NOW, ["1"], {"1": "A"})
        assert in_force(found)["value"].to_list() == [2.0]


def test_odds_have_no_weight_unless_somebody_gives_them_one() -> None:
    quoted = {"quantity": "odds_win"}
    silent = statements([landed(record(-1), 5.0, **quoted)], NOW, ["1"], {"1": "A"})
    assert in_force(silent).is_empty()
    weighed = landed(record(-1, confidence=0.3), 5.0, **quoted)
    assert in_force(statements([weighed], NOW, ["1"], {"1": "A"}))["confidence"].to_list() == [0.3]


@pytest.mark.parametrize("quantity", ["win", "ownership", "max_exposure", "rear_start"])
def test_a_view_of_no_confidence_is_out_of_force_whatever_it_states(quantity: str) -> None:
    for confidence, state in ((0.0, "without weight"), (0.2, "in force")):
        made = landed(record(-1, confidence=confidence), 0.5, quantity=quantity)
        assert statements([made], NOW, ["1"], {"1": "A"})["state"].to_list() == [state]


def test_a_record_comes_back_as_it_was_stored_and_ids_are_numbered() -> None:
    full = record(-1, confidence=0.25, why="a reason", dropped_at=NOW, replaces=("v-2",))
    assert ViewRecord.from_json(full.to_json()) == full
    source = SourceFile("x", "a" * 64)
    assert next_id(source, set()) == "a" * 12
    assert next_id(source, {"a" * 12}) == "a" * 12 + "-2"
    with pytest.raises(InputError, match="between 0 and 1"):
        record(-1, confidence=1.5)


def starts(setup: RaceSetup) -> RaceSetup:
    entries = tuple(replace(entry, start=place) for place, entry in enumerate(setup.entries, 1))
    return replace(setup, entries=entries)


def test_a_start_at_the_rear_is_scored_from_the_grid_or_from_the_rear(setup: RaceSetup) -> None:
    grid = starts(setup)
    size, driver = len(grid.entries), grid.entries[2].driver_id
    plain = generate_scenarios(None, grid, 1_500, 1)
    kept = generate_scenarios(None, with_rear_starts(grid, {driver: 0}), 1_500, 1)
    back = generate_scenarios(None, with_rear_starts(grid, {driver: 1}), 1_500, 1)
    for done in (kept, back):
        assert (done.start[:, 2] == size).all()
        assert done.laps_led[:, 2].mean() < plain.laps_led[:, 2].mean()
        assert all(record.broken == 0 for record in check_laws(done))
    assert np.array_equal(kept.finish, back.finish)
    assert kept.points_start[2] == 3
    assert back.points_start[2] == size
    assert kept.points_start.tolist() == list(range(1, size + 1))
    # By the back of the field he gains as many places more as he is scored further behind, and
    # who moved up one is scored from one place better.
    gained = (back.points(RULES) - kept.points(RULES)) / RULES.points_scale
    assert (gained[:, 2] == size - 3).all()
    assert (gained[:, 3] == -1).all()
    assert (gained[:, 0] == 0).all()


def test_scored_starts_are_stored_and_read_back(setup: RaceSetup) -> None:
    moved = with_rear_starts(starts(setup), {setup.entries[0].driver_id: 0})
    made = generate_scenarios(None, moved, 40, 1)
    table = made.to_polars([RULES])
    back = Scenarios.from_polars(table, made.races_to_polars())
    assert back == made
    assert np.array_equal(back.points(RULES), made.points(RULES))
    assert "scored_start" not in generate_scenarios(None, setup, 40, 1).to_polars().columns


def test_without_a_starting_order_nobody_starts_at_the_rear_yet(setup: RaceSetup) -> None:
    drawn = replace(setup, entries=tuple(replace(entry, start=None) for entry in setup.entries))
    assert with_rear_starts(drawn, {setup.entries[0].driver_id: 0}) is drawn


def test_views_of_forty_drivers_take_less_than_half_a_second_over_ten_thousand_scenarios() -> None:
    rng = np.random.default_rng(1)
    strength = rng.normal(size=(10_000, 40)) + np.linspace(1, -1, 40)
    finish = np.argsort(np.argsort(-strength, axis=1), axis=1) + 1
    points = 45.0 - finish + 8.0 * rng.normal(size=finish.shape)
    own = OwnMoments(tuple(map(str, range(40))), points, finish)
    means = points.mean(axis=0) + 3.0 * rng.normal(size=40)
    stated = view({(str(n), "mean_points"): float(means[n]) for n in range(40)})
    begun = time.process_time()
    targets, _ = blended_targets(stated, own)
    found = tilt(own, targets, 1, 4)
    assert time.process_time() - begun < 3.0  # a tenth of it on an idle machine
    assert found.effective >= 5_000


@pytest.mark.slow
@pytest.mark.parametrize("contradiction", [0.05, 0.6, 3.0])
def test_targets_that_contradict_each_other_take_no_longer_and_stay_closest(
    contradiction: float,
) -> None:
    # Each of 40 drivers is to do better or worse by each of six measures, whatever the others say.
    rng = np.random.default_rng(2)
    strength = rng.normal(size=(10_000, 40)) + np.linspace(1, -1, 40)
    finish = np.argsort(np.argsort(-strength, axis=1), axis=1) + 1
    points = 45.0 - finish + 8.0 * rng.normal(size=finish.shape)
    events = [points, np.square(points), *(finish <= top for top in (1, 3, 5, 10))]
    made = Moments.of(np.concatenate([np.asarray(part, np.float64) for part in events], axis=1))
    wanted = made.mean + contradiction * made.spread * rng.normal(size=made.mean.size)
    begun = time.process_time()
    found = entropic_weights(made, wanted, floor=EFFECTIVE_FLOOR, ridge=RIDGE)
    # A third of a second on an idle machine; the search for what cannot be met took 10 s.
    assert time.process_time() - begun < 5.0
    assert 0.0 < found.share <= 1.0
    assert found.effective >= 5_000
    if found.share < 1.0:
        assert found.effective <= 5_300
    # So far of the way, the weights are the ones closest to equal that meet the targets there.
    there = made.mean + found.share * (wanted - made.mean)
    again = entropic_weights(made, there, floor=0.01, ridge=RIDGE)
    assert again.share == 1.0
    assert np.abs(again.weights - found.weights).max() < 0.01 / 10_000
