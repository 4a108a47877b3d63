"""The Cypher of the platform, the same text for every engine."""

from __future__ import annotations

from nascar_assets.ontology.engine import Query

COMPILE_DRIVERS = Query(
    "compile drivers",
    """
MATCH (d:Driver) WHERE d.driver_id IN $driver_ids
OPTIONAL MATCH (d)-[:VETO_RULE]->(v:VetoRule)
WITH d, collect(v.code) AS veto_rules
RETURN d.driver_id AS driver_id, d.skill AS skill, d.psyche_aggression AS psyche_aggression,
       d.shadow_risk AS shadow_risk, d.min_laps_led AS min_laps_led,
       d.max_laps_led AS max_laps_led, d.overridden AS overridden, d.state AS state,
       veto_rules AS veto_rules
""",
)

COMPILE_TRACKS = Query(
    "compile tracks",
    """
MATCH (t:Track) WHERE t.track_id IN $track_ids
OPTIONAL MATCH (t)-[:VETO_RULE]->(v:VetoRule)
WITH t, collect(v.code) AS veto_rules
RETURN t.track_id AS track_id, t.difficulty AS difficulty,
       t.aggression_factor AS aggression_factor, t.caution_rate AS caution_rate,
       t.pit_window_laps AS pit_window_laps, t.overridden AS overridden, t.state AS state,
       veto_rules AS veto_rules
""",
)

FIND_TEAMS = Query(
    "find teams",
    """
MATCH (t:Team) WHERE t.team_id IN $team_ids
OPTIONAL MATCH (d:Driver)-[:DRIVES_FOR]->(t)
WITH t, collect(d.driver_id) AS driver_ids
RETURN t.team_id AS team_id, driver_ids AS driver_ids
""",
)

FIND_RACES = Query(
    "find races",
    """
MATCH (r:Race) WHERE r.race_id IN $race_ids
OPTIONAL MATCH (r)-[:AT]->(t:Track)
RETURN r.race_id AS race_id, r.race_key AS race_key, r.scheduled_laps AS scheduled_laps,
       t.track_id AS track_id
""",
)

READ_STATE = Query(
    "read state",
    """
MATCH (s:OntologyState)
RETURN s.name AS name, s.hash AS hash, s.as_of AS as_of, s.data_through AS data_through,
       s.drivers AS drivers, s.tracks AS tracks, s.races AS races
""",
)

# Loading. Relationships go first, then every node is merged by its key and marked with the new
# state, then what carries another state goes; one transaction holds it all. It begins with a write
# to the one node of the state: a server shows a transaction only what others have committed, so two
# loads at once would each add their relationships to the other's. The lock of that write makes
# the second wait for the first.

LOCK_STATE = Query("lock state", "MERGE (s:OntologyState {name: 'current'}) SET s.state = s.state")

DROP_LINKS: tuple[Query, ...] = (
    Query("drop DRIVES_FOR", "MATCH (:Driver)-[r:DRIVES_FOR]->(:Team) DELETE r"),
    Query("drop RUNS", "MATCH (:Team)-[r:RUNS]->(:Manufacturer) DELETE r"),
    Query("drop AT", "MATCH (:Race)-[r:AT]->(:Track) DELETE r"),
    Query("drop vetoes of drivers", "MATCH (:Driver)-[r:VETO_RULE]->(:VetoRule) DELETE r"),
    Query("drop vetoes of tracks", "MATCH (:Track)-[r:VETO_RULE]->(:VetoRule) DELETE r"),
)

MERGE_DRIVERS = Query(
    "merge drivers",
    """
UNWIND $rows AS r
MERGE (d:Driver {driver_id: r.driver_id})
SET d.name = r.name, d.series = r.series, d.skill = r.skill, d.skill_se = r.skill_se,
    d.psyche_aggression = r.psyche_aggression, d.psyche_aggression_se = r.psyche_aggression_se,
    d.shadow_risk = r.shadow_risk, d.shadow_risk_se = r.shadow_risk_se,
    d.realpolitik_pos = r.realpolitik_pos, d.realpolitik_pos_se = r.realpolitik_pos_se,
    d.min_laps_led = r.min_laps_led, d.max_laps_led = r.max_laps_led, d.races = r.races,
    d.newcomer = r.newcomer, d.data_through = r.data_through, d.overridden = r.overridden,
    d.override_notes = r.override_notes, d.state = r.state
""",
)

MERGE_TRACKS = Query(
    "merge tracks",
    """
UNWIND $rows AS r
MERGE (t:Track {track_id: r.track_id})
SET t.name = r.name, t.track_type = r.track_type, t.length_miles = r.length_miles,
    t.difficulty = r.difficulty, t.difficulty_se = r.difficulty_se,
    t.aggression_factor = r.aggression_factor, t.aggression_factor_se = r.aggression_factor_se,
    t.caution_rate = r.caution_rate, t.caution_rate_se = r.caution_rate_se,
    t.pit_window_laps = null, t.races = r.races, t.data_through = r.data_through,
    t.overridden = r.overridden, t.override_notes = r.override_notes, t.state = r.state
""",
)

# A query of its own, for tracks that have windows: an engine that types its columns cannot tell
# what a list that is empty in every row holds.
SET_PIT_WINDOWS = Query(
    "set pit windows",
    """
UNWIND $rows AS r
MATCH (t:Track {track_id: r.track_id})
SET t.pit_window_laps = r.pit_window_laps
""",
)

MERGE_TEAMS = Query(
    "merge teams",
    "UNWIND $rows AS r MERGE (t:Team {team_id: r.team_id}) SET t.state = r.state",
)

MERGE_MANUFACTURERS = Query(
    "merge manufacturers",
    "UNWIND $rows AS r MERGE (m:Manufacturer {name: r.name}) SET m.state = r.state",
)

MERGE_RACES = Query(
    "merge races",
    """
UNWIND $rows AS r
MERGE (x:Race {race_id: r.race_id})
SET x.race_key = r.race_key, x.name = r.name, x.series = r.series, x.season = r.season,
    x.start_time = r.start_time, x.scheduled_laps = r.scheduled_laps, x.state = r.state
""",
)

MERGE_VETO_RULES = Query(
    "merge veto rules",
    """
UNWIND $rows AS r
MERGE (v:VetoRule {code: r.code})
SET v.rule = r.rule, v.subject = r.subject, v.meaning = r.meaning, v.notes = r.notes,
    v.state = r.state
""",
)

MERGE_STATE = Query(
    "merge state",
    """
UNWIND $rows AS r
MERGE (s:OntologyState {name: r.name})
SET s.hash = r.hash, s.as_of = r.as_of, s.data_through = r.data_through, s.drivers = r.drivers,
    s.tracks = r.tracks, s.races = r.races, s.state = r.state
""",
)


def _link(name: str, source: str, relationship: str, target: str) -> Query:
    """A relationship between nodes by their keys, each given as `variable:Label key`."""
    (one, key), (other, other_key) = source.split(), target.split()
    return Query(
        f"link {name}",
        f"""
UNWIND $rows AS r
MATCH ({one} {{{key}: r.source}}), ({other} {{{other_key}: r.target}})
CREATE ({one[0]})-[:{relationship}]->({other[0]})
""",
    )


_DRIVER, _RACE, _TEAM = "d:Driver driver_id", "x:Race race_id", "t:Team team_id"
_TRACK, _VETO = "t:Track track_id", "v:VetoRule code"

LINK_DRIVES_FOR = _link("DRIVES_FOR", _DRIVER, "DRIVES_FOR", _TEAM)
LINK_RUNS = _link("RUNS", _TEAM, "RUNS", "m:Manufacturer name")
LINK_AT = _link("AT", _RACE, "AT", _TRACK)
LINK_DRIVER_VETOES = _link("vetoes of drivers", _DRIVER, "VETO_RULE", _VETO)
LINK_TRACK_VETOES = _link("vetoes of tracks", _TRACK, "VETO_RULE", _VETO)

DROP_STALE: tuple[Query, ...] = tuple(
    Query(f"drop stale {label}", f"MATCH (n:{label}) WHERE n.state <> $state DETACH DELETE n")
    for label in ("Driver", "Track", "Team", "Manufacturer", "Race", "VetoRule")
)
