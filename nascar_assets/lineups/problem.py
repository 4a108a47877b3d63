"""A portfolio's settings resolved against its slate: masks, bounds, and each in plain words."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nascar_assets.errors import InputError
from nascar_assets.files import plain_name
from nascar_assets.lineups.settings import (
    ContestSettings,
    DriverSettings,
    GroupSettings,
    PortfolioSettings,
    SettingsError,
    TeamSettings,
)
from nascar_assets.lineups.settings_rows import path_of, row_of
from nascar_assets.lineups.space_kernel import Rules
from nascar_assets.slates.slate import Slate, SlatePlayer

OWNERSHIP_SCALE = 1_000_000

MAX_RULES = 64
"""Rules on each lineup that one portfolio may have: one bit of a word each."""


@dataclass(frozen=True, slots=True)
class CountRule:
    """If a lineup holds all of `condition`, it holds `least` to `most` of `target`."""

    label: str
    condition: int
    target: int
    lower: int
    upper: int


@dataclass(frozen=True, slots=True)
class SumRule:
    """A lineup's sum of integer weights lies between `least` and `most`."""

    label: str
    weights: tuple[int, ...]
    lower: int
    upper: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """Between `least` and `most` lineups of the set hold one driver of `target` or more."""

    name: str
    target: int
    lower: int
    upper: int
    lower_label: str | None
    upper_label: str | None


@dataclass(frozen=True, slots=True)
class Problem:
    """What a portfolio has to satisfy, in numbers.

    Attributes:
        slate: The slate.
        settings: The settings as they were given.
        salary: [N] dollars.
        scale: [N] factors on points.
        ownership: [N] given ownerships, NaN where none is given.
        count_rules: Rules on each lineup that count drivers.
        sum_rules: Rules on each lineup that add up weights.
        exposures: Bounds over the set.
        group_masks: Drivers of each group of the settings.
        max_shared: Most drivers in common; roster size less one where no setting says so.
        notices: What a person should know about the resolution.
    """

    slate: Slate
    settings: PortfolioSettings
    salary: npt.NDArray[np.int64]
    scale: npt.NDArray[np.float64]
    ownership: npt.NDArray[np.float64]
    count_rules: tuple[CountRule, ...]
    sum_rules: tuple[SumRule, ...]
    exposures: tuple[Exposure, ...]
    group_masks: tuple[int, ...]
    max_shared: int
    notices: tuple[str, ...]

    @property
    def unmeetable(self) -> tuple[str, ...]:
        """What asks for more drivers in every lineup than there are of those it names, in words."""
        rules = (rule for rule in self.count_rules if not rule.condition)
        return tuple(rule.label for rule in rules if rule.target.bit_count() < rule.lower)

    def scaled(self, points: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        """[S, N] points as integers, a person's own factors applied."""
        return np.rint(points * self.scale).astype(np.int32)

    @property
    def cap(self) -> int:
        """Dollars that a lineup may cost."""
        return self.slate.rules.salary_cap

    @property
    def roster_size(self) -> int:
        """Drivers in a lineup."""
        return self.slate.rules.roster_size

    @property
    def lineups(self) -> int:
        """Lineups wanted."""
        return self.settings.lineups


_NAMED_OWNERSHIPS = 8
"""Given ownerships that are named one by one."""


def find_driver(slate: Slate, text: str, *, field: str) -> int:
    """Index into `slate.everyone` of the driver that a name, site id or driver id means.

    Raises:
        SettingsError: If nobody or more than one fits.
    """
    wanted, everyone = text.strip(), slate.everyone
    by_id = [i for i, p in enumerate(everyone) if wanted in (p.driver_id, p.site_id, p.name)]
    found = by_id or [
        i for i, p in enumerate(everyone) if plain_name(p.name) == plain_name(wanted) != ""
    ]
    if len({everyone[i].driver_id for i in found}) == 1:
        return found[0]
    if found:
        options = ", ".join(_described(everyone[i]) for i in found)
        raise SettingsError(
            f"{text!r} fits more than one driver: {options}.",
            field=field,
            remedy="Use the site id.",
        )
    names = {plain_name(p.name): p.name for p in everyone}
    near = difflib.get_close_matches(plain_name(wanted), list(names), n=1, cutoff=0.0)
    hint = f"The nearest name is {names[near[0]]!r}." if near else None
    raise SettingsError(
        f"no driver of slate {slate.slate_id} is called {text!r}.",
        field=field,
        remedy=hint,
    )


def _keys_of(slate: Slate, drivers: Mapping[str, DriverSettings], field: str) -> dict[int, str]:
    """What settings call each driver that they name, by his index into `slate.everyone`."""
    found: dict[int, str] = {}
    for key in drivers:
        i = find_driver(slate, key, field=f"{field}.{key}")
        if i in found:
            raise SettingsError(
                f"{key!r} and {found[i]!r} are the same driver.",
                field=f"{field}.{key}",
                remedy="Keep one of the two.",
            )
        found[i] = key
    return found


def for_contest(
    slate: Slate, settings: PortfolioSettings, section: ContestSettings, lineups: int
) -> PortfolioSettings:
    """The settings with those of a section of `contests` in their place, for so many lineups.

    A driver of the section takes the place of the same driver, whichever name or id each has.

    Raises:
        SettingsError: If a driver of either is unknown, ambiguous or named twice.
    """
    own = section.model_fields_set - {"name", "id", "max_entries", "repeat", "drivers"}
    held = _keys_of(slate, settings.drivers, "drivers")
    field = f"contests.{settings.contests.index(section)}.drivers"
    drivers = dict(settings.drivers)
    for i, key in _keys_of(slate, section.drivers, field).items():
        drivers[held.get(i, key)] = section.drivers[key]
    return settings.model_copy(
        update={
            **{name: getattr(section, name) for name in own},
            "drivers": drivers,
            "lineups": lineups,
            "contests": (),
        }
    )


def resolve(slate: Slate, settings: PortfolioSettings, vetoes: Sequence[CountRule] = ()) -> Problem:
    """Settings in numbers, every driver and team found.

    Drivers who do not race count for nothing: what bounds them from above is set aside with a
    notice, what asks for them stays as a rule that no lineup keeps, and is the conflict named.

    Args:
        slate: The slate.
        settings: What a person asks of the portfolio.
        vetoes: Rules on each lineup besides, as `veto_rules` gives them.

    Raises:
        SettingsError: If a driver or team is unknown, ambiguous or named twice, or there are more
            rules on a lineup than are taken.
    """
    n = len(slate.players)
    scale = np.ones(n)
    ownership = np.full(n, np.nan)
    rules: list[CountRule] = []
    exposures: list[Exposure] = []
    notices: list[str] = []
    absent: dict[str, None] = {}

    def found(names: Iterable[str], field: str) -> tuple[int, int, str]:
        """Mask of those who race, how many do not, and all names for a label."""
        mask, gone, words = 0, set[int](), dict[str, None]()
        for name in names:
            i = find_driver(slate, name, field=field)
            player = slate.everyone[i]
            words[player.name + (" (does not race)" if i >= n else "")] = None
            if i < n:
                mask |= 1 << i
            else:
                gone.add(i)
                absent[player.absence] = None
        return mask, len(gone), ", ".join(words)

    for i, key in _keys_of(slate, settings.drivers, "drivers").items():
        driver = settings.drivers[key]
        player = slate.everyone[i]
        name = player.name
        if i >= n:
            absent[player.absence] = None
            if driver.lock or driver.min_exposure:
                asked = "lock" if driver.lock else f"minimum exposure {driver.min_exposure:.1%} of"
                label = f"{asked} {name}, who does not race ({player.reason})"
                rules.append(CountRule(label, 0, 0, 1, n))
            continue
        if driver.lock:
            rules.append(CountRule(f"lock {name}", 0, 1 << i, 1, 1))
        if driver.exclude:
            rules.append(CountRule(f"exclude {name}", 0, 1 << i, 0, 0))
        if driver.ownership is not None:
            ownership[i] = driver.ownership
        if driver.points_multiplier != 1.0:
            scale[i] = driver.points_multiplier
            notices.append(f"Points of {name} are scaled by {driver.points_multiplier:g}.")
        exposure = _exposure(
            name, 1 << i, driver.min_exposure, driver.max_exposure, settings.lineups
        )
        exposures.extend(exposure)
    notices = _ownership_notices(slate, ownership) + notices
    rules.extend(_team_rules(slate, settings))
    groups = []
    for position, group in enumerate(settings.groups):
        members, gone, names = found(group.drivers, f"groups.{position}.drivers")
        groups.append(members)
        called = group.name or names
        if gone and not members and group.min_exposure:
            rules.append(CountRule(f"minimum exposure of {called}", 0, 0, 1, n))
        rules += _bounds(group, names, members, n)
        if members:
            exposures.extend(
                _exposure(called, members, group.min_exposure, group.max_exposure, settings.lineups)
            )
    for position, rule in enumerate(settings.rules):
        when, never, condition = found(rule.when, f"rules.{position}.if")
        then, gone, counted = found(rule.then, f"rules.{position}.then")
        lower = rule.at_least
        if lower is None:
            lower = 1 if rule.at_most is None else 0
        upper = n if rule.at_most is None else rule.at_most
        bound = f"at most {upper}" if rule.at_most is not None else f"at least {lower}"
        if rule.at_most is not None and lower:
            bound = f"{lower} to {upper}"
        label = f"if {condition} then {bound} of {counted}"
        if gone and then.bit_count() < lower:
            when = then = 0  # only who does not race could keep it: none on the others is meant
        if not never:
            rules.append(CountRule(label, when, then, lower, upper))
    notices += [f"{absence}: settings that name him count without him." for absence in absent]
    rules.extend(vetoes)
    notices.extend(f"{veto.label}." for veto in vetoes)
    salary = np.array([player.salary for player in slate.players], np.int64)
    sums = []
    if settings.salary_min is not None:
        label = f"salary of at least {settings.salary_min:,} in every lineup"
        cap = slate.rules.salary_cap
        sums.append(SumRule(label, tuple(salary.tolist()), settings.salary_min, cap))
    count = len(rules) + len(sums) + (settings.ownership_max is not None)
    if count > MAX_RULES:
        raise SettingsError(
            f"{count} rules on a lineup; at most {MAX_RULES} are taken.",
            remedy="Leave out drivers, teams, groups or rules that matter little.",
        )
    roster = slate.rules.roster_size
    shared = roster - 1 if settings.max_shared is None else min(settings.max_shared, roster - 1)
    return Problem(
        slate=slate,
        settings=settings,
        salary=salary,
        scale=scale,
        ownership=ownership,
        count_rules=tuple(rules),
        sum_rules=tuple(sums),
        exposures=tuple(exposures),
        group_masks=tuple(groups),
        max_shared=shared,
        notices=tuple(notices),
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """Lineups that stand before a set is chosen, of indices into `slate.everyone`.

    Attributes:
        taken: Lineups that may not be in the set.
        locked: Lineups of the set that stay: bounds over the set count them, and only the others
            are chosen.
    """

    taken: Collection[Sequence[int]] = ()
    locked: Collection[Sequence[int]] = ()


def beside(problem: Problem, held: Sequence[Sequence[int]]) -> Problem:
    """What is left to ask of a set's other lineups where some of it stay as they are.

    Args:
        problem: What the whole set has to satisfy.
        held: The lineups that stay, indices into `slate.everyone`.
    """
    if not held:
        return problem
    left = problem.lineups - len(held)
    exposures = []
    for exposure in problem.exposures:
        have = sum(any(exposure.target >> i & 1 for i in lineup) for lineup in held)
        said = f", {have} of them in locked entries"
        exposures.append(
            replace(
                exposure,
                # Where those that stay leave too few for it, all others have it; where they pass
                # a maximum already, none has.
                lower=min(max(exposure.lower - have, 0), left),
                upper=min(max(exposure.upper - have, 0), left),
                lower_label=exposure.lower_label and exposure.lower_label + said,
                upper_label=exposure.upper_label and exposure.upper_label + said,
            )
        )
    settings = problem.settings.model_copy(update={"lineups": left})
    return replace(problem, settings=settings, exposures=tuple(exposures))


def _ownership_notices(slate: Slate, ownership: npt.NDArray[np.float64]) -> list[str]:
    """Which ownerships are given; one sentence where they are a whole file's."""
    given = np.flatnonzero(~np.isnan(ownership)).tolist()
    if len(given) > _NAMED_OWNERSHIPS:
        return [f"Ownership of {len(given)} of {len(ownership)} drivers is taken as given."]
    return [f"Ownership of {slate.players[i].name} is taken as {ownership[i]:.1%}." for i in given]


def check_settings(slate: Slate, text: str, *, file: str | None = None) -> PortfolioSettings:
    """The settings of a TOML text, every driver and team in them and their sections found.

    Raises:
        SettingsError: Naming file, row and setting at fault.
    """
    settings = PortfolioSettings.from_toml(text, file=file)
    try:
        resolve(slate, settings)
        for section in settings.contests:
            resolve(slate, for_contest(slate, settings, section, settings.lineups))
    except SettingsError as error:
        raise located(error, text, file=file) from error
    return settings


def located(error: SettingsError, text: str, *, file: str | None) -> SettingsError:
    """The same error with the file and the row of its setting in that file's text."""
    row = None if error.field is None else row_of(text, path_of(error.field))
    return SettingsError(error.message, file=file, row=row, field=error.field, remedy=error.remedy)


def ownership_rule(upper: float, ownership: npt.NDArray[np.float64]) -> SumRule:
    """The bound on a lineup's summed ownership as integers, a millionth of a share each."""
    weights = tuple(int(w) for w in np.rint(ownership * OWNERSHIP_SCALE))
    label = f"expected ownerships of a lineup add up to at most {upper:.0%}"
    return SumRule(label, weights, 0, math.floor(upper * OWNERSHIP_SCALE + 1e-6))


def rule_arrays(
    count_rules: Iterable[CountRule], sum_rules: Iterable[SumRule], n_drivers: int
) -> Rules:
    """Rules as the arrays that the compiled enumeration takes."""
    counts = list(count_rules)
    sums = list(sum_rules)
    if len(counts) + len(sums) > MAX_RULES:
        raise InputError(
            f"{len(counts) + len(sums)} rules on a lineup; at most {MAX_RULES} are taken."
        )
    weights = np.array([rule.weights for rule in sums], np.int64).reshape(len(sums), n_drivers)
    return Rules(
        conditions=np.array([rule.condition for rule in counts], np.uint64),
        targets=np.array([rule.target for rule in counts], np.uint64),
        lower=np.array([rule.lower for rule in counts], np.int64),
        upper=np.array([rule.upper for rule in counts], np.int64),
        weights=weights,
        weight_lower=np.array([rule.lower for rule in sums], np.int64),
        weight_upper=np.array([rule.upper for rule in sums], np.int64),
    )


def _exposure(
    name: str, target: int, low: float | None, high: float | None, lineups: int
) -> list[Exposure]:
    if low is None and high is None:
        return []
    # Shares are decimal numbers: 0.3 of 20 lineups is 6, whatever its binary form says.
    lower = 0 if low is None else math.ceil(low * lineups - 1e-9)
    upper = lineups if high is None else math.floor(high * lineups + 1e-9)
    return [
        Exposure(
            name=name,
            target=target,
            lower=lower,
            upper=upper,
            lower_label=None
            if low is None
            else f"minimum exposure of {name}: {low:.1%} ({lower} of {lineups} lineups)",
            upper_label=None
            if high is None
            else f"maximum exposure of {name}: {high:.1%} ({upper} of {lineups} lineups)",
        )
    ]


def _team_rules(slate: Slate, settings: PortfolioSettings) -> list[CountRule]:
    rules: list[CountRule] = []
    teams: dict[str, tuple[str, int]] = {}
    for i, player in enumerate(slate.everyone):
        if player.team:
            name, mask = teams.get(plain_name(player.team), (player.team, 0))
            bit = 1 << i if i < len(slate.players) else 0
            teams[plain_name(player.team)] = (name, mask | bit)
    for key, team in settings.teams.items():
        if plain_name(key) not in teams:
            near = difflib.get_close_matches(plain_name(key), list(teams), n=1, cutoff=0.0)
            raise SettingsError(
                f"no driver of slate {slate.slate_id} drives for {key!r}.",
                field=f"teams.{key}",
                remedy=f"The nearest team is {teams[near[0]][0]!r}." if near else None,
            )
        name, mask = teams[plain_name(key)]
        rules += _bounds(team, name, mask, len(slate.players))
    return rules


def _bounds(
    settings: TeamSettings | GroupSettings, of: str, target: int, n: int
) -> list[CountRule]:
    """How many of a team or a group a lineup may hold; `n` drivers race."""
    rules = []
    if settings.at_least is not None:
        label = f"at least {settings.at_least} of {of}"
        rules.append(CountRule(label, 0, target, settings.at_least, n))
    if settings.at_most is not None:
        rules.append(
            CountRule(f"at most {settings.at_most} of {of}", 0, target, 0, settings.at_most)
        )
    return rules


def _described(player: SlatePlayer) -> str:
    return f"{player.name} (site id {player.site_id}, driver id {player.driver_id})"
