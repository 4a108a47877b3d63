"""One suite over both graph engines: the same Cypher text, the same answers."""

import threading
from datetime import timedelta

import pytest

from nascar_assets.constraints import (
    CompileError,
    ConstraintCompiler,
    ConstraintSpec,
    DriverConstraints,
    TrackConstraints,
    compile_for_state,
)
from nascar_assets.ontology import (
    GraphFault,
    GraphSlow,
    Statement,
    build_state,
    ensure_state,
    load_state,
    stored_hash,
)
from nascar_assets.ontology import queries as q
from nascar_assets.ontology.load import load_statements
from nascar_assets_tests.ontology.made_up import (
    AS_OF,
    driver_values,
    entrants,
    schedule,
    track_values,
)


def entry(action, subject, id_, name, value=None):
    return Statement(action, subject, id_, name, value, "Ada Marsh", "saw it", AS_OF)


ENTRIES = (
    entry("override", "driver", "101", "skill", 0.9),
    entry("override", "driver", "102", "max_laps_led", 40),
    entry("override", "track", "1", "pit_window_laps", (35, 70)),
    entry("veto", "driver", "102", "not-both-in-top:places=5,other=103"),
    entry("veto", "driver", "102", "leads-no-laps"),
    entry("veto", "driver", "103", "leads-no-laps"),
    entry("veto", "track", "1", "team-accidents-at-most:cars=2,team=Team 1"),
)


@pytest.fixture
def state():
    return build_state(driver_values(), track_values(), schedule(), ENTRIES, AS_OF)


def contents(engine):
    """Everything in the graph, in a canonical order."""
    nodes = {
        label: sorted(
            (row["key"] for row in engine.read(f"MATCH (n:{label}) RETURN n.{key} AS key")), key=str
        )
        for label, key in (
            ("Driver", "driver_id"),
            ("Track", "track_id"),
            ("Team", "team_id"),
            ("Manufacturer", "name"),
            ("Race", "race_id"),
            ("VetoRule", "code"),
        )
    }
    links = {
        type_: sorted(
            (row["a"], row["b"])
            for row in engine.read(
                f"MATCH (a:{source})-[:{type_}]->(b:{target}) RETURN a.{x} AS a, b.{y} AS b"
            )
        )
        for type_, source, x, target, y in (
            ("DRIVES_FOR", "Driver", "driver_id", "Team", "team_id"),
            ("RUNS", "Team", "team_id", "Manufacturer", "name"),
            ("AT", "Race", "race_id", "Track", "track_id"),
            ("VETO_RULE", "Driver", "driver_id", "VetoRule", "code"),
        )
    }
    return nodes, links


def test_a_loaded_state_is_all_there(graph, state):
    load_state(graph.engine, state)
    nodes, links = contents(graph.engine)
    assert nodes["Driver"] == [str(100 + i) for i in range(8)]
    assert nodes["Track"] == ["1", "2", "3"]
    assert nodes["Team"] == ["Team 0", "Team 1", "Team 2"]
    assert nodes["Manufacturer"] == ["Chevrolet", "Ford", "Toyota"]
    assert nodes["Race"] == ["5000", "5001", "5002", "5003"]
    assert nodes["VetoRule"] == [
        "leads-no-laps",
        "not-both-in-top:places=5,other=103",
        "team-accidents-at-most:cars=2,team=Team 1",
    ]
    assert len(links["DRIVES_FOR"]) == 8
    assert links["RUNS"] == [("Team 0", "Ford"), ("Team 1", "Toyota"), ("Team 2", "Chevrolet")]
    assert links["AT"] == [("5000", "1"), ("5001", "2"), ("5002", "3"), ("5003", "1")]
    assert links["VETO_RULE"] == [
        ("102", "leads-no-laps"),
        ("102", "not-both-in-top:places=5,other=103"),
        ("103", "leads-no-laps"),
    ]


def test_the_graph_says_as_of_when_it_is_and_how_sure(graph, state):
    load_state(graph.engine, state)
    (held,) = graph.engine.read(q.READ_STATE)
    assert held["hash"] == state.hash == stored_hash(graph.engine)
    assert held["as_of"] == AS_OF.isoformat()
    assert held["data_through"] == (AS_OF - timedelta(days=7)).isoformat()
    (row,) = graph.engine.read(
        "MATCH (d:Driver) WHERE d.driver_id = $id RETURN d.skill_se AS se, d.name AS name, "
        "d.data_through AS through, d.newcomer AS newcomer, d.races AS races",
        id="103",
    )
    assert row == {
        "se": 0.05,
        "name": "Driver 3 Ünal",
        "through": (AS_OF - timedelta(days=7)).isoformat(),
        "newcomer": False,
        "races": 30,
    }


def test_loading_again_changes_nothing(graph, state):
    load_state(graph.engine, state)
    before = contents(graph.engine)
    load_state(graph.engine, state)
    assert contents(graph.engine) == before
    assert ensure_state(graph.engine, state) is False


def test_another_state_replaces_the_first_wholly(graph, state):
    load_state(graph.engine, state)
    other = build_state(
        driver_values(3, teams=1), track_values(1), schedule(1), (), AS_OF + timedelta(days=1)
    )
    assert ensure_state(graph.engine, other) is True
    assert contents(graph.engine) == (
        {
            "Driver": ["100", "101", "102"],
            "Track": ["1"],
            "Team": ["Team 0"],
            "Manufacturer": ["Ford"],
            "Race": ["5000"],
            "VetoRule": [],
        },
        {
            "DRIVES_FOR": [("100", "Team 0"), ("101", "Team 0"), ("102", "Team 0")],
            "RUNS": [("Team 0", "Ford")],
            "AT": [("5000", "1")],
            "VETO_RULE": [],
        },
    )
    spec = ConstraintCompiler(graph.engine, other).compile_spec("s", ["101"], ["1"], now=AS_OF)
    assert spec.drivers["101"].overridden == ()


def test_a_load_that_fails_leaves_what_was_there(graph, state):
    load_state(graph.engine, state)
    before = contents(graph.engine)
    other = build_state(driver_values(3), track_values(1), schedule(1), (), AS_OF)
    with pytest.raises(GraphFault, match="no query at all"):
        graph.engine.write_all([*load_statements(other), ("no query at all", {"secret": 1})])
    assert contents(graph.engine) == before
    assert stored_hash(graph.engine) == state.hash


def test_compiling_gives_overrides_vetoes_and_numbers(graph, state):
    load_state(graph.engine, state)
    ids = ["103", "101", "102", "101"]
    spec = ConstraintCompiler(graph.engine, state).compile_spec("s", ids, ["1", "2"], now=AS_OF)
    assert list(spec.drivers) == ["101", "102", "103"]
    first, second, third = spec.drivers.values()
    assert (first.skill, first.overridden, first.veto_rules) == (0.9, ("skill",), ())
    assert (second.min_laps_led, second.max_laps_led) == (0, 40)
    assert second.overridden == ("max_laps_led",)
    assert second.veto_rules == ("leads-no-laps", "not-both-in-top:places=5,other=103")
    assert (third.skill, third.max_laps_led) == (3.5 / 8, None)
    assert spec.tracks["1"].pit_window_laps == (35, 70)
    assert spec.tracks["1"].overridden == ("pit_window_laps",)
    assert spec.tracks["1"].veto_rules == ("team-accidents-at-most:cars=2,team=Team 1",)
    assert spec.tracks["2"].pit_window_laps == (60, 120)


def test_every_engine_compiles_to_the_same_hash(graph, state):
    load_state(graph.engine, state)
    ids = [node.driver_id for node in state.drivers]
    spec = ConstraintCompiler(graph.engine, state).compile_spec("s", ids, ["1"], now=AS_OF)
    without_graph = ConstraintSpec(
        "s",
        AS_OF,
        [
            DriverConstraints(
                driver_id=node.driver_id,
                skill=node.skill,
                aggression=node.psyche_aggression,
                shadow_risk=node.shadow_risk,
                max_laps_led=node.max_laps_led,
                veto_rules=node.vetoes,
                overridden=node.overridden,
            )
            for node in state.drivers
        ],
        [
            TrackConstraints("1", 0.4, 0.6, 0.5, (35, 70), ("pit_window_laps",), node.vetoes)
            for node in state.tracks[:1]
        ],
    )
    assert spec.hash == without_graph.hash


def test_missing_ids_are_all_named_at_once(graph, state):
    load_state(graph.engine, state)
    compiler = ConstraintCompiler(graph.engine)
    with pytest.raises(CompileError, match="drivers 998, 999 and track 77 of slate s1"):
        compiler.compile_spec("s1", ["999", "101", "998"], ["1", "77"], now=AS_OF)
    with pytest.raises(CompileError, match="track 77"):
        compiler.compile_track_constraints(["77"])
    with pytest.raises(CompileError, match="driver 999"):
        compiler.compile_driver_constraints(["999", "100"])


def test_a_newcomer_has_a_node(graph):
    new = entrants(("new:5", "Zoë Quick", "Team 1", "Toyota"))
    state = build_state(driver_values(), track_values(), schedule(), (), AS_OF, entrants=new)
    load_state(graph.engine, state)
    found = ConstraintCompiler(graph.engine).compile_driver_constraints(["new:5"])
    assert found["new:5"].skill == 0.5  # Team 1's realpolitik_pos


def test_a_graph_of_another_date_is_refused(graph, state):
    load_state(graph.engine, state)
    later = build_state(
        driver_values(), track_values(), schedule(), ENTRIES, AS_OF + timedelta(days=7)
    )
    with pytest.raises(CompileError, match=f"needs {later.hash}"):
        ConstraintCompiler(graph.engine, later).compile_spec("s", ["101"], ["1"], now=AS_OF)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("MATCH (d:Driver) WHERE d.driver_id = '101' SET d.skill = 1.25", r"101.*\[0, 1\].*1\.25"),
        ("MATCH (d:Driver) WHERE d.driver_id = '101' SET d.shadow_risk = null", "no property shad"),
        ("MATCH (t:Track) WHERE t.track_id = '1' SET t.caution_rate = -0.5", "caution_rate"),
        ("MATCH (t:Track) WHERE t.track_id = '1' SET t.pit_window_laps = [80, 40]", "ascend"),
        ("MATCH (d:Driver) WHERE d.driver_id = '101' SET d.min_laps_led = -3", "min_laps_led"),
    ],
)
def test_a_node_at_fault_is_named(graph, state, change, message):
    load_state(graph.engine, state)
    graph.engine.write(change)
    with pytest.raises(CompileError, match=message):
        ConstraintCompiler(graph.engine).compile_spec("s", ["101"], ["1"], now=AS_OF)


def test_an_unknown_veto_rule_is_named_with_the_known_ones(graph, state):
    load_state(graph.engine, state)
    graph.engine.write("CREATE (v:VetoRule {code: 'drop-table'})")
    graph.engine.write(
        "MATCH (d:Driver {driver_id: '101'}), (v:VetoRule {code: 'drop-table'}) "
        "CREATE (d)-[:VETO_RULE]->(v)"
    )
    with pytest.raises(CompileError, match=r"driver 101.*'drop-table'.*Known rules: leads-no-laps"):
        ConstraintCompiler(graph.engine).compile_spec("s", ["101"], ["1"], now=AS_OF)


def test_two_nodes_cannot_have_one_key(graph, state):
    load_state(graph.engine, state)
    with pytest.raises(GraphFault):
        graph.engine.write("CREATE (d:Driver {driver_id: '101'})")


@pytest.mark.slow
def test_readers_at_the_same_time_agree(graph, state):
    load_state(graph.engine, state)
    ids = [node.driver_id for node in state.drivers]
    hashes, errors = [], []

    def compile_often():
        try:
            for _ in range(10):
                compiler = ConstraintCompiler(graph.engine, state)
                hashes.append(compiler.compile_spec("s", ids, ["1"], now=AS_OF).hash)
        except Exception as error:
            errors.append(error)

    readers = [threading.Thread(target=compile_often) for _ in range(6)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert errors == []
    assert len(hashes) == 60
    assert len(set(hashes)) == 1


@pytest.mark.slow
def test_slates_that_share_a_graph_each_get_their_own_state(graph, state):
    later = build_state(
        driver_values(skill=[0.5] * 8), track_values(), schedule(), (), AS_OF + timedelta(days=7)
    )
    found, errors = {state.hash: set(), later.hash: set()}, []

    def compile_often(wanted):
        try:
            for _ in range(4):
                spec = compile_for_state(graph.engine, wanted, "s", ["101"], ["1"], now=AS_OF)
                found[wanted.hash].add(spec.drivers["101"].skill)
        except Exception as error:
            errors.append(error)

    runs = [threading.Thread(target=compile_often, args=(one,)) for one in (state, later)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert errors == []
    assert found == {state.hash: {0.9}, later.hash: {0.5}}


def test_two_reads_compile_a_spec(graph, state):
    load_state(graph.engine, state)

    class Counting:
        reads = ()

        def read(self, query, **parameters):
            self.reads = (*self.reads, (query.name, tuple(parameters)))
            return graph.engine.read(query, **parameters)

    counting = Counting()
    ids = [node.driver_id for node in state.drivers]
    ConstraintCompiler(counting, state).compile_spec("s", ids, ["1", "2"], now=AS_OF)
    assert counting.reads == (
        ("compile drivers", ("driver_ids",)),
        ("compile tracks", ("track_ids",)),
    )


def test_data_survive_a_restart(graph, state):
    load_state(graph.engine, state)
    before = contents(graph.engine)
    graph.restart()
    assert contents(graph.engine) == before
    assert ensure_state(graph.engine, state) is False


def test_a_failed_query_names_itself_its_parameters_and_the_answer(graph):
    bad = q.Query("count the impossible", "MATCH (d:Driver) RETRUN d")
    with pytest.raises(GraphFault) as caught:
        graph.engine.read(bad, driver_ids=["do-not-show-me"])
    text = str(caught.value)
    assert "count the impossible" in text
    assert "driver_ids" in text
    assert "RETRUN" in text
    assert "do-not-show-me" not in text


@pytest.mark.slow
def test_a_slow_query_ends_at_the_time_limit(graph):
    slow = q.Query(
        "slow", "UNWIND range(1, 1000000) AS a UNWIND range(1, 1000000) AS b RETURN sum(a * b) AS s"
    )
    if graph.name == "ladybug":
        graph.engine.close()
        engine = graph.engine = type(graph.engine)(graph.path, time_limit=0.5)
    else:
        engine = graph.server.engine(time_limit=1.0)
    with pytest.raises(GraphSlow, match=r"'slow'.*no answer within"):
        engine.read(slow)
    assert engine.read("RETURN 1 AS one") == [{"one": 1}]


def test_a_closed_engine_says_so(graph):
    graph.engine.close()
    graph.engine.close()
    with pytest.raises(GraphFault, match="closed"):
        graph.engine.read("RETURN 1 AS one")


def test_ping_plans_the_compile_queries(graph):
    graph.engine.ping()
