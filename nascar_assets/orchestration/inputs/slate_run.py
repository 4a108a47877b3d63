"""A slate's run as everything reads it: the plan, and what follows from it, each read once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg
import numpy as np
import numpy.typing as npt
import polars as pl

from nascar_assets.columns.column import types_of
from nascar_assets.columns.scenarios import SCENARIO_SUMMARY
from nascar_assets.constraints import ConstraintSpec, RunConfig, create_run_config
from nascar_assets.errors import InputError
from nascar_assets.feed.schemas import VIEWS
from nascar_assets.feed.sources import PEOPLES_VIEWS
from nascar_assets.ontology import OntologyState, build_state
from nascar_assets.orchestration.inputs.past import results_before
from nascar_assets.orchestration.inputs.schedule import Race, race_of
from nascar_assets.orchestration.inputs.slate_files import (
    load_spec,
    require_columns,
    run_config_path,
)
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan, plan_path
from nascar_assets.orchestration.resources import Platform
from nascar_assets.orchestration.storage.store import read_table, scan_table, table_path
from nascar_assets.rules import RuleSet, rule_set
from nascar_assets.rules.race_day import race_day
from nascar_assets.slates.slate import Slate
from nascar_assets.slates.stored import slate_from_polars
from nascar_assets.storage import DataRoot
from nascar_assets.storage.overhead import overhead

if TYPE_CHECKING:
    from nascar_assets.history.ratings_state import RatingState
    from nascar_assets.lineups import PortfolioSettings, Rivals
    from nascar_assets.lineups.settings import DriverSettings
    from nascar_assets.orchestration.inputs.process_parameters import UsedModel
    from nascar_assets.scenarios import RaceSetup, Scenarios

T = TypeVar("T")


class SlateRun:
    """One run of a slate: its plan, and what follows from it.

    Nothing but the plan is read before it is asked for, and then once: an asset asks for what it
    is downstream of.
    """

    def __init__(self, root: DataRoot, plan: SlatePlan) -> None:
        self.root, self.plan = root, plan
        self.slate_id, self.as_of = plan.slate_id, plan.as_of

    @classmethod
    def load(cls, root: DataRoot, slate_id: str) -> SlateRun:
        """The newest run of a slate.

        Raises:
            InputError: If the slate was never run.
        """
        return cls(root, SlatePlan.load(root, slate_id))

    def table(self, asset: str) -> pl.DataFrame:
        """The slate's own table of an asset.

        Raises:
            InputError: If it is a forecast that an earlier version stored in other columns.
        """
        found = read_table(self.root, asset, self.slate_id)
        if asset == "scenario_summary":
            require_columns(found, types_of(SCENARIO_SUMMARY), asset, self.slate_id)
        return found

    def has(self, asset: str) -> bool:
        """Whether there is a table of an asset for the slate."""
        return self.root.exists(table_path(asset, self.slate_id))

    def rows(self, asset: str) -> list[dict[str, Any]]:
        """The rows of the slate's own table of an asset; none where it has none."""
        return self.table(asset).to_dicts() if self.has(asset) else []

    @cached_property
    def race(self) -> Race:
        """The race's row of the schedule."""
        return race_of(self.root, self.plan)

    @cached_property
    def rules(self) -> RuleSet:
        """The rules of the slate's contest on the race's date."""
        return rule_set(self.plan.contest, race_day(self.plan.lock))

    @cached_property
    def results(self) -> pl.DataFrame:
        """RESULTS of every race that was known by the as-of time."""
        return results_before(self.root, self.as_of)

    @cached_property
    def slate(self) -> Slate:
        """The players, those who do not race among `everyone`."""
        return slate_from_polars(self.table("slate"))

    @cached_property
    def names(self) -> dict[str, str]:
        """Names of the race's drivers by id: as the salary file spells them, else as the feed."""
        entered = self.table("slate_field").select("driver_id", "driver_name")
        spelled = {player.driver_id: player.name for player in self.slate.everyone}
        return {**dict(entered.iter_rows()), **spelled}

    @cached_property
    def qualified(self) -> bool:
        """Whether the starting order was known by the as-of time."""
        return bool(self.table("slate_field")["start"].is_not_null().any())

    @cached_property
    def rating_state(self) -> RatingState:
        """What the races that were known by the as-of time say of drivers, teams and cars."""
        from nascar_assets.orchestration.inputs.rating_states import load_rating_state

        return load_rating_state(self.root, self.plan)

    @cached_property
    def spec(self) -> ConstraintSpec:
        """The compiled spec; one whose hash does not match is refused."""
        return load_spec(self.root, self.slate_id)

    @cached_property
    def model(self) -> UsedModel:
        """The race process that the run's scenarios were made with, and the version in use.

        Without scenarios it is that of the as-of time, by the fits and releases of now.
        """
        from nascar_assets.orchestration.inputs.process_parameters import kept_process, model_as_of

        found = model_as_of(self.root, self.race["series"], self.as_of)
        kept = kept_process(self.root, self.slate_id, self.plan.run_id)
        return found if kept is None else replace(found, parameters=kept)

    @cached_property
    def estimates(self) -> OntologyState:
        """The graph's own values, before people's overrides."""
        return build_state(
            self.table("slate_driver_values"),
            self.table("slate_track_values"),
            read_table(self.root, "schedule"),
            (),
            self.as_of,
            entrants=self.table("slate_field"),
        )

    @cached_property
    def views(self) -> pl.DataFrame:
        """What people stated of the race and whether it counts: a table `VIEWS`.

        Empty where the run was made before there were views.
        """
        stated = PEOPLES_VIEWS.table
        return self.table(stated) if self.has(stated) else pl.DataFrame(schema=VIEWS)

    def with_views(
        self, settings: PortfolioSettings, *, cash: bool | None = None, exposures: bool = True
    ) -> PortfolioSettings:
        """Settings, and their sections of contests, with what views say of exposures and field.

        Args:
            settings: What is asked of some lineups.
            cash: Whether the field of cash games is meant; where none is given, the prizes of the
                payout table that the settings name say it, and without one that is there it is not.
            exposures: Whether views' exposures are taken, too.
        """
        from nascar_assets.lineups.problem import for_contest
        from nascar_assets.lineups.view_settings import settings_with_views
        from nascar_assets.views.in_force import in_force

        views = in_force(self.views, "ownership", *(["exposures"] if exposures else []))
        if views.is_empty():
            return settings
        if cash is None:
            cash = self.kind_of_contest(settings) == "cash"
        stated = settings_with_views(settings, views, self.slate, cash=cash)
        # Each section by its own prizes: its drivers stand in the place of the portfolio's.
        sections = []
        for section in settings.contests:
            asked = for_contest(self.slate, settings, section, settings.lineups)
            own = self.with_views(asked, exposures=exposures)
            sections.append(section.model_copy(update={"drivers": own.drivers}))
        return stated.model_copy(update={"contests": tuple(sections)})

    def wishes(self, settings: PortfolioSettings) -> list[tuple[str, DriverSettings]]:
        """What settings and their sections of contests say of drivers, by the drivers' names."""
        from nascar_assets.lineups.problem import find_driver

        return [
            (self.slate.everyone[find_driver(self.slate, key, field=f"drivers.{key}")].name, said)
            for drivers in (settings.drivers, *(section.drivers for section in settings.contests))
            for key, said in drivers.items()
        ]

    def kind_of_contest(self, settings: PortfolioSettings) -> str:
        """The kind of contest by the prizes of the payout table that the settings name.

        Without one that is there it is a tournament: who fills or settles the contest says what is
        the matter with it.
        """
        from nascar_assets.lineups.ownership import kind_of_prizes
        from nascar_assets.orchestration.inputs.payout_files import landed_payouts

        if settings.payout is not None:
            with suppress(InputError):
                return kind_of_prizes(landed_payouts(self.root, settings.payout).prizes_cents)
        return "tournament"

    def under_views(
        self, settings: PortfolioSettings, make: Callable[[PortfolioSettings], T]
    ) -> tuple[T, tuple[str, ...]]:
        """What is made under settings and views, and notices where these gave way.

        Exposures of views may leave no lineups: several people's together, or shares of a whole
        portfolio among the few lineups of one contest. They give way first: returns are settled
        against the field that views state, which lineups should be chosen against.

        Args:
            settings: What is asked of the lineups.

        Raises:
            InfeasiblePortfolio: If the settings alone cannot be kept.
        """
        from nascar_assets.lineups import InfeasiblePortfolio
        from nascar_assets.lineups.view_settings import ownerships_left_out
        from nascar_assets.views.in_force import in_force, sources_of

        said = ownerships_left_out(settings, self.views, self.slate)
        found: list[InfeasiblePortfolio] = []
        tried = None
        for asked, families in (
            (self.with_views(settings), ()),
            (self.with_views(settings, exposures=False), ("exposures",)),
            (settings, ("ownership", "exposures")),
        ):
            if asked == tried:
                continue
            tried = asked
            try:
                made = make(asked)
            except InfeasiblePortfolio as error:
                found.append(error)
                continue
            if found:
                whose = sources_of(in_force(self.views, *families))
                said = (
                    f"No lineups keep the views, they are set aside ({whose}): {found[0]}",
                    *said,
                )
            return made, said
        raise found[-1]

    @cached_property
    def rivals(self) -> Rivals:
        """How rivals choose, by the contests that were added up to the as-of time."""
        from nascar_assets.lineups import Rivals
        from nascar_assets.orchestration.inputs.contest_store import field_fits

        fits = field_fits(self.root, self.as_of)
        return Rivals({kind: fit.parameters for kind, fit in fits.items()})

    @cached_property
    def setup(self) -> RaceSetup:
        """The race as its scenarios are drawn from it, cars at the rear by the views."""
        from nascar_assets.views.in_force import in_force
        from nascar_assets.views.rear import with_rear_starts

        rear = in_force(self.views, "rear").select("driver_id", pl.col("value").cast(pl.Int64))
        return with_rear_starts(self.setup_without_views, dict(rear.iter_rows()))

    @cached_property
    def setup_without_views(self) -> RaceSetup:
        """The race by its history and its starting order alone.

        A skill of the spec is measured against the graph's own estimate of it.
        """
        from nascar_assets.calibration.archive import race_to_forecast
        from nascar_assets.calibration.race_forecast import race_setup

        nodes = self.estimates.drivers
        skills = {"driver_id": [n.driver_id for n in nodes], "skill": [n.skill for n in nodes]}
        return race_setup(
            race_to_forecast(
                self.race,
                self.table("slate_field"),
                self.table("slate_ratings"),
                pl.DataFrame(skills),
                self.table("slate_track_values"),
                as_of=self.as_of,
            )
        )

    def keep_run_config(self) -> RunConfig:
        """Writes what repeats the run exactly, by its plan as it is now."""
        from nascar_assets.orchestration.inputs.provenance import code_version, data_hashes

        plan = self.plan
        field = scan_table(self.root, "slate_field", self.slate_id).select(pl.len()).collect()
        config = create_run_config(
            self.spec,
            {
                "n_scenarios": plan.n_scenarios,
                "field_size": field.item(),
                "race_length": self.race["scheduled_laps"],
                "slate_id": plan.slate_id,
                "race_id": plan.race_id,
                "as_of": plan.as_of.isoformat(),
                "settings": plan.settings,
                "prove": plan.prove,
                **({"without_views": True} if plan.without_views else {}),
                "parameters_hash": self.model.parameters.hash,
                "code_version": code_version(),
                "data": data_hashes(self.root, plan.slate_id),
            },
            plan.seed,
            now=plan.as_of,
        )
        self.root.write(run_config_path(self.slate_id), config.to_json().encode())
        return config

    def keep_settings(self) -> RunConfig:
        """Writes the run's RunConfig again, with the lineups' settings as the plan has them now.

        All else stays as it was: lineups that are made alone are chosen on scenarios of before,
        whatever code, fits and tables there are by now.
        """
        path = run_config_path(self.slate_id)
        try:
            before = RunConfig.from_json(self.root.read(path) or b"", source=path)
        except InputError:  # gone or damaged
            return self.keep_run_config()
        config = before.with_params(settings=self.plan.settings, prove=self.plan.prove)
        self.root.write(path, config.to_json().encode())
        return config

    @property
    def scenarios(self) -> Scenarios:
        """The stored scenarios."""
        return load_scenarios(self.root, self.slate_id)

    @cached_property
    def points(self) -> npt.NDArray[np.int32]:
        """Contest points of the players [S, N], in units of 1 / `rules.points_scale`."""
        return self.points_of(self.scenarios)

    def points_of(self, made: Scenarios) -> npt.NDArray[np.int32]:
        """Contest points of the players [S, N] in some scenarios of the race."""
        place = {driver: index for index, driver in enumerate(made.driver_ids)}
        columns = [place[player.driver_id] for player in self.slate.players]
        return np.ascontiguousarray(made.points(self.slate.rules)[:, columns])


_last_loaded: list[tuple[tuple[str, ...], Scenarios]] = []
"""The scenarios that were read last, with the tags of their files: a run reads them five times."""


@overhead("store")
def load_scenarios(root: DataRoot, slate_id: str) -> Scenarios:
    """A slate's stored scenarios."""
    from nascar_assets.scenarios import Scenarios

    paths = [table_path(asset, slate_id) for asset in ("scenarios", "scenario_races")]
    tags = (root.location, *(f"{path} {root.tag(path)}" for path in paths))
    for kept, made in _last_loaded:
        if kept == tags:
            return made
    # The tags are older than what is read: a file that changes in between is read again.
    made = Scenarios.from_polars(
        read_table(root, "scenarios", slate_id), read_table(root, "scenario_races", slate_id)
    )
    _last_loaded[:] = [(tags, made)]
    return made


class SlateRuns(dg.IOManager):
    """The plan between a slate's assets: written as JSON, read as the run that follows from it.

    The assets of one Dagster run share one `SlateRun` for as long as the plan is not written anew.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._read: dict[str, tuple[str | None, SlateRun]] = {}

    def handle_output(self, context: dg.OutputContext, obj: SlatePlan) -> None:
        """Writes the plan."""
        obj.save(self._platform.root)

    def load_input(self, context: dg.InputContext) -> SlateRun:
        """The run of the partition's plan."""
        return self.run_of(context.asset_partition_key)

    def run_of(self, slate_id: str) -> SlateRun:
        """The run of a slate's plan, the same one while the plan is the same.

        Raises:
            InputError: If the slate was never run.
        """
        root = self._platform.root
        tag = root.tag(plan_path(slate_id))
        if slate_id not in self._read or self._read[slate_id][0] != tag:
            self._read[slate_id] = (tag, SlateRun.load(root, slate_id))
        return self._read[slate_id][1]


def runs_of(platform: Platform) -> dg.IOManagerDefinition:
    """The slates' runs of a platform; no run's configuration can point them elsewhere."""
    config: dict[str, Any] = {}
    return dg.IOManagerDefinition(lambda _: SlateRuns(platform), config_schema=config)
