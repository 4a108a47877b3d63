"""Benchmarks of the ontology and its constraints: loading, compiling, prechecking."""

from __future__ import annotations

import os
import secrets
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import neo4j
import numpy as np
import polars as pl

from nascar_assets.constraints import (
    Allow,
    ConstraintCompiler,
    ConstraintContext,
    ConstraintPlanner,
    ConstraintSpec,
    ProjectedStateView,
    driver_summary,
    evaluate_constraints,
    lineup_constraints,
    request_constraints,
    slate_summary,
)
from nascar_assets.feed.schemas import SCHEDULE
from nascar_assets.files import SourceFile
from nascar_assets.history.schemas import DRIVER_VALUES, TRACK_VALUES
from nascar_assets.ontology import GraphEngine, OntologyState, build_state, load_state
from nascar_assets.ontology.ladybug_engine import LadybugEngine
from nascar_assets.ontology.neo4j_engine import Neo4jEngine
from nascar_assets.ontology.queries import COMPILE_DRIVERS, COMPILE_TRACKS
from nascar_assets.rules import rule_set
from nascar_assets.slates.slate import Slate, SlatePlayer

AS_OF = datetime(2031, 3, 1, tzinfo=UTC)
IDS = [str(number) for number in range(40)]
WARM_UP, TIMES = 300, 500
SCRIPT = Path(__file__).parents[1] / "scripts" / "neo4j.sh"
Row = dict[str, Any]


def rows() -> Iterator[Row]:
    """What this group measures."""
    yield from precheck()
    yield from ladybug()
    yield from real_neo4j()


def made_up_state(drivers: int, tracks: int, races: int) -> OntologyState:
    """A state of invented drivers, tracks and races."""
    draw = np.random.default_rng(7)
    unit = {
        name: draw.uniform(0, 1, drivers)
        for name in ("skill", "psyche_aggression", "shadow_risk", "realpolitik_pos")
    }
    driver_values = pl.DataFrame(
        {
            "driver_id": [str(i) for i in range(drivers)],
            "name": [f"Driver {i}" for i in range(drivers)],
            "team": [f"Team {i % 60}" for i in range(drivers)],
            "manufacturer": [("Ford", "Toyota", "Chevrolet")[i % 3] for i in range(drivers)],
            "series": ["cup"] * drivers,
            "races": [30] * drivers,
            "data_through": [AS_OF - timedelta(days=7)] * drivers,
            **unit,
            **{f"{name}_se": [0.05] * drivers for name in unit},
        },
        schema_overrides=DRIVER_VALUES,
    ).select(*DRIVER_VALUES)
    track_unit = ("difficulty", "aggression_factor", "caution_rate")
    track_values = pl.DataFrame(
        {
            "track_id": [str(i) for i in range(tracks)],
            "name": [f"Track {i}" for i in range(tracks)],
            "track_type": ["intermediate"] * tracks,
            "length_miles": [1.5] * tracks,
            "pit_window_laps": [[60, 120, 180, 240]] * tracks,
            "races": [12] * tracks,
            "data_through": [AS_OF - timedelta(days=7)] * tracks,
            **{name: draw.uniform(0, 1, tracks) for name in track_unit},
            **{f"{name}_se": [0.05] * tracks for name in track_unit},
        },
        schema_overrides=TRACK_VALUES,
    ).select(*TRACK_VALUES)
    schedule = pl.DataFrame(
        [
            {
                "race_id": str(i),
                "race_key": f"race-{i}",
                "series": "cup",
                "season": 2031,
                "race_name": f"Race {i}",
                "track_id": str(i % tracks),
                "track_name": f"Track {i % tracks}",
                "track_type": "intermediate",
                "track_length_miles": 1.5,
                "start_time": AS_OF + timedelta(days=i),
                "scheduled_laps": 267,
            }
            for i in range(races)
        ],
        schema=SCHEDULE,
    )
    return build_state(driver_values, track_values, schedule, (), AS_OF)


def timed(works: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Milliseconds of each piece of work, warm, the pieces taking turns."""
    for _ in range(WARM_UP):
        for work in works.values():
            work()
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(TIMES):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            found[name].append(1000 * (time.perf_counter() - started))
    return found


def p99(times: list[float]) -> float:
    """The 99th percentile."""
    return float(np.quantile(times, 0.99))


def compile_work(engine: GraphEngine, state: OntologyState) -> Callable[[], ConstraintSpec]:
    """Compiling 40 drivers and 1 track, validated and hashed."""
    compiler = ConstraintCompiler(engine, state)
    return lambda: compiler.compile_spec("bench", IDS, ["1"], now=AS_OF)


def load_row(engine: GraphEngine, state: OntologyState, name: str) -> Row:
    """Seconds that loading a big state takes."""
    started = time.perf_counter()
    load_state(engine, state)
    return {
        "name": f"load 2,000 drivers, 100 tracks, 3,000 races, {name}",
        "value": time.perf_counter() - started,
        "unit": "s",
        "target": "< 10",
    }


def ladybug() -> Iterator[Row]:
    """The embedded engine."""
    small, big = made_up_state(60, 30, 40), made_up_state(2_000, 100, 3_000)
    with tempfile.TemporaryDirectory() as folder:
        engines = {}
        for name, state in (("small", small), ("big", big)):
            path = Path(folder) / f"{name}.lbug"
            writer = LadybugEngine(path, time_limit=120.0)
            row = load_row(writer, state, "Ladybug")
            writer.close()
            if name == "big":
                yield row
            engines[name] = LadybugEngine(path, read_only=True)
        found = timed(
            {
                "small": compile_work(engines["small"], small),
                "big": compile_work(engines["big"], big),
            }
        )
        yield from compile_rows(found, "Ladybug")
        for engine in engines.values():
            engine.close()


def compile_rows(found: dict[str, list[float]], name: str) -> Iterator[Row]:
    """Median, 99th percentile, and what a big graph adds."""
    what = f"compile 40 drivers and 1 track, {name}"
    small, big = statistics.median(found["small"]), statistics.median(found["big"])
    yield {"name": f"{what}, median", "value": small, "unit": "ms", "target": "< 10"}
    yield {"name": f"{what}, p99", "value": p99(found["small"]), "unit": "ms", "target": "< 100"}
    yield {
        "name": f"{what}, big graph over small",
        "value": big / small,
        "unit": "x",
        "target": "< 1.5",
    }


@contextmanager
def neo4j_server() -> Iterator[tuple[str, str]]:
    """A real server on a free port; its address and password."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    password = secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "NASCAR_NEO4J_HOME": home, "NASCAR_GRAPH_PASSWORD": password}

        def script(*arguments: str) -> None:
            subprocess.run(
                ["bash", str(SCRIPT), *arguments],
                env=environment,
                check=True,
                stdout=subprocess.DEVNULL,
            )

        script("install")
        script("start", str(port))
        try:
            yield f"bolt://127.0.0.1:{port}", password
        finally:
            script("stop")


def real_neo4j() -> Iterator[Row]:
    """The server engine, against the bare round trips of the same two queries."""
    small, big = made_up_state(60, 30, 40), made_up_state(2_000, 100, 3_000)
    with neo4j_server() as (address, password):
        engine = Neo4jEngine(address, user="neo4j", password=password)
        driver = neo4j.GraphDatabase.driver(
            address,
            auth=("neo4j", password),
            warn_notification_severity=neo4j.NotificationMinimumSeverity.OFF,
            notifications_min_severity=neo4j.NotificationMinimumSeverity.OFF,
        )

        def bare() -> None:
            for query, parameters in (
                (COMPILE_DRIVERS, {"driver_ids": IDS}),
                (COMPILE_TRACKS, {"track_ids": ["1"]}),
            ):
                driver.execute_query(
                    neo4j.Query(str(query)),  # type: ignore[arg-type]
                    parameters,
                    routing_=neo4j.RoutingControl.READ,
                )

        load_state(engine, small)
        started = time.perf_counter()
        compile_work(engine, small)()
        first = 1000 * (time.perf_counter() - started)
        found = timed({"bare": bare, "small": compile_work(engine, small)})
        yield load_row(engine, big, "Neo4j")
        engine.ping()
        found["big"] = timed({"big": compile_work(engine, big)})["big"]
        yield {"name": "compile, Neo4j, first time (planning)", "value": first, "unit": "ms"}
        yield from compile_rows(found, "Neo4j")
        ratio = statistics.median(found["small"]) / statistics.median(found["bare"])
        yield {
            "name": "compile over the bare round trip of its two queries, Neo4j",
            "value": ratio,
            "unit": "x",
            "target": "< 2",
            "note": f"bare {statistics.median(found['bare']):.2f} ms",
        }
        driver.close()
        engine.close()


def precheck() -> Iterator[Row]:
    """Prechecking a request and a lineup over a slate's summaries."""
    state = made_up_state(40, 2, 2)
    engine = LadybugEngine()
    load_state(engine, state)
    spec = compile_work(engine, state)()
    engine.close()
    slate = Slate(
        slate_id="bench",
        race_id="1",
        race_key="race-1",
        rules=rule_set("dk-classic", date(2031, 3, 1)),
        lock=AS_OF + timedelta(days=1),
        players=tuple(
            SlatePlayer(id_, f"Driver {id_}", id_, 5_000 + 100 * int(id_), f"Team {int(id_) % 9}")
            for id_ in IDS
        ),
        source=SourceFile("bench", "0" * 64),
    )
    tables = (
        slate_summary(slate, spec, track_id="1", scheduled_laps=267),
        driver_summary(slate, spec),
    )
    view = ProjectedStateView(*tables)
    request = (
        request_constraints(must_be_open=True),
        {"pool": IDS, "exposures": {"3": (0.1, 0.5)}, "lineups": 20, "salary_cap": 50_000},
    )
    lineup = (lineup_constraints(), {"drivers": IDS[:6]})

    def check(rules: Any, args: Any) -> None:
        context = ConstraintContext(
            actor="bench",
            slate_id="bench",
            track_id="1",
            race_id="1",
            args=args,
            env={"now": AS_OF},
            mode="precheck",
        )
        ConstraintPlanner(rules).load(context, view)
        if evaluate_constraints(rules, context, view) != Allow():
            raise RuntimeError("the benchmark's request should be allowed")

    found = timed(
        {
            "request": lambda: check(*request),
            "lineup": lambda: check(*lineup),
            "view": lambda: ProjectedStateView(*tables),
        }
    )
    for name, target in (("request", "< 1"), ("lineup", None)):
        row = {"name": f"precheck of a {name}, median", "unit": "ms"}
        yield (
            row | {"value": statistics.median(found[name])} | ({"target": target} if target else {})
        )
    yield {
        "name": "projected view of a slate's summaries, median",
        "value": statistics.median(found["view"]),
        "unit": "ms",
    }
