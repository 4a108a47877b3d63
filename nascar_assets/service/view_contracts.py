"""The contracts of a slate's views: what people stated of its race, and what it did."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from nascar_assets.service.contracts import Contract, Notice, Text

ViewText = Annotated[str, Field(max_length=500)]
Confidence = Annotated[float, Field(ge=0, le=1)]


class SlateView(Contract):
    """One view: who said what, when, why, and with what weight."""

    view_id: str
    file: str
    author: str
    why: str
    landed_at: datetime = Field(description="Since when it is known.")
    dropped_at: datetime | None = Field(description="When it was taken back.")
    confidence: float | None = Field(
        description="How far it moves the forecast towards itself; none: each quantity's default, "
        "0.5, of odds 0."
    )
    states: tuple[str, ...] = Field(description="What it speaks of, as `mean points`.")
    drivers: int = Field(description="Drivers of whom it speaks.")
    counts: dict[str, int] = Field(
        description="How many of its statements the newest run counts (`in force`), or why not; "
        "empty where that run did not have it."
    )
    standing: str = Field(
        description="`in the newest run`, `waits for the next run`, `dropped`, ..., in words."
    )


class StatedValue(Contract):
    """What one cell of a view says of one driver."""

    row: int
    name: str
    driver_id: str | None = Field(description="None before a run has looked him up.")
    quantity: str
    words: str = Field(description="The quantity in words.")
    unit: str = Field(description="`points`, `share`, `odds` (decimal), `seconds` or `place`.")
    value: float
    state: str = Field(description="`in force`, or why it does not count.")


class SlateViewDetail(SlateView):
    """One view with everything that it states."""

    statements: tuple[StatedValue, ...]


class ViewTarget(Contract):
    """A mean that the scenarios were tilted to."""

    driver_id: str
    name: str
    quantity: str
    words: str = Field(description="What is meant, in words.")
    unit: Literal["points", "share"]
    own: float = Field(description="What the scenarios say by themselves.")
    wanted: float = Field(description="Theirs and ours, blended by the views' confidence.")
    reached: float = Field(description="What the tilted scenarios say.")


class ViewEffect(Contract):
    """One player without and with the views. Chances and shares are in [0, 1]."""

    driver_id: str
    name: str
    start: int | None = Field(description="Place in which he runs off.")
    scored_start: int | None = Field(description="Start that his points count from.")
    mean_points_before: float
    mean_points: float
    win_before: float
    win: float
    optimal_share_before: float
    optimal_share: float


class SlateViews(Contract):
    """A slate's views in the order in which they landed, and what they did to its newest run."""

    slate: str
    run_id: str | None = Field(description="The newest run; none before there is one.")
    as_of: datetime | None
    without_views: bool = Field(description="Whether that run was asked to leave views out.")
    waits: bool = Field(description="Whether a run would take in something that this one did not.")
    views: tuple[SlateView, ...]
    n_scenarios: int | None
    effective_scenarios: float | None = Field(
        description="Equal scenarios that the tilted ones are worth; none where nothing is tilted."
    )
    share: float | None = Field(description="Share of the views' confidence that was reached.")
    targets: tuple[ViewTarget, ...]
    effects: tuple[ViewEffect, ...] = Field(
        description="Those whom the views move furthest first; empty where none is moved."
    )
    record: str = Field(description="Whether views helped in earlier slates; empty: not known.")


class RearStart(Contract):
    """A driver who starts behind the field."""

    driver: Text = Field(description="His name, the contest site's id or the feed's.")
    scored: Literal["grid", "rear"] = Field(
        description="`grid`: points count from his qualified place (a backup car, an adjustment "
        "after qualifying); `rear`: from the back (qualifying disallowed)."
    )
    why: Annotated[str, Field(min_length=1, max_length=500)] = Field(description="The reason.")
    author: ViewText | None = Field(default=None, description="Who says so; none: the key's name.")


class RowAtFault(Contract):
    """A row of a file that cannot be used."""

    row: int
    name: str
    reason: str
    nearest: tuple[str, ...] = Field(description="Who may be meant, the nearest first.")


class ViewTaken(Contract):
    """A view that was taken; one before lock counts from the slate's next run on."""

    kind: Literal["view"] = "view"
    slate: str
    run_id: str
    view_id: str
    fresh: bool = Field(description="False: it was there already, and nothing changed.")
    states: tuple[str, ...]
    drivers: int
    statements: int
    in_force: int = Field(description="Statements that a run of now would count; 0 after lock.")
    notices: tuple[Notice, ...]
