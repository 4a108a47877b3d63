"""Forecasts of a race while it is run: made from what landed, sealed, and kept as a series."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.orchestration.inputs.schedule import race_of
from nascar_assets.orchestration.inputs.slate_lineups import (
    has_lineups,
    lineup_rows,
    load_entered,
    load_lineups,
)
from nascar_assets.orchestration.inputs.slate_plan import registrations
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.view_tables import (
    TILTING,
    PureScenarios,
    pure_scenarios,
    tilted,
)
from nascar_assets.rules import score
from nascar_assets.storage import DataRoot, UnreadableFile

if TYPE_CHECKING:
    from nascar_assets.contest.presets import Contest
    from nascar_assets.scenarios import Scenarios
    from nascar_assets.telemetry.race_state import RaceState

LANDING = "landing/live"
"""A folder for each race under way, by its feed id or its key."""
SERIES = "store/live_forecast"
LAP_TIMES, LIVE_FEED = "lap-times.json", "live-feed.json"
LAP_NUMBER = re.compile(rb'"lap_number"\s*:\s*(\d+)')
"""How a snapshot writes its lap: a race has hundreds of snapshots, and few are read in whole."""
SCENARIOS = 10_000
RIVALS = 400
"""Rivals drawn for places; a place is scaled to the contest's entries."""
PLACED = 2_000
"""Scenarios in which places are counted."""
CONTEST = "150-max"
"""The contest in which lineups are placed where the slate names none."""

_rivals: dict[str, npt.NDArray[np.int32]] = {}
"""Rivals' lineups by run: they were entered before the race, and do not change in it."""


@dataclass(frozen=True, slots=True)
class Landed:
    """The newest file of a race under way: its path, and the race's state by it."""

    path: str
    state: RaceState


def live_files(root: DataRoot) -> dict[str, dict[str, str]]:
    """Files of the landing folder by race (id or key), each with its tag, the newest being last.

    A file that is put down again has another tag, also where the store's own is that of its bytes.
    """
    found: dict[str, dict[str, str]] = {}
    for item in sorted(root.list(LANDING), key=lambda item: (item.modified, item.path)):
        race, _, name = item.path.removeprefix(f"{LANDING}/").partition("/")
        if name.endswith(".json") and "/" not in name:
            tag = f"{root.tag(item.path)} {item.modified}"
            found.setdefault(race, {})[item.path] = tag
    return found


def landed_state(root: DataRoot, race: Mapping[str, Any], path: str) -> Landed:
    """The state of a race by a file that landed: lap times, or a snapshot of the live feed.

    Raises:
        InputError: If it cannot be read, or makes a state that no race can be in.
    """
    from nascar_assets.telemetry.state_from_laps import state_from_lap_times
    from nascar_assets.telemetry.state_from_live_feed import state_from_live_feed

    data = root.read(path)
    if data is None:
        raise InputError("The file is gone.", file=path, remedy="Wait for the next one.")
    if path.endswith(LAP_TIMES):
        return Landed(path, state_from_lap_times(data, race, file=path))
    # Snapshots that lie beside it tell of the laps before: of each lap the last one.
    folder = path.rpartition("/")[0]
    before: dict[bytes, tuple[str, bytes]] = {}
    for item in sorted(root.list(folder), key=lambda item: (item.modified, item.path)):
        if item.path == path:
            break
        if item.path.endswith(".json") and not item.path.endswith(LAP_TIMES):
            try:
                body = root.read(item.path) or b""
            except UnreadableFile:  # told of when it was the newest
                continue
            lap = LAP_NUMBER.search(body)
            key = lap[1] if lap else item.path.encode()
            before.pop(key, None)
            before[key] = item.path, body
    state: RaceState | None = None
    for name, body in before.values():
        with suppress(InputError):  # it was told of when it was the newest
            state = state_from_live_feed(body, race, state, file=name)
    return Landed(path, state_from_live_feed(data, race, state, file=path))


def make_live_forecast(
    root: DataRoot, race_key: str, state: RaceState, *, n: int = SCENARIOS
) -> dict[str, Any]:
    """The forecast of every slate of a race, given its state.

    Each slate's own spec, setup and race process are used, as they were before the race; only what
    happens from the state's lap on is simulated.

    Args:
        state: Where it stands.

    Returns:
        lap, scheduled_laps, flag, notices, and by slate: drivers (position, laps down, chances,
        points now and expected) and lineups and entries with their points and places.

    Raises:
        InputError: If no slate of the race has a whole run, or its field is not the state's.
    """
    runs = {slate: SlateRun.load(root, slate) for slate in slates_of(root, race_key)}
    if not runs:
        raise InputError(
            f"No slate of race {race_key} was run, so there is no forecast to go on from.",
            remedy="Add a salary file and run the slate (nascar slate add, nascar slate run).",
        )
    return {
        "race_key": race_key,
        "race_id": state.race_id,
        "lap": state.lap,
        "scheduled_laps": state.scheduled_laps,
        "flag": {1: "green", 2: "yellow", 3: "red"}.get(int(state.flags[-1])),
        "notices": [*state.notices, *(text for run in runs.values() for text in _left_out(run))],
        "slates": {slate: slate_forecast(run, state, n) for slate, run in runs.items()},
    }


def slates_of(root: DataRoot, race_key: str) -> list[str]:
    """Slates of a race whose newest run came to its lineups."""
    found = []
    for slate, registration in registrations(root)[0].items():
        if registration.race_key != race_key:
            continue
        try:
            race_of(root, registration)
            run = SlateRun.load(root, slate)
        except InputError:
            continue
        if has_lineups(root, run.plan):
            found.append(slate)
    return found


def _left_out(run: SlateRun) -> Iterator[str]:
    """What people said of a slate's race that is not in its forecasts while it is run.

    It is of the whole race as it was expected, and of races from a state on nobody said anything:
    the same words would move a race that has begun as if it had not.
    """
    from nascar_assets.lineups import PortfolioSettings
    from nascar_assets.views.in_force import in_force, sources_of

    if tilted(run):
        sources = sources_of(in_force(run.views, *TILTING))
        yield (
            f"{run.slate_id}: what views state of points and chances ({sources}) is of the race "
            "before it began, and not in forecasts while it is run."
        )
    wishes = run.wishes(PortfolioSettings.from_toml(run.plan.settings))
    scaled = dict.fromkeys(name for name, wanted in wishes if wanted.points_multiplier != 1)
    if scaled:
        yield (
            f"{run.slate_id}: factors of the settings on the points of {', '.join(scaled)} are not "
            "in forecasts while the race is run."
        )


def _win_before(run: SlateRun) -> dict[str, float]:
    """Every car's chance to win before the race, by what its forecasts go on from.

    Those are the scenarios with starts at the rear, and without what views state of chances.
    """
    from nascar_assets.scenarios import generate_scenarios

    made: Scenarios | PureScenarios | None = None
    if not tilted(run):
        made = run.scenarios
    elif run.setup == run.setup_without_views:
        made = pure_scenarios(run)
    if made is None:  # no scenarios are stored that have the one and not the other
        made = generate_scenarios(
            run.spec, run.setup, PLACED, run.plan.seed, parameters=run.model.parameters
        )
    return dict(zip(made.driver_ids, (made.finish == 1).mean(axis=0).tolist(), strict=True))


def slate_forecast(run: SlateRun, state: RaceState, n: int = SCENARIOS) -> dict[str, Any]:
    """One slate's forecast from a state: drivers, lineups and entries."""
    from nascar_assets.scenarios import generate_scenarios

    made = generate_scenarios(
        run.spec, run.setup, n, run.plan.seed, parameters=run.model.parameters, state=state
    )
    place = {driver: index for index, driver in enumerate(made.driver_ids)}
    players = [player for player in run.slate.players if player.driver_id in place]
    columns = [place[player.driver_id] for player in players]
    points = np.ascontiguousarray(made.points(run.rules)[:, columns])
    rows = {driver: row for row, driver in enumerate(state.driver_ids)}
    before = _win_before(run)
    scale = run.rules.points_scale
    # Points count from the starts that every scenario has; who never started has none.
    starts = np.broadcast_to(made.points_start, made.start.shape)[0]
    grid = dict(zip(made.driver_ids, starts, strict=True))
    now = score(
        run.rules,
        start=np.array([grid[driver] for driver in state.driver_ids])[None, :],
        finish=state.position[None, :],
        laps_led=state.laps_led[None, :],
        fastest_laps=state.fastest_laps[None, :],
        laps_completed=state.laps_completed[None, :],
    )[0]
    levels = (0.1, 0.5, 0.9)
    ends = np.quantile(made.finish, levels, axis=0, method="inverted_cdf").astype(int).T.tolist()
    drivers = []
    for column, (player, car) in enumerate(zip(players, columns, strict=True)):
        row = rows.get(player.driver_id)
        finish = made.finish[:, car]
        drivers.append(
            {
                "driver_id": player.driver_id,
                "name": player.name,
                "position": None if row is None else int(state.position[row]),
                "laps_down": None if row is None else int(state.laps_down[row]),
                "moving": bool(row is not None and state.moving[row]),
                "start": None if row is None else int(grid[player.driver_id]),
                "lined_up": None if row is None else int(state.start[row]),
                "laps_led": 0 if row is None else int(state.laps_led[row]),
                "points_now": 0.0 if row is None else float(now[row] / scale),
                **_spread(points[:, column] / scale),
                "expected_finish": round(float(finish.mean()), 2),
                **dict(zip(("finish_p10", "finish_p50", "finish_p90"), ends[car], strict=True)),
                "win": float((finish == 1).mean()),
                "win_before": before.get(player.driver_id),
                "top_5": float((finish <= 5).mean()),
                "top_10": float((finish <= 10).mean()),
            }
        )
    drivers.sort(key=lambda row: (row["position"] is None, row["position"], row["driver_id"]))
    return {"drivers": drivers, **_lineups(run, points, [p.driver_id for p in players], now, rows)}


def _spread(values: npt.NDArray[Any]) -> dict[str, float]:
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9), method="inverted_cdf")
    return {
        "mean_points": round(float(values.mean()), 2),
        "points_p10": round(float(low), 2),
        "points_p50": round(float(middle), 2),
        "points_p90": round(float(high), 2),
    }


def _lineups(
    run: SlateRun,
    points: npt.NDArray[np.int32],
    drivers: Sequence[str],
    now: npt.NDArray[Any],
    rows: Mapping[str, int],
) -> dict[str, Any]:
    """Lineups and entries with points now, points expected, and their place in the contest."""
    place = {driver: column for column, driver in enumerate(drivers)}
    own = lineup_rows(load_lineups(run.root, run.plan), run.slate)
    ids = [[run.slate.players[i].driver_id for i in lineup] for lineup in own]
    entered = {
        entry: held
        for entry, held in load_entered(run.root, run.slate_id).items()
        if all(driver in place for driver in held)
    }
    lineups = [[place[driver] for driver in held] for held in (*ids, *entered.values())]
    contest, rivals = _contest(run, drivers)
    scores = np.stack([points[:, held].sum(axis=1) for held in lineups], axis=1)
    thin = slice(None, None, max(points.shape[0] // PLACED, 1))
    others = np.sort(points[thin][:, rivals].sum(axis=2), axis=1)
    mine = scores[thin]
    ahead = np.stack(
        [
            others.shape[1] - np.searchsorted(row, values, side="right")
            for row, values in zip(others, mine, strict=True)
        ]
    )
    places = 1.0 + ahead * (contest.entries - 1) / others.shape[1]
    scale = run.rules.points_scale
    answers = [
        {
            "drivers": list(held),
            "points_now": round(float(sum(now[rows[d]] for d in held if d in rows) / scale), 2),
            **_spread(scores[:, number] / scale),
            "expected_place": round(float(places[:, number].mean()), 1),
            "best_tenth": float((places[:, number] <= 0.1 * contest.entries).mean()),
        }
        for number, held in enumerate((*ids, *entered.values()))
    ]
    return {
        "contest": {"name": contest.name, "entries": contest.entries},
        "lineups": [{"lineup": k + 1, **answers[k]} for k in range(len(ids))],
        "entries": [
            {"entry_id": entry, **answers[len(ids) + k]} for k, entry in enumerate(entered)
        ],
    }


def _contest(run: SlateRun, drivers: Sequence[str]) -> tuple[Contest, npt.NDArray[np.int32]]:
    """The slate's contest, and rivals drawn from the field as it was before the race."""
    from nascar_assets.contest.presets import PRESETS, preset
    from nascar_assets.contest.simulate import settled_scenarios
    from nascar_assets.lineups import PortfolioSettings
    from nascar_assets.lineups.projection import project
    from nascar_assets.orchestration.inputs.payout_files import named_contest

    settings = PortfolioSettings.from_toml(run.plan.settings)
    contest = named_contest(run.root, run.plan.settings)
    if contest is None:
        contest = preset(settings.payout if settings.payout in PRESETS else CONTEST)
    if run.plan.run_id not in _rivals:
        _rivals.clear()
        said = run.with_views(settings)
        projection = project(settled_scenarios(run.points), run.slate, said, rivals=run.rivals)
        rng = np.random.Generator(np.random.Philox(run.plan.seed))
        # The middle one of the fields that the slate's contests are settled against.
        drawn = projection.field_of(run.kind_of_contest(settings), 0.0).sample(
            min(RIVALS, contest.entries), rng
        )
        column = {driver: place for place, driver in enumerate(drivers)}
        held = np.array([column[player.driver_id] for player in run.slate.players])
        _rivals[run.plan.run_id] = held[drawn].astype(np.int32)
    return contest, _rivals[run.plan.run_id]


def keep_live_forecast(root: DataRoot, forecast: Mapping[str, Any], at: datetime) -> str:
    """Stores a forecast sealed: with when it was made and the seal of the one before it.

    Returns:
        Where it lies.

    Raises:
        InputError: If the race is already further than the forecast's lap.
    """
    race_key, lap = str(forecast["race_key"]), int(forecast["lap"])
    series = live_series(root, race_key)
    if series and series[-1]["lap"] >= lap:
        raise InputError(
            f"Race {race_key} was forecast after lap {series[-1]['lap']}; a feed at lap {lap} "
            "goes backwards or repeats it.",
            field="lap",
            remedy="Wait for the next feed.",
        )
    content = {
        **forecast,
        "made_at": at.isoformat(),
        "before": series[-1]["seal"] if series else None,
    }
    content["seal"] = _seal(content)
    path = f"{SERIES}/{race_key}/{lap:04d}.json"
    root.write(path, json.dumps(content, allow_nan=False).encode())
    root.delete(_refusal_path(race_key))
    return path


def _seal(content: Mapping[str, Any]) -> str:
    plain = {key: value for key, value in content.items() if key != "seal"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def live_series(root: DataRoot, race_key: str) -> list[dict[str, Any]]:
    """The forecasts of a race so far, by lap.

    Raises:
        InputError: If one was changed after it was sealed, or one is missing.
    """
    found: list[dict[str, Any]] = []
    for item in sorted(root.list(f"{SERIES}/{race_key}"), key=lambda item: item.path):
        name = item.path.rsplit("/", 1)[-1].removesuffix(".json")
        if not name.isdigit():
            continue
        content = json.loads(root.read(item.path) or b"{}")
        before = found[-1]["seal"] if found else None
        if content.get("seal") != _seal(content) or content.get("before") != before:
            raise InputError(
                "The forecast was changed after it was sealed, or the one before it is gone.",
                file=item.path,
                remedy="To begin anew, remove the race's folder of live forecasts and put the "
                "newest file into its landing folder again.",
            )
        found.append(content)
    return found


def keep_refusal(root: DataRoot, race_key: str, reason: str, at: datetime) -> None:
    """Stores why the newest feed gave no forecast; the last good one stays."""
    content = {"reason": reason, "at": at.isoformat()}
    root.write(_refusal_path(race_key), json.dumps(content).encode())


def _refusal_path(race_key: str) -> str:
    return f"{SERIES}/{race_key}/refused.json"


def live_tag(root: DataRoot, race_key: str) -> str:
    """Another text whenever a race's forecasts or their refusal are others than before."""
    return root.folder_tag(f"{SERIES}/{race_key}")


def live_answer(root: DataRoot, race_key: str, now: datetime) -> dict[str, Any]:
    """A race's live forecast as it is shown: the newest with its age, and the series by lap.

    Raises:
        InputError: If there is none.
    """
    series = live_series(root, race_key)
    refused = json.loads(root.read(_refusal_path(race_key)) or b"null")
    if not series:
        why = f" The newest feed was refused: {refused['reason']}" if refused else ""
        raise InputError(
            f"Race {race_key} has no forecast made while it was run.{why}",
            remedy=f"Put its lap-times.json or live-feed.json into {LANDING}/{race_key}/.",
        )
    newest = series[-1]
    return {
        **newest,
        "age_s": round((now - datetime.fromisoformat(newest["made_at"])).total_seconds(), 1),
        "refused": refused,
        "series": [
            {
                "lap": one["lap"],
                "made_at": one["made_at"],
                "win": {
                    row["driver_id"]: row["win"]
                    for row in next(iter(one["slates"].values()))["drivers"]
                },
                **{
                    name: {
                        slate: {row["driver_id"]: row[value] for row in found["drivers"]}
                        for slate, found in one["slates"].items()
                    }
                    for name, value in (("win_by_slate", "win"), ("mean_points", "mean_points"))
                },
            }
            for one in series
        ],
    }
