"""The tables that history hands on: ratings of a race's entrants, ontology values, track values."""

from __future__ import annotations

import polars as pl

from nascar_assets.feed.schemas import UTC_TIME

EQUIPMENT_CHANCE = "equipment_chance"
"""Column beside `ENTRIES` before there is an entry list: the chance that a driver's team, car and
make are those of the row, which he had in his last race."""

RATINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "race_id": pl.String,
    "driver_id": pl.String,
    "as_of": UTC_TIME,  # nothing later than this was used
    "rating": pl.Float64,  # expected within-race normal score from past races, higher is better
    "rating_sd": pl.Float64,  # its posterior standard deviation
    "level": pl.Float64,  # expected normal score of the finish, with all that was known by as_of
    "level_sd": pl.Float64,
    "races": pl.Int32,  # past races of the driver that the rating used, all series
    "newcomer": pl.Boolean,  # rated from team, equipment and series alone
}
"""One row per entrant of a race to come. The field's mean is 0; units are normal scores."""

DRIVER_VALUES: dict[str, pl.DataType | type[pl.DataType]] = {
    "driver_id": pl.String,
    "name": pl.String,
    "team": pl.String,  # null where unknown
    "manufacturer": pl.String,
    "series": pl.String,  # where he raced last
    "skill": pl.Float64,  # Phi of the standardised rating; 0.5 is neutral
    "skill_se": pl.Float64,
    "psyche_aggression": pl.Float64,  # involvement in accidents net of skill; 0.5 is neutral
    "psyche_aggression_se": pl.Float64,
    "shadow_risk": pl.Float64,  # retirements and race-to-race spread; 0.5 is neutral
    "shadow_risk_se": pl.Float64,
    "realpolitik_pos": pl.Float64,  # advantage from team and equipment
    "realpolitik_pos_se": pl.Float64,
    "races": pl.Int32,
    "data_through": UTC_TIME,  # start of the last race used
}
"""One row per driver: what the ontology graph stores. Values lie in [0, 1]."""

TRACK_VALUES: dict[str, pl.DataType | type[pl.DataType]] = {
    "track_id": pl.String,
    "name": pl.String,
    "track_type": pl.String,
    "length_miles": pl.Float64,
    "difficulty": pl.Float64,  # how slowly the order changes; 0.5 is neutral
    "difficulty_se": pl.Float64,
    "aggression_factor": pl.Float64,  # size of accidents
    "aggression_factor_se": pl.Float64,
    "caution_rate": pl.Float64,  # cautions per mile against the average track
    "caution_rate_se": pl.Float64,
    "pit_window_laps": pl.List(pl.Int32),  # ascending laps by which a full tank is used up
    "races": pl.Int32,
    "data_through": UTC_TIME,
}
"""One row per track. Values lie in [0, 1] with 0.5 for the average track of the type."""
