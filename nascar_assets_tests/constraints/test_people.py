"""What people changed is shown as the compiled spec holds it."""

from dataclasses import replace
from datetime import timedelta

from nascar_assets.constraints import ConstraintSpec, DriverConstraints, TrackConstraints
from nascar_assets.constraints.compiler import ConstraintCompiler
from nascar_assets.constraints.people import CHANGED_SINCE, COLUMNS, people_table, with_entries
from nascar_assets.ontology import Statement, build_state, load_state
from nascar_assets.ontology.ladybug_engine import LadybugEngine
from nascar_assets.reports.slate_page import render_slate_report
from nascar_assets_tests.constraints.made_up import LOCK, SLATE_ID
from nascar_assets_tests.ontology.made_up import driver_values, entrants, schedule, track_values
from nascar_assets_tests.reports.reports import report

VETO = "not-in-lineups"


def entry(action, subject, key, name, value=None, why="Because", minutes=0):
    at = LOCK - timedelta(days=2) + timedelta(minutes=minutes)
    return Statement(action, subject, key, name, value, "Ada Marsh", why, at)


def spec():
    return ConstraintSpec(
        SLATE_ID,
        LOCK,
        [
            DriverConstraints("1", 0.35, 0.6, 0.5, overridden=("aggression", "skill")),
            DriverConstraints("2", 0.5, 0.5, 0.5, veto_rules=(VETO,)),
            DriverConstraints("3", 0.5, 0.5, 0.5),
        ],
        [TrackConstraints("9", 0.5, 0.5, 0.5, (40, 80), overridden=("pit_window_laps",))],
    )


ENTRIES = (
    entry("override", "driver", "1", "skill", 0.2, "First thought"),
    entry("override", "driver", "1", "skill", 0.35, "New crew chief", 1),
    entry("override", "driver", "1", "psyche_aggression", 0.6, "Angry <b>again</b>", 2),
    entry("override", "driver", "7", "skill", 0.9, "Not in this slate", 3),
    entry("veto", "driver", "2", VETO, why="Ill", minutes=4),
    entry("override", "track", "9", "pit_window_laps", (40, 80), "Tyres", 5),
)


def shown(entries):
    return people_table(spec(), entries).select("subject", "field", "value", "why").rows()


def test_each_change_has_the_value_of_the_spec_and_the_reason_of_its_entry():
    assert shown(ENTRIES) == [
        ("driver 1", "aggression", "0.6", "Angry <b>again</b>"),
        ("driver 1", "skill", "0.35", "New crew chief"),
        ("driver 2", VETO, "veto", "Ill"),
        ("track 9", "pit_window_laps", "[40, 80]", "Tyres"),
    ]
    first = people_table(spec(), ENTRIES).row(0, named=True)
    assert tuple(first) == COLUMNS
    assert (first["who"], first["at"]) == ("Ada Marsh", "2031-02-28T19:02+00:00")


def test_what_was_entered_after_the_run_compiled_is_not_taken_for_what_it_computed_from():
    later = (
        *ENTRIES,
        entry("override", "driver", "1", "skill", 0.9, "Second thought", 10),
        entry("override", "driver", "3", "skill", 0.9, "Too late", 11),
        entry("lift", "driver", "2", VETO, why="Well again", minutes=12),
    )
    rows = shown(later)
    assert ("driver 1", "skill", "0.35", CHANGED_SINCE) in rows
    assert ("driver 2", VETO, "veto", CHANGED_SINCE) in rows
    assert not any(subject == "driver 3" for subject, *_ in rows)


def test_a_spec_that_nobody_changed_has_no_rows():
    untouched = [replace(spec().drivers["3"])]
    plain = ConstraintSpec(SLATE_ID, LOCK, untouched, [TrackConstraints("9", 0.5, 0.5, 0.5)])
    assert people_table(plain, ENTRIES).is_empty()


def test_a_driver_and_a_track_with_one_id_have_their_own_names():
    numbers, changed = (0.5, 0.5, 0.5), ("skill",)
    driver = DriverConstraints("34", *numbers, veto_rules=(VETO,), overridden=changed)
    track = TrackConstraints("34", *numbers, overridden=("difficulty",))
    names = {("driver", "34"): "Justin Allgaier", ("track", "34"): "Road America"}
    table = people_table(ConstraintSpec(SLATE_ID, LOCK, [driver], [track]), (), names)
    assert table.select("subject", "field").rows() == [
        ("Justin Allgaier", "skill"),
        ("Justin Allgaier", "No lineup holds the driver."),
        ("Road America", "difficulty"),
    ]


def test_the_report_of_the_slate_shows_them():
    page = render_slate_report(report(overrides=people_table(spec(), ENTRIES)))
    for text in ("New crew chief", "Ada Marsh", "[40, 80]", VETO, "Angry &lt;b&gt;again&lt;/b&gt;"):
        assert text in page
    assert "First thought" not in page


def test_a_spec_with_more_entries_is_the_one_that_is_compiled_with_them():
    def state_with(entries):
        newcomer = entrants(("900", "New Comer", "Team 1", "Ford"))
        return build_state(
            driver_values(), track_values(), schedule(), entries, LOCK, entrants=newcomer
        )

    def compiled(entries):
        load_state(engine, state_with(entries))
        return ConstraintCompiler(engine).compile_spec("s", ids, ["1"], now=LOCK)

    ids, engine = ["101", "102", "900"], LadybugEngine()
    entered = (
        entry("override", "driver", "900", "realpolitik_pos", 0.9),
        entry("override", "driver", "101", "psyche_aggression", -0.0),
        entry("override", "driver", "101", "max_laps_led", 40),
        entry("veto", "driver", "102", "finishes-behind:other=101"),
        entry("override", "track", "1", "pit_window_laps", (35, 70)),
        entry("clear", "driver", "900", "realpolitik_pos"),
        entry("lift", "driver", "102", "finishes-behind:other=101"),
    )
    before, estimated = compiled(()), state_with(())
    for count in range(len(entered) + 1):
        entries = entered[:count]
        found = with_entries(before, entries, estimated)
        assert found == compiled(entries)
        assert CHANGED_SINCE not in people_table(found, entries)["why"].to_list()
    assert with_entries(before, entered[:1], estimated).drivers["900"].skill == 0.9
    engine.close()
