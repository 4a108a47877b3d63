"""The tables that history hands on, as schemas; `columns.history` says what each column means."""

from __future__ import annotations

from nascar_assets.columns import history
from nascar_assets.columns.column import types_of

EQUIPMENT_CHANCE = "equipment_chance"
"""Column beside `ENTRIES` before there is an entry list: the chance that a driver's team, car and
make are those of the row, which he had in his last race."""

RATINGS = types_of(history.RATINGS)
"""One row per entrant of a race to come. The field's mean is 0; units are normal scores."""

DRIVER_VALUES = types_of(history.DRIVER_VALUES)
"""One row per driver: what the ontology graph stores. Values lie in [0, 1]."""

TRACK_VALUES = types_of(history.TRACK_VALUES)
"""One row per track. Values lie in [0, 1] with 0.5 for the average track of the type."""
