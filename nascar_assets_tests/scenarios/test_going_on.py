"""Scenarios that go on from a state: lawful, true to the state, unchanged before the race."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascar_assets.errors import InputError
from nascar_assets.scenarios import Entry, RaceSetup, generate_scenarios
from nascar_assets.scenarios.going_on import Updating, level_after
from nascar_assets.scenarios.inputs import start_scores
from nascar_assets.telemetry.race_state import RaceState
from nascar_assets.telemetry.state_from_laps import state_from_lap_times
from nascar_assets_tests.scenarios.fields import setup_of
from nascar_assets_tests.scenarios.test_reproducibility import digest
from nascar_assets_tests.telemetry.race_laps import lap_times, race_row

SIZE, LAPS = 20, 100
OUT = {5: 40, 7: 20}
BODY = lap_times(SIZE, LAPS, out=OUT)

WHOLE_RACES = {
    "short": "66d78cfd2580fd06710379e37d292122aa6ce4414267b2613d5ccce32eb57ad6",
    "superspeedway": "202dc2654859055455d22790d7e25360bd9be2b1a37706ccba5aed246c9b6801",
}
"""Digests of whole races from before the race could go on from a state."""


def setup(kind="intermediate", extra=0):
    entries = tuple(
        Entry(str(100 + k), f"Driver {k}", f"Team {k // 2}", start=k + 1, level=0.0, level_sd=0.3)
        for k in range(SIZE + extra)
    )
    return RaceSetup("9001", "7", kind, LAPS, (25, 50), entries, track_length=1.5)


def state(lap):
    return state_from_lap_times(BODY, race_row(LAPS), lap)


def test_whole_races_keep_their_bytes():
    for kind, expected in WHOLE_RACES.items():
        assert digest(generate_scenarios(None, setup_of(38, 150, kind), 300, 99)) == expected


def test_a_state_before_the_first_lap_changes_no_byte():
    grid, zeros = np.arange(1, SIZE + 1), np.zeros(SIZE, np.int64)
    before = RaceState(
        race_id="9001", lap=0, scheduled_laps=LAPS, driver_ids=setup().driver_ids, start=grid,
        position=grid, laps_completed=zeros, out=zeros > 0, still=zeros * 1.0, laps_led=zeros,
        fastest_laps=zeros, stops=zeros, last_stop=zeros, behind=zeros * 1.0, path=grid[:, None],
        pace=zeros * np.nan, pace_laps=zeros, flags=np.zeros(1, np.int64),
    )  # fmt: skip
    whole = generate_scenarios(None, setup(), 60, 7)
    assert generate_scenarios(None, setup(), 60, 7, state=before) == whole


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    lap=st.integers(1, 99),
    kind=st.sampled_from(["short", "superspeedway", "road", "intermediate"]),
    seed=st.integers(0, 2**32),
    extra=st.integers(0, 2),
)
def test_the_laws_hold_from_any_state(lap, kind, seed, extra):
    made = generate_scenarios(None, setup(kind, extra), 40, seed, state=state(lap))
    assert all(law.broken == 0 for law in made.diagnostics.conservation)
    known = state(lap)
    assert (made.laps_led[:, :SIZE] >= known.laps_led).all()
    assert (made.fastest_laps[:, :SIZE] >= known.fastest_laps).all()
    assert (made.laps_completed[:, :SIZE] >= known.laps_completed).all()
    assert (made.status[:, SIZE:] != 0).all()  # entered, and never started


@pytest.mark.slow
def test_a_race_that_is_over_is_what_stands():
    body = lap_times(SIZE, LAPS + 6, out=OUT, cautions=((31, 35), (98, 101)))

    def at(lap):
        return state_from_lap_times(body, race_row(LAPS), lap)

    assert state(LAPS).over
    assert not state(LAPS - 1).over
    # A caution that reaches the end leads to an overtime of two green laps.
    assert [lap for lap in range(95, 107) if at(lap).over] == [103, 104, 105, 106]
    made = generate_scenarios(None, setup(extra=1), 30, 7, state=at(103))
    known = at(103)
    assert all(law.broken == 0 for law in made.diagnostics.conservation)
    assert (made.finish[:, :SIZE] == known.position).all()
    assert (made.finish[:, SIZE] == SIZE + 1).all()
    assert (made.laps_led[:, :SIZE] == known.laps_led).all()
    assert (made.race_laps == 103).all()
    for number in OUT:
        assert (made.status[:, number] != 0).all()


def test_what_stood_still_long_ago_is_out_with_its_laps():
    made = generate_scenarios(None, setup(), 400, 3, state=state(95))
    for number, laps in OUT.items():
        gone = made.status[:, number] != 0
        assert gone.mean() > 0.8
        # It may have returned and stopped again, which is rare.
        assert (made.laps_completed[gone, number] == laps).mean() > 0.9
    assert (made.finish[:, 7] >= made.finish[:, 5])[made.status[:, 7] != 0].mean() > 0.9


@pytest.mark.slow
def test_the_later_the_state_the_surer_the_finish():
    place = [
        np.abs(made.finish - known.position).mean()
        for known in (state(10), state(60), state(98))
        for made in [generate_scenarios(None, setup(), 200, 3, state=known)]
    ]
    assert place[0] > place[1] > place[2]
    assert place[2] < 1.5


def test_the_state_is_the_same_on_any_number_of_threads():
    made = [generate_scenarios(None, setup(), 600, 7, state=state(60), threads=t) for t in (1, 3)]
    assert made[0] == made[1]


@pytest.mark.slow
def test_the_laps_of_a_race_can_be_traced_and_change_nothing_else():
    laps = [61, 75, LAPS, LAPS + 20]
    for known, half in ((None, LAPS // 2), (state(60), None)):
        whole = generate_scenarios(None, setup(), 400, 7, state=known)
        made = generate_scenarios(
            None, setup(), 400, 7, state=known, trace=[half, *laps][not half :]
        )
        assert digest(made) == digest(whole)
        assert (np.sort(made.trace, axis=2) == np.arange(1, SIZE + 1)).all()
        # A race that went its distance and no further ends in the order after its last lap.
        straight = made.race_laps == LAPS
        places = made.trace[straight, -2] != made.finish[straight]
        assert places.mean() < 0.05  # laps that the last green run cost are counted at its end
        assert (made.trace[:, -1] == made.finish)[made.race_laps <= LAPS + 20].all()
        if half:
            for mid, after in zip(made.mid_position, made.trace[:, 0], strict=True):
                assert (np.argsort(mid[mid > 0]) == np.argsort(after[mid > 0])).all()
    near, far = (np.abs(made.trace[:, k] - known.position).mean() for k in (0, 2))
    assert near < far
    over = generate_scenarios(None, setup(), 3, 7, state=state(LAPS), trace=[LAPS + 1])
    assert (over.trace[:, 0] == over.finish).all()
    with pytest.raises(InputError, match="must ascend"):
        generate_scenarios(None, setup(), 3, 7, state=known, trace=[60])


def test_a_race_in_overtime_goes_on_for_two_laps_or_more():
    body = lap_times(SIZE, 104, cautions=((98, 103),))
    late = state_from_lap_times(body, race_row(LAPS), 103)
    made = generate_scenarios(None, setup(), 100, 7, state=late)
    assert made.race_laps.min() >= 105
    assert all(law.broken == 0 for law in made.diagnostics.conservation)


def test_the_second_stage_ends_under_caution_although_the_first_is_long_over():
    """Lap 50 ends a stage, so that lap 51 is under caution: no scenario is without one more."""
    known = state_from_lap_times(lap_times(SIZE, LAPS, cautions=((31, 35),)), race_row(LAPS), 50)
    made = generate_scenarios(None, setup(), 200, 5, state=known)
    assert int(made.cautions.min()) >= len(known.caution_starts) + 1


def test_points_count_from_the_grid_that_the_slate_knows():
    grid = replace(setup(), entries=tuple(
        replace(entry, start=SIZE - k) for k, entry in enumerate(setup().entries)
    ))  # fmt: skip
    made = generate_scenarios(None, grid, 5, 5, state=state(50))
    assert (made.start == np.arange(SIZE, 0, -1)).all()


def test_a_driver_who_is_not_entered_is_refused_by_name():
    few = replace(setup(), entries=setup().entries[:-1])
    with pytest.raises(InputError, match="not entered: 119"):
        generate_scenarios(None, few, 10, 1, state=state(50))


def test_the_level_is_the_filter_of_the_process():
    # A car that held first place of 20 for all laps but the start: each of the other 99 laps
    # measures M = y, with y the score of first place, and variance omega^2 (1 + k) / (1 - k).
    known = replace(state(100), flags=np.ones(101, np.int64), fastest_laps=np.zeros(SIZE, np.int64))
    path = np.repeat(np.arange(1, SIZE + 1)[:, None], 101, axis=1)
    keep, omega, prior_sd = 0.9, 0.8, 0.5
    exact = Updating(evidence=1.0, memory=1e9, pace=0.0)
    level, sd = level_after(
        path, known, np.full(SIZE, np.nan), prior=np.zeros(SIZE), prior_sd=np.full(SIZE, prior_sd),
        keep=keep, omega=np.full(SIZE, omega), spread=1.0, drift=0.0, updating=exact,
    )  # fmt: skip
    worth = 99 * (1 - keep) / (omega**2 * (1 + keep))
    precision = 1 / prior_sd**2 + worth
    assert np.allclose(level, start_scores(SIZE) * worth / precision)
    assert np.allclose(sd, precision**-0.5)


def test_pace_moves_the_level_of_a_car_that_is_held_up():
    fast = lap_times(SIZE, LAPS, slow={4: -0.3})
    known = state_from_lap_times(fast, race_row(LAPS), 40)
    assert int(np.argmax(known.pace)) == 4
