"""From a request to the race that is simulated, without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from nascar_assets.constraints import RunConfig
from nascar_assets.orchestration.inputs.process_parameters import model_as_of, save_fit
from nascar_assets.scenarios import STARTING_VALUES, generate_scenarios
from nascar_assets.service.compiled import CompiledRequest
from nascar_assets.service.contracts import OptimizeRequest
from nascar_assets.service.precheck import precheck
from nascar_assets.service.problems import RequestRefused
from nascar_assets.service.request_race import compile_request, parameters_of
from nascar_assets.service.run_configs import parameters_of_run
from nascar_assets.service.run_request import choose, respond, simulate
from nascar_assets.service.stored_slates import StoredSlates
from nascar_assets.service.track_names import UnknownTrack, catalogue, resolve_track
from nascar_assets.storage import DataRoot
from nascar_assets_tests.service.conftest import request_body
from nascar_assets_tests.service.stored import (
    AS_OF,
    CALIBRATION,
    CARS,
    NAMES,
    SLATE_ID,
    car_id,
    slate_request,
    write_slate,
)

NOW = datetime(2026, 3, 1, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def slates(tmp_path_factory):
    root = DataRoot(tmp_path_factory.mktemp("slates"))
    write_slate(root)
    return StoredSlates(root)


def _compiled(body, slate=None, **parameters) -> CompiledRequest:
    request = OptimizeRequest.model_validate(body)
    wanted = replace(parameters_of(request, request.random_seed), **parameters)
    tracks = catalogue(2026)
    return compile_request(request, wanted, run_id="run", now=NOW, slate=slate, tracks=tracks)


def _refused(body, slate=None):
    with pytest.raises(RequestRefused) as refused:
        precheck(_compiled(body, slate), slate)
    assert refused.value.status == 422
    return refused.value.problem


def test_a_known_slate_brings_salaries_field_ratings_and_calibration(slates):
    slate = slates.get(SLATE_ID)
    job = _compiled(slate_request(), slate)
    precheck(job, slate)
    assert [p.salary for p in job.slate.players] == [11_000 - 500 * i for i in range(14)]
    assert job.setup.driver_ids == tuple(car_id(i) for i in range(CARS))
    assert job.setup.scheduled_laps == 120
    assert job.setup.stage_ends == (30, 60)
    assert [e.start for e in job.setup.entries] == list(range(1, CARS + 1))
    assert job.setup.entries[0].level == pytest.approx(1.2)
    assert job.calibration is not None
    assert job.calibration.model_dump() == CALIBRATION | {"races": 30}


def test_with_the_graphs_own_values_it_is_the_slates_own_forecast(slates):
    """The request says what the graph says: the scenarios are those of the slate's own run."""
    slate = slates.get(SLATE_ID)
    job = _compiled(slate_request(), slate)
    assert job.spec.hash == slate.spec.hash
    own = generate_scenarios(slate.spec, slate.setup, 200, 5)
    assert simulate(job) == own


def test_skill_in_the_request_moves_the_forecast_and_only_the_difference_does(slates):
    slate = slates.get(SLATE_ID)
    body = slate_request()
    plain = simulate(_compiled(body, slate)).finish.mean(axis=0)
    body["drivers"][9] |= {"skill": 0.99}
    moved = _compiled(body, slate)
    assert moved.spec.get_driver_constraints(car_id(9)).overridden == ("skill",)
    finish = simulate(moved).finish.mean(axis=0)
    assert finish[9] < plain[9] - 2
    assert finish[0] > plain[0] - 0.5


def test_a_slates_own_run_config_takes_the_graphs_values(slates):
    slate = slates.get(SLATE_ID)
    body = slate_request()
    for driver in body["drivers"]:
        driver["skill"] = 0.5
    config = RunConfig.from_json(slate.run_config)
    job = _compiled(body, slate, graph_values=True)
    assert job.spec.hash == slate.spec.hash == config.constraint_spec_hash
    parameters = parameters_of_run(config)
    assert (parameters.seed, parameters.n_scenarios, parameters.race_length) == (5, 200, 120)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pit_strategy_mix", 5),
        ("pit_strategy_mix", "abc"),
        ("pit_strategy_mix", [1]),
        ("pit_strategy_mix", {}),
        ("pit_strategy_mix", {"STANDARD": {}}),
        ("pit_strategy_mix", {"STANDARD": 0.9}),
        ("n_scenarios", 15),
        ("field_size", {}),
        ("field_size", [40]),
        ("field_size", "40"),
        ("race_length", {}),
        ("race_length", True),
    ],
)
def test_a_run_config_of_no_use_is_refused(slates, name, value):
    config = RunConfig.from_json(slates.get(SLATE_ID).run_config)
    with pytest.raises(RequestRefused) as refused:
        parameters_of_run(replace(config, sim_params={**config.sim_params, name: value}))
    assert refused.value.status == 422
    assert refused.value.problem.code == "RUN_CONFIG_INVALID"
    assert refused.value.problem.field.startswith("run_config.sim_params")


def test_a_run_configs_pit_strategies_hold(slates):
    config = RunConfig.from_json(slates.get(SLATE_ID).run_config)
    mix = {"AGGRESSIVE": 0.25, "STANDARD": 0.75}
    with_mix = replace(config, sim_params={**config.sim_params, "pit_strategy_mix": mix})
    assert parameters_of_run(with_mix).pit_strategy_mix == mix


_SIXTY_SIX = [{"if": [car_id(i)], "then": [car_id(j)]} for i in range(12) for j in range(i + 1, 12)]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"drivers": {"Nobody": {"lock": True}}}, "portfolio.drivers.Nobody"),
        (
            {"drivers": {car_id(1): {}, NAMES[1]: {"exclude": True}}},
            f"portfolio.drivers.{NAMES[1]}",
        ),
        ({"teams": {"Team X": {"at_most": 1}}}, "portfolio.teams.Team X"),
        ({"groups": [{"drivers": ["Nobody"], "at_most": 1}]}, "portfolio.groups.0.drivers"),
        ({"rules": [{"if": ["Nobody"], "then": [car_id(1)]}]}, "portfolio.rules.0.if"),
        ({"rules": [{"if": [car_id(1)], "then": ["Nobody"]}]}, "portfolio.rules.0.then"),
        ({"rules": _SIXTY_SIX}, "portfolio"),
        ({"objective": "payout"}, "portfolio.payout"),
        ({"objective": "payout", "payout": "contest.csv"}, "portfolio.payout"),
        ({"objective": "payout", "payout": "../../etc/passwd"}, "portfolio.payout"),
        ({"payout": "unheard-of"}, "portfolio.payout"),
        ({"objective": "payout", "payout": "cash", "lineups": 100}, "portfolio.lineups"),
    ],
)
def test_what_is_wrong_with_a_portfolios_settings_is_said_at_once(slates, settings, field):
    slate = slates.get(SLATE_ID)
    problem = _refused(slate_request(portfolio=settings), slate)
    assert (problem.code, problem.field) == ("INVALID_VALUE", field)


def test_projected_points_of_a_portfolio_are_those_under_the_persons_factor(slates):
    def told(factor: float) -> dict[str, float]:
        settings = {
            "objective": "mean",
            "drivers": {car_id(0): {"lock": True, "points_multiplier": factor}},
        }
        job = _compiled(slate_request(portfolio=settings), slates.get(SLATE_ID))
        made = simulate(job)
        response = respond("run", job, made, choose(job, made))
        points = {driver.driver_id: driver.projected_points for driver in response.lineup}
        assert response.total_projected_points == pytest.approx(sum(points.values()), abs=1e-5)
        return points

    plain, twice = told(1.0), told(2.0)
    assert twice[car_id(0)] == pytest.approx(2 * plain[car_id(0)], abs=1e-6)


def test_a_portfolio_may_be_best_at_winning_in_a_preset_contest(slates):
    slate = slates.get(SLATE_ID)
    settings = {"lineups": 3, "objective": "payout", "payout": "cash"}
    job = _compiled(slate_request(portfolio=settings), slate)
    precheck(job, slate)
    assert choose(job, simulate(job)).drivers.shape == (3, 6)


def test_drivers_are_found_by_any_known_spelling_and_each_once(slates):
    slate = slates.get(SLATE_ID)
    body = slate_request()
    body["drivers"][0]["driver_id"] = "Inaki Barragon"
    body["drivers"][1]["driver_id"] = "JR ABERNANT"
    job = _compiled(body, slate)
    assert [p.driver_id for p in job.slate.players[:2]] == [car_id(0), car_id(1)]
    assert job.slate.players[0].name == NAMES[0]
    body["drivers"][2]["driver_id"] = "970000"
    problem = _refused(body, slate)
    assert (problem.code, problem.field) == ("DUPLICATE_DRIVER", "drivers.2.driver_id")
    body["drivers"][2]["driver_id"] = "Nobody Inparticular"
    problem = _refused(body, slate)
    assert (problem.code, problem.field) == ("DRIVER_NOT_IN_SLATE", "drivers.2.driver_id")


def test_a_car_without_a_salary_is_refused_unless_the_request_has_one(slates):
    slate = slates.get(SLATE_ID)
    body = slate_request()
    body["drivers"][3]["driver_id"] = car_id(15)
    problem = _refused(body, slate)
    assert (problem.code, problem.field) == ("SALARY_MISSING", "drivers.3.salary")
    body["drivers"][3]["salary"] = 4_000
    assert _compiled(body, slate).slate.players[3].salary == 4_000


def test_the_track_has_to_be_the_slates_own(slates):
    slate = slates.get(SLATE_ID)
    body = slate_request(scenario_config={"track_id": "daytona", "n_scenarios": 10})
    assert _refused(body, slate).code == "TRACK_MISMATCH"
    body["scenario_config"]["track_id"] = "Invented Ridge"
    assert _compiled(body, slate).setup.track_id == "903"


def test_another_length_scales_the_stages_and_is_said(slates):
    body = slate_request(scenario_config={"track_id": "903", "race_length": 60})
    job = _compiled(body, slates.get(SLATE_ID))
    assert (job.setup.scheduled_laps, job.setup.stage_ends) == (60, (15, 30))
    assert any("60 laps instead of its own 120" in notice for notice in job.notices)


def test_a_veto_of_the_graph_stays_in_force(tmp_path):
    root = DataRoot(tmp_path)
    write_slate(root, veto="not-in-lineups", races=0)
    slate = StoredSlates(root).get(SLATE_ID)
    job = _compiled(slate_request(), slate)
    precheck(job, slate)
    made = simulate(job)
    chosen = choose(job, made)
    result = respond("run", job, made, chosen)
    assert car_id(0) not in {driver.driver_id for driver in result.lineup}
    assert result.scenario_diagnostics.calibration_metrics is None
    assert result.scenario_diagnostics.calibration_reason == "no past race"


def _with_vetoes(job, vetoes=None, *, track=()):
    """The job under vetoes of drivers by id, and of the track."""
    spec = job.spec
    drivers = dict(spec.drivers)
    for driver_id, code in (vetoes or {}).items():
        drivers[driver_id] = replace(drivers[driver_id], veto_rules=(code,))
    tracks = {key: replace(value, veto_rules=track) for key, value in spec.tracks.items()}
    return replace(job, spec=type(spec)(spec.slate_id, NOW, drivers, tracks))


def _marked(stored, place, status):
    """The stored slate with a driver whom the salary file marks as out."""
    players = list(stored.slate.players)
    reason = f"marked {status} in the salary file"
    absent = replace(players.pop(place), status=status, reason=reason)
    return replace(stored, slate=replace(stored.slate, players=tuple(players), absent=(absent,)))


def _lineups(job):
    return [
        {job.slate.players[i].driver_id for i in row} for row in choose(job, simulate(job)).drivers
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"drivers": {NAMES[0]: {"exclude": True}}},
        {"groups": [{"drivers": [car_id(0), car_id(3)], "at_most": 1}]},
        {"rules": [{"if": [car_id(0)], "then": [car_id(3)]}]},
    ],
)
def test_a_setting_may_name_a_driver_whom_a_veto_keeps_out(slates, settings):
    slate = slates.get(SLATE_ID)
    job = _compiled(slate_request(portfolio={"lineups": 2, **settings}), slate)
    job = _with_vetoes(job, {car_id(0): "not-in-lineups"})
    precheck(job, slate)
    made = _lineups(job)
    assert len(made) == 2
    assert not any(car_id(0) in ids for ids in made)


def test_a_settings_driver_who_is_marked_out_is_left_out_of_the_lineups(slates):
    settings = {"lineups": 2, "drivers": {NAMES[1]: {"max_exposure": 0.5}}}
    slate = _marked(slates.get(SLATE_ID), 1, "OUT")
    job = _compiled(slate_request(portfolio=settings), slate)
    precheck(job, slate)
    assert not any(car_id(1) in ids for ids in _lineups(job))
    notices = respond("run", job, simulate(job), choose(job, simulate(job))).notices
    assert [notice for notice in notices if "marked OUT" in notice] == [
        f"{NAMES[1]} does not race (marked OUT in the salary file) and is left out.",
        f"{NAMES[1]} does not race (marked OUT in the salary file): settings that name him count "
        "without him.",
    ]
    assert CompiledRequest.from_json(job.to_json()).slate == job.slate


def test_a_driver_who_left_the_field_is_known_by_name_and_ids_and_a_lock_on_him_is_refused(slates):
    stored = _marked(slates.get(SLATE_ID), 1, None)
    gone = stored.slate.absent[0]
    cars = (replace(entry, start=None) for entry in stored.setup.entries)
    entries = tuple(car for car in cars if car.driver_id != gone.driver_id)
    stored = replace(stored, setup=replace(stored.setup, entries=entries))
    for name in (gone.driver_id, gone.site_id, gone.name):
        body = slate_request(portfolio={"lineups": 2, "drivers": {name: {"exclude": True}}})
        body["drivers"][1]["driver_id"] = name
        job = _compiled(body, stored)
        precheck(job, stored)
        assert gone.driver_id not in {player.driver_id for player in job.slate.players}
        body["portfolio"]["drivers"][name] = {"lock": True}
        refused = _refused(body, stored)
        assert "who does not race" in refused.message


@pytest.mark.parametrize("portfolio", [None, {"lineups": 1}])
def test_too_few_drivers_who_race_are_refused_at_once(slates, portfolio):
    stored = slates.get(SLATE_ID)
    body = slate_request(portfolio=portfolio)
    body["drivers"] = body["drivers"][8:14]
    precheck(_compiled(body, stored), stored)
    slate = _marked(stored, 8, "DNQ")
    assert _refused(body, slate).code == "LINEUP_INFEASIBLE"


@pytest.mark.parametrize("portfolio", [None, {"lineups": 4}])
def test_a_tracks_limit_on_teams_holds_in_every_lineup(slates, portfolio):
    job = _compiled(slate_request(portfolio=portfolio), slates.get(SLATE_ID))
    teams = {player.driver_id: player.team for player in job.slate.players}
    free = [[teams[i] for i in ids] for ids in _lineups(job)]
    assert any(len(set(held)) < 6 for held in free)
    limited = _with_vetoes(job, track=("team-in-lineup-at-most:drivers=1",))
    assert all(len({teams[i] for i in ids}) == 6 for ids in _lineups(limited))


@pytest.mark.parametrize("portfolio", [None, {"lineups": 3}])
def test_a_veto_on_a_pair_holds_in_every_lineup(tmp_path, portfolio):
    root = DataRoot(tmp_path)
    write_slate(root)
    slate = StoredSlates(root).get(SLATE_ID)
    free = _compiled(slate_request(portfolio=portfolio), slate)
    first = respond("run", free, simulate(free), choose(free, simulate(free))).lineup
    pair = [driver.driver_id for driver in first[:2]]
    write_slate(root)
    spec = slate.spec
    drivers = dict(spec.drivers)
    drivers[pair[0]] = replace(
        drivers[pair[0]], veto_rules=(f"not-together-in-lineups:other={pair[1]}",)
    )
    job = replace(free, spec=type(spec)(spec.slate_id, NOW, drivers, spec.tracks))
    chosen = choose(job, simulate(job))
    for row in chosen.drivers:
        ids = {job.slate.players[i].driver_id for i in row}
        assert not set(pair) <= ids


def test_the_lineup_has_the_most_mean_points_of_all():
    """Against every lineup there is, counted out."""
    from itertools import combinations

    job = _compiled(request_body(drivers=9, n_scenarios=40))
    made = simulate(job)
    chosen = choose(job, made)
    points = made.points(job.slate.rules)[:, :9].sum(axis=0)
    salaries = [player.salary for player in job.slate.players]
    best = max(
        sum(points[i] for i in six)
        for six in combinations(range(9), 6)
        if sum(salaries[i] for i in six) <= 50_000
    )
    assert points[chosen.drivers[0]].sum() == best


def test_a_new_slate_is_filled_with_average_cars_and_says_what_it_assumed():
    body = request_body(drivers=8)
    body["scenario_config"] = {"track_id": "daytona", "field_size": 20}
    job = _compiled(body)
    assert len(job.setup.entries) == 20
    assert job.setup.scheduled_laps == 200
    assert job.setup.track_type == "superspeedway"
    filled = [e for e in job.setup.entries if e.driver_id.startswith("average-car-")]
    assert len(filled) == 12
    assert {job.spec.get_driver_constraints(e.driver_id).skill for e in filled} == {0.5}
    assert any("12 average cars" in notice for notice in job.notices)


def test_ids_of_average_cars_make_way_for_the_requests_own():
    body = request_body(drivers=8)
    body["drivers"][0]["driver_id"] = "average-car-1"
    job = _compiled(body)
    assert len(set(job.setup.driver_ids)) == 12


def test_a_compiled_request_is_stored_without_loss_and_a_changed_one_refused(slates):
    bodies = (slate_request(portfolio={"lineups": 2}), request_body())
    for body, slate in zip(bodies, (slates.get(SLATE_ID), None), strict=True):
        job = _compiled(body, slate)
        stored = job.to_json()
        assert CompiledRequest.from_json(stored) == job
        again = CompiledRequest.from_json(stored)
        assert np.array_equal(simulate(again).finish, simulate(job).finish)
        with pytest.raises(ValueError, match="changed"):
            CompiledRequest.from_json(stored.replace(b'"skill": 0.95', b'"skill": 0.94'))


def test_the_slate_is_read_again_when_it_was_run_again(tmp_path):
    root = DataRoot(tmp_path)
    store = StoredSlates(root)
    assert store.get(SLATE_ID) is None
    write_slate(root)
    first = store.get(SLATE_ID)
    assert store.get(SLATE_ID) is first
    write_slate(root, races=7)
    assert store.get(SLATE_ID).calibration["races"] == 7


def test_the_slate_is_read_again_when_the_race_process_was_fitted_anew(tmp_path):
    root = DataRoot(tmp_path)
    write_slate(root)
    store = StoredSlates(root)
    before = store.get(SLATE_ID)
    assert before.parameters == STARTING_VALUES
    save_fit(root, "cup", replace(STARTING_VALUES, as_of=AS_OF - timedelta(days=1)))
    assert store.get(SLATE_ID).parameters == model_as_of(root, "cup", AS_OF).parameters
    assert store.get(SLATE_ID).parameters != before.parameters


@pytest.mark.parametrize("slate_id", ["../secret", "a/b", ".", "x" * 200, "🏁", "a b"])
def test_a_slates_name_never_becomes_a_path(slates, slate_id):
    assert slates.get(slate_id) is None


@pytest.mark.parametrize(
    ("asked", "track_id"),
    [
        ("105", "105"),
        ("daytona", "105"),
        ("Daytona International Speedway", "105"),
        ("ROVAL", "210"),
        ("cota", "214"),
        ("Las Vegas", "42"),
        ("bristol", "14"),
        ("indy", "123"),
        ("autodromo hermanos rodriguez", "75"),
        ("charlotte", "162"),
        ("watkins glen", "157"),
    ],
)
def test_tracks_go_by_id_name_and_short_form(asked, track_id):
    assert resolve_track(asked, catalogue(2026)).track_id == track_id


@pytest.mark.parametrize("asked", ["speedway", "motor", "", "999999", "daytoona", "d"])
def test_what_names_no_track_or_several_is_refused(asked):
    with pytest.raises(UnknownTrack):
        resolve_track(asked, catalogue(2026))


def test_every_track_of_the_catalogue_goes_by_its_own_name():
    tracks = catalogue(2026)
    for track in tracks:
        assert resolve_track(track.name, tracks).track_id == track.track_id
