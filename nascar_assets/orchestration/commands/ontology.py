"""What a person asks of the ontology in one command: load it, show a node, enter an override."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import ENTRIES, RESULTS
from nascar_assets.files import plain_name
from nascar_assets.ontology import Statement, in_force
from nascar_assets.ontology.vetoes import VetoRule, parse_veto
from nascar_assets.orchestration.commands.sync import Location
from nascar_assets.orchestration.inputs.graph import entry_store
from nascar_assets.orchestration.inputs.past import driver_directory
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan, slate_plans
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.runs import run_job
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets.orchestration.storage.store import read_all, scan_table, table_path
from nascar_assets.storage import DataRoot


def load_ontology(home: str, location: Location) -> dict[str, Any]:
    """Materialises the graph as of now; returns what its materialisation says."""
    run = run_job(location().resolve_job_def("ontology_job"), open_instance(home))
    event = next(iter(run.asset_materializations_for_node("ontology_graph")))
    return {name: value.value for name, value in event.metadata.items()}


@dataclass(frozen=True, slots=True)
class Subject:
    """A driver or a track: `kind` (`driver`, `track`), the feed's id, the name."""

    kind: str
    key: str
    name: str


def find_subject(root: DataRoot, text: str, *, kind: str | None = None) -> Subject:
    """The driver or track that a name or the feed's id means.

    The feed numbers drivers and tracks apart, so an id may be of both; `driver 34` and `track 34`
    say which.

    Args:
        text: The name or the id.
        kind: `driver` where nothing else can be meant.

    Raises:
        InputError: If none does, or more than one; names the nearest drivers and tracks.
    """
    # A track may have had several names: all of them find it, the newest is shown.
    called = (
        []
        if kind == "driver"
        else scan_table(root, "schedule")
        .sort("start_time", "race_id")
        .select("track_id", "track_name")
        .collect()
        .rows()
    )
    tracks = dict(called)
    directory = driver_directory(root)
    said, _, key = text.partition(" ")
    ids = {"driver": directory.names, "track": tracks}
    keys = [(said, key)] if said in ids else [(sort, text) for sort in ids]
    by_id = [Subject(sort, key, ids[sort][key]) for sort, key in keys if key in ids[sort]]
    if len(by_id) > 1:
        forms = " or ".join(f'"{item.kind} {item.key}" ({item.name})' for item in by_id)
        raise InputError(
            f"{text!r} is the id of a driver and of a track.", field="NAME", remedy=f"Give {forms}."
        )
    if by_id:
        return by_id[0]
    wanted = plain_name(text)
    names = {(key, plain_name(name)) for key, name in called}
    same = {key for key, name in names if name == wanted}
    part = same or {key for key, name in names if wanted and wanted in name}
    found = directory.resolve(text)
    if found.driver_id is not None and not same:
        return Subject("driver", found.driver_id, directory.names[found.driver_id])
    if len(part) == 1:
        key = part.pop()
        return Subject("track", key, tracks[key])
    by_name = {plain_name(name): f"{name} ({key})" for key, name in called}
    close = difflib.get_close_matches(wanted, list(by_name), n=3, cutoff=0.5)
    near = sorted(f"{tracks[key]} ({key})" for key in part) or [by_name[name] for name in close]
    lists = [
        f"{sorts} with such a name: {', '.join(listed)}"
        for sorts, listed in (("Drivers", found.candidates), ("Tracks", near))
        if listed
    ]
    raise InputError(
        f"{text!r} names no driver{'' if kind else ' and no track'}."
        if not part and found.how != "ambiguous"
        else f"{text!r} names more than one driver{'' if kind else ' or track'}.",
        field="NAME" if kind is None else "CODE",
        remedy=f"{'; '.join(lists) or 'None has a like name'}. Give the name or the feed's id.",
    )


def show_subject(home: str, text: str, location: Location) -> dict[str, Any]:
    """A driver's or track's values: estimated, and in force where a person set them.

    Returns:
        The row of the estimates, `subject`, `in_force` (value, author, reason and time by field)
        and `entries`, everything that people entered, in words.

    Raises:
        InputError: If neither a driver nor a track is called so.
    """
    platform = Platform(home=home)
    subject = find_subject(platform.root, text)
    asset = f"{subject.kind}_values"
    if not platform.root.exists(table_path(asset)):
        load_ontology(home, location)
    key = f"{subject.kind}_id"
    rows = scan_table(platform.root, asset).filter(pl.col(key) == subject.key).collect()
    row = rows.row(0, named=True) if rows.height else {key: subject.key, "name": subject.name}
    names = driver_directory(platform.root).names
    own = _entries_of(platform, subject)
    overrides, _ = in_force(own)
    return {
        **{k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()},
        "subject": subject.kind,
        "in_force": {
            entry.name: {
                "value": entry.value,
                "author": entry.author,
                "reason": entry.reason,
                "at": entry.at.isoformat(),
            }
            for entry in overrides
        },
        "entries": [entry.said(names) for entry in own],
    }


def override_entry(
    home: str, text: str, field: str, value: str, author: str, why: str, now: datetime
) -> Statement:
    """A person's override of a driver or track, or its clearing, checked and not yet kept.

    Raises:
        InputError: If the name, the field or the value is at fault, the reason is empty, or there
            is nothing to clear.
    """
    platform = Platform(home=home)
    subject = find_subject(platform.root, text)
    if value != "clear":
        number = _number(value)
        return Statement("override", subject.kind, subject.key, field, number, author, why, now)
    entry = Statement("clear", subject.kind, subject.key, field, None, author, why, now)
    overrides, _ = in_force(_entries_of(platform, subject))
    _refuse_absent(f"override of {entry.name}", entry.name, overrides, subject, "FIELD")
    return entry


def veto_entry(
    home: str, text: str, code: str, author: str, why: str, now: datetime, *, lift: bool
) -> Statement:
    """A person's veto rule, or its lifting, checked and not yet kept.

    Raises:
        InputError: If the name, the rule, or a driver or team in it is unknown, the reason is
            empty, or there is nothing to lift.
    """
    platform = Platform(home=home)
    subject = find_subject(platform.root, text)
    rule = parse_veto(code, subject=subject.kind)
    _, vetoes = in_force(_entries_of(platform, subject))
    # What is in force can be lifted by its code, whomever it names.
    if not lift or rule.code not in {entry.name for entry in vetoes}:
        rule = _resolved(platform.root, rule, subject)
    if lift:
        _refuse_absent(f"veto {rule.code}", rule.code, vetoes, subject, "CODE")
    action = "lift" if lift else "veto"
    return Statement(action, subject.kind, subject.key, rule.code, None, author, why, now)


def _resolved(root: DataRoot, rule: VetoRule, subject: Subject) -> VetoRule:
    """A rule with the feed's ids and spellings for the drivers and teams that it names."""
    kinds = {item.name: item.kind for item in rule.kind.parameters}
    arguments: list[tuple[str, int | str]] = []
    for name, value in rule.arguments:
        found = value
        if kinds[name] == "driver":
            found = find_subject(root, str(value), kind="driver").key
            if found == subject.key:
                raise InputError(
                    f"The veto names {subject.name} as the other driver, and is about him.",
                    field="CODE",
                    remedy=f"Give another driver as {name}=.",
                )
        elif kinds[name] == "team":
            found = _team(root, str(value))
        arguments.append((name, found))
    return replace(rule, arguments=tuple(arguments))


def _team(root: DataRoot, text: str) -> str:
    """A team as the feed spells it."""
    lists = (read_all(root, "entries", ENTRIES), read_all(root, "race_results", RESULTS))
    teams = sorted({team for listed in lists for team in listed["team"].drop_nulls().unique()})
    same = [team for team in teams if plain_name(team) == plain_name(text)]
    if text in teams or len(same) == 1:
        return text if text in teams else same[0]
    by_name = {plain_name(team): team for team in teams}
    close = difflib.get_close_matches(plain_name(text), list(by_name), n=3, cutoff=0.5)
    near = ", ".join(same or [by_name[name] for name in close])
    raise InputError(
        f"{text!r} names {'more than one team' if same else 'no team'}.",
        field="CODE",
        remedy=f"Teams with such a name: {near}." if near else "None has a like name.",
    )


def _entries_of(platform: Platform, subject: Subject) -> list[Statement]:
    return [
        entry
        for entry in entry_store(platform).entries()
        if (entry.subject, entry.subject_id) == (subject.kind, subject.key)
    ]


def _refuse_absent(
    what: str, name: str, held: Iterable[Statement], subject: Subject, field: str
) -> None:
    """Refuses to take back what nobody entered."""
    names = [entry.name for entry in held]
    if name not in names:
        raise InputError(
            f"No {what} is in force for {subject.name}.",
            field=field,
            remedy=f"In force: {', '.join(names) or 'none'}.",
        )


def keep(home: str, entry: Statement) -> dict[str, Any]:
    """Stores an entry; returns it in words, its file and its time."""
    platform = Platform(home=home)
    path = entry_store(platform).add(entry)
    names = driver_directory(platform.root).names
    return {"note": entry.said(names), "path": path, "at": entry.at.isoformat()}


EFFECT_SCENARIOS = 2_000
"""Races by which the effect of an entry is shown; the same ones with and without it."""


def entry_effect(home: str, entry: Statement, slate_id: str | None) -> dict[str, Any] | None:
    """What an entry would do to the forecast of a slate that was run.

    The slate's race is simulated without it and with it, beside everything else that people
    entered by now, and both are moved by the slate's views.

    Args:
        entry: The entry; it need not be kept.
        slate_id: The slate; by default the one that locks last of those that were run.

    Returns:
        `slate`, `scenarios` and `drivers`: of a driver himself, of a track the five whose mean
        moves most, each with `name` and `mean_points` and `win` before and after. None where no
        slate was run.

    Raises:
        InputError: If the slate was not run, its race has not the driver or track, or the entry
            rejects too many scenarios.
    """
    from nascar_assets.constraints.people import with_entries
    from nascar_assets.orchestration.inputs.view_tables import moved_by_views
    from nascar_assets.scenarios import TooManyRejectedError, generate_scenarios

    platform = Platform(home=home)
    root = platform.root
    if slate_id is None:
        plans = [
            plan
            for plan in slate_plans(root)
            if root.exists(table_path("scenarios", plan.slate_id))
        ]
        if not plans:
            return None
        plan = max(plans, key=lambda plan: (plan.lock, plan.slate_id))
    else:
        plan = SlatePlan.load(root, slate_id)
    run = SlateRun(root, plan)
    held = run.spec.drivers if entry.subject == "driver" else run.spec.tracks
    if entry.subject_id not in held:
        raise InputError(
            f"The race of slate {plan.slate_id} does not have this {entry.subject}.",
            field="--slate",
            remedy="Name another slate with --slate.",
        )
    rules, count = run.rules, min(plan.n_scenarios, EFFECT_SCENARIOS)
    entered = entry_store(platform).entries()
    found: list[tuple[Any, Any] | None] = []
    # The stored scenarios are of the spec, the model and the views of their own time.
    for entries in (entered, (*entered, entry)):
        try:
            made = generate_scenarios(
                with_entries(run.spec, entries, run.estimates),
                run.setup,
                count,
                plan.seed,
                parameters=run.model.parameters,
            )
        except TooManyRejectedError:
            if entries is not entered:
                raise
            found.append(None)  # a veto that this entry may lift
            continue
        races = moved_by_views(run, made)
        points = races.points(rules).mean(axis=0) / rules.points_scale
        found.append((points, (races.finish == 1).mean(axis=0)))
    rows: list[dict[str, Any]] = [
        {
            "driver_id": driver,
            "name": run.names.get(driver, driver),
            "mean_points": [None if one is None else round(float(one[0][at]), 2) for one in found],
            "win": [None if one is None else round(float(one[1][at]), 4) for one in found],
        }
        for at, driver in enumerate(made.driver_ids)
    ]
    if entry.subject == "driver":
        rows = [row for row in rows if row["driver_id"] == entry.subject_id]
    elif None not in found:
        rows.sort(key=lambda row: -abs(row["mean_points"][1] - row["mean_points"][0]))
    return {"slate": plan.slate_id, "scenarios": count, "drivers": rows[:5]}


def _number(text: str) -> float | int | tuple[int, ...]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, list) and all(isinstance(item, int) for item in value):
        return tuple(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(
            f"{text!r} is no number.",
            field="VALUE",
            remedy="Give a number, a list such as [70,140] for pit windows, or clear.",
        )
    return value
