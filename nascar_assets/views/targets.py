"""From what views state to targets: our own moments blended with theirs, contradictions refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.rules import RuleSet
from nascar_assets.views.in_force import sources_of
from nascar_assets.views.odds import chances_of_odds, margin_is_known
from nascar_assets.views.quantities import CEILING_CHANCE, QUANTITIES, TOPS

Floats = npt.NDArray[np.float64]

ROUNDING = 0.05
"""Share by which chances of a whole field may miss their sum: they are rounded, and rescaled."""
_CERTAIN = 1.0 - 1e-9
_WORTH_SAYING = 0.005
"""A stated chance of what never happens in the scenarios that is small enough to pass over."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The points that rules and race let each driver have.

    Attributes:
        best: Contest points of winning with every lap led and fastest, by driver id.
        worst: Contest points of finishing last without any, by driver id.
    """

    best: Mapping[str, float]
    worst: Mapping[str, float]

    @classmethod
    def of(cls, rules: RuleSet, starts: Mapping[str, int | None], laps: int) -> Bounds:
        """The bounds of a race.

        Args:
            rules: The contest's rules.
            starts: Scored starts by driver id; none where not known yet.
            laps: Scheduled laps.
        """
        size = len(starts)
        last = rules.finish[size - 1] if size <= len(rules.finish) else 0
        lap = rules.lap_led + rules.fastest_lap + rules.lap_completed
        best, worst = {}, {}
        for driver, start in starts.items():
            gained, lost = (start or size) - 1, (start or 1) - size
            top = rules.finish[0] + rules.place_differential * gained + lap * laps
            best[driver] = rules.points(top)
            worst[driver] = rules.points(last + rules.place_differential * lost)
        return cls(best, worst)


def refuse_contradictions(statements: pl.DataFrame, bounds: Bounds, new: str | None = None) -> None:
    """Refuses statements in force that cannot all be true.

    Args:
        statements: Those in force, a table `VIEWS`.
        bounds: The points that each driver can have, which name the field.
        new: The view that is being added, which nobody can drop yet.

    Raises:
        InputError: Naming the view, the drivers and the sum or bound at fault.
    """
    for part in statements.partition_by("author", maintain_order=True):
        try:
            _refuse_of_one(part, bounds)
        except _Contradiction as found:
            others = [view for view in part["view_id"].unique(maintain_order=True) if view != new]
            drop = f", or drop what is wrong (nascar views drop; here {', '.join(others)})"
            raise InputError(
                f"The views of {part['author'][0]} contradict themselves: {found}",
                file=part["file"][-1],
                remedy=f"Correct the file{drop if others else ''}.",
            ) from None


class _Contradiction(Exception):
    """What one author's statements say that cannot be, in words."""


def _refuse_of_one(part: pl.DataFrame, bounds: Bounds) -> None:
    """Refuses statements of one author that cannot all be true.

    Raises:
        _Contradiction: Naming the drivers and the sum or bound at fault.
    """
    _refuse_points(part, bounds)
    stated = _by_quantity(part)
    for name, places in TOPS.items():
        chances = stated.get(name, {})
        _refuse_sum(part, chances, name, places, len(bounds.best))
    for smaller, larger in combinations(TOPS, 2):
        for driver, chance in stated.get(smaller, {}).items():
            above = stated.get(larger, {}).get(driver, 1.0)
            if chance > above + 1e-9:
                raise _Contradiction(
                    f"{_name(part, driver)} has a {QUANTITIES[smaller].words} of {chance:.2%} "
                    f"and a {QUANTITIES[larger].words} of {above:.2%}, which holds it.",
                )
    ceilings, means = stated.get("ceiling_points", {}), stated.get("mean_points", {})
    for driver in ceilings.keys() & means.keys():
        if ceilings[driver] < means[driver]:
            raise _Contradiction(
                f"{_name(part, driver)} has a ceiling of {ceilings[driver]:g} points below "
                f"his mean of {means[driver]:g}.",
            )
    lower, upper = stated.get("min_exposure", {}), stated.get("max_exposure", {})
    for driver in lower.keys() & upper.keys():
        if lower[driver] > upper[driver]:
            raise _Contradiction(
                f"{_name(part, driver)} has a least exposure of {lower[driver]:.0%} above his "
                f"greatest of {upper[driver]:.0%}.",
            )


def _refuse_points(part: pl.DataFrame, bounds: Bounds) -> None:
    points = part.filter(
        pl.col("quantity").is_in(["mean_points", "sd_points", "ceiling_points"])
    ).iter_rows(named=True)
    for row in points:
        best, worst = bounds.best[row["driver_id"]], bounds.worst[row["driver_id"]]
        words = QUANTITIES[row["quantity"]].words
        if row["quantity"] == "sd_points":
            if row["value"] > (best - worst) / 2.0:
                raise _Contradiction(
                    f"the {words} of {row['name']} is {row['value']:g}, and his points lie between "
                    f"{worst:g} and {best:g}.",
                )
        elif not worst <= row["value"] <= best:
            side = "above the best" if row["value"] > best else "below the worst"
            raise _Contradiction(
                f"the {words} of {row['name']}, {row['value']:g}, is {side} that he can do in this "
                f"race ({best if row['value'] > best else worst:g} points).",
            )


def _refuse_sum(
    part: pl.DataFrame, chances: Mapping[str, float], name: str, places: int, size: int
) -> None:
    total, words = sum(chances.values()), QUANTITIES[name].words
    if total > places * (1.0 + ROUNDING):
        ordered = sorted(chances, key=lambda driver: -chances[driver])
        listed = ", ".join(f"{_name(part, d)} {chances[d]:.1%}" for d in ordered[:4])
        raise _Contradiction(
            f"the {words}s add up to {total:.1%}, more than the {places:.0%} that there is "
            f"({listed}{', ...' if len(ordered) > 4 else ''}).",
        )
    if len(chances) == size > places and total < places * (1.0 - ROUNDING):
        raise _Contradiction(
            f"the {words}s of the whole field add up to {total:.1%}, less than {places:.0%}.",
        )


def _name(part: pl.DataFrame, driver: str) -> str:
    return str(part.filter(pl.col("driver_id") == driver)["name"][0])


def _by_quantity(part: pl.DataFrame) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for quantity, driver, value in part.select("quantity", "driver_id", "value").iter_rows():
        found.setdefault(quantity, {})[driver] = value
    return found


@dataclass(frozen=True, slots=True)
class Target:
    """A mean that scenarios are tilted to.

    Attributes:
        driver: The driver's place among the cars.
        quantity: Key of `QUANTITIES`; odds have become chances.
        own: What the scenarios say by themselves.
        wanted: What they are to say: theirs and ours, by the views' confidence.
        threshold: For a ceiling the points whose exceedance is meant.
    """

    driver: int
    quantity: str
    own: float
    wanted: float
    threshold: float = 0.0


@dataclass(frozen=True)
class OwnMoments:
    """What the scenarios say by themselves.

    Attributes:
        driver_ids: The cars.
        points: Contest points [m, N].
        finish: Places [m, N].
    """

    driver_ids: tuple[str, ...]
    points: Floats
    finish: np.ndarray[Any, np.dtype[np.integer[Any]]]

    def chance(self, name: str) -> Floats:
        """Chance of each car [N] of one of `TOPS`."""
        return np.asarray((self.finish <= TOPS[name]).mean(axis=0), np.float64)


def blended_targets(
    statements: pl.DataFrame, own: OwnMoments
) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """Targets of everything that is stated, and notices of what no scenario can follow.

    Ours counts once, a view of confidence c as c / (1 - c): alone it moves a value the share c of
    the way. Where views are certain their mean is taken.

    Args:
        statements: Those in force, a table `VIEWS`.
        own: The scenarios' own moments.
    """
    place = {driver: at for at, driver in enumerate(own.driver_ids)}
    names = dict(statements.select("driver_id", "name").iter_rows())
    stated, notices = _stated_moments(statements, own, place)
    means, spreads = own.points.mean(axis=0), own.points.std(axis=0)
    never: dict[tuple[str, float], list[str]] = {}
    targets: list[Target] = []
    pinned: set[int] = set()
    for (driver, quantity), pairs in sorted(stated.items()):
        at, name = place[driver], names[driver]
        column = own.points[:, at]
        if quantity in TOPS:
            chance = float((own.finish[:, at] <= TOPS[quantity]).mean())
            if chance in (0.0, 1.0):
                if abs(max(value for value, _ in pairs) - chance) >= _WORTH_SAYING:
                    never.setdefault((quantity, chance), []).append(name)
                continue
            targets.append(Target(at, quantity, chance, blended(chance, pairs)))
        elif quantity == "mean_points":
            pinned.add(at)
            targets.append(Target(at, quantity, means[at], blended(means[at], pairs)))
        elif quantity == "sd_points":
            targets.append(Target(at, quantity, spreads[at], blended(spreads[at], pairs)))
        else:
            for value, confidence in pairs:
                chance = float((column >= value).mean())
                if chance in (0.0, 1.0):
                    notices.append(
                        f"{'No' if chance == 0.0 else 'Every'} scenario reaches the ceiling of "
                        f"{value:g} points of {name}: it moves nothing."
                    )
                    continue
                wanted = blended(chance, [(CEILING_CHANCE, confidence)])
                targets.append(Target(at, quantity, chance, wanted, threshold=value))
    notices += [
        f"In {'no' if chance == 0.0 else 'every'} scenario there is a "
        f"{QUANTITIES[quantity].words.removesuffix(' chance')} of {', '.join(drivers)}: views of "
        "it move nothing."
        for (quantity, chance), drivers in never.items()
    ]
    # A spread alone says nothing of the mean, which then stays ours.
    for target in [target for target in targets if target.quantity == "sd_points"]:
        if target.driver not in pinned:
            at = target.driver
            targets.append(Target(at, "mean_points", means[at], means[at]))
    kept, more = _within_sums(targets, own, statements)
    return kept, (*notices, *more)


def blended(own: float, stated: Sequence[tuple[float, float]]) -> float:
    """Our value and others', each by its confidence; see `blended_targets`."""
    certain = [value for value, confidence in stated if confidence >= _CERTAIN]
    if certain:
        return float(np.mean(certain))
    weights = [confidence / (1.0 - confidence) for _, confidence in stated]
    total = own + sum(w * value for w, (value, _) in zip(weights, stated, strict=True))
    return float(total / (1.0 + sum(weights)))


def _stated_moments(
    statements: pl.DataFrame, own: OwnMoments, place: Mapping[str, int]
) -> tuple[dict[tuple[str, str], list[tuple[float, float]]], list[str]]:
    """Value and confidence of each moment by driver and quantity; boards of odds made chances.

    And notices of boards whose margin cannot be known.
    """
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    notices = []
    moving = statements.filter(
        pl.col("quantity").is_in([name for name, item in QUANTITIES.items() if item.moves])
    )
    for (author, quantity), part in moving.group_by("author", "quantity", maintain_order=True):
        drivers, values = part["driver_id"].to_list(), part["value"].to_numpy()
        name = str(quantity)
        if QUANTITIES[name].family == "odds":
            name = name.removeprefix("odds_")
            ours, quoted = own.chance(name), [place[driver] for driver in drivers]
            values = chances_of_odds(values, ours, quoted, name)
            if not margin_is_known(ours, quoted, name):
                notices.append(
                    f"The {QUANTITIES[str(quantity)].words} of {author} are of {len(drivers)} of "
                    f"{len(place)} drivers, with {ours[quoted].sum() / TOPS[name]:.0%} of the "
                    "market by the forecast: the bookmaker's margin cannot be known from them, a "
                    "typical one is taken out."
                )
        elif name in TOPS and len(drivers) == len(place):
            values = values * TOPS[name] / values.sum()  # rounded: within ROUNDING of it
        limit = 1.0 if name in TOPS else np.inf
        for driver, value, confidence in zip(drivers, values, part["confidence"], strict=True):
            found.setdefault((driver, name), []).append((float(min(value, limit)), confidence))
    return found, notices


def _within_sums(
    targets: Iterable[Target], own: OwnMoments, statements: pl.DataFrame
) -> tuple[tuple[Target, ...], list[str]]:
    """The targets, and notices of chances of several views that exceed what there is together.

    These step back towards ours until they do not.
    """
    kept, notices = tuple(targets), []
    names = dict(statements.select("driver_id", "name").iter_rows())
    for name, places in TOPS.items():
        part = [target for target in kept if target.quantity == name]
        total, ours = sum(t.wanted for t in part), sum(t.own for t in part)
        if total <= places * (1.0 + ROUNDING):
            continue
        share = max(0.0, (places - ours) / (total - ours))
        kept = tuple(
            replace(t, wanted=t.own + share * (t.wanted - t.own)) if t.quantity == name else t
            for t in kept
        )
        first = sorted(part, key=lambda target: -target.wanted)[:4]
        listed = ", ".join(f"{names[own.driver_ids[t.driver]]} {t.wanted:.1%}" for t in first)
        whose = sources_of(statements.filter(pl.col("quantity").is_in([name, f"odds_{name}"])))
        notices.append(
            f"Taken together the {QUANTITIES[name].words}s by {whose} add up to {total:.1%}, more "
            f"than the {places:.0%} that there is ({listed}): they go {share:.0%} of the way."
        )
    return kept, notices
