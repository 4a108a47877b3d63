"""A race to simulate many times: the skeleton of each scenario, and who does what in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass

from nascar_assets.constraints.models import ConstraintSpec
from nascar_assets.scenarios.generation import generate_scenarios
from nascar_assets.scenarios.parameters import ProcessParameters
from nascar_assets.scenarios.result import Scenarios
from nascar_assets.scenarios.setup import RaceSetup
from nascar_assets.scenarios.strategies import PitStrategy


@dataclass(eq=False)
class SkeletonNarrative:
    """A race to simulate: the skeleton says what kind of race, the narrative who does what.

    Public interface: the same as `generate_scenarios`, for callers with one race.

    Attributes:
        spec: Compiled constraints; none for neutral values throughout.
        race_setup: The race.
        parameters: Race process; none for the starting values.
        pit_strategy_mix: Weights of the pit strategies.
        vetoes: Codes of further veto rules on the race.
    """

    spec: ConstraintSpec | None
    race_setup: RaceSetup
    _: KW_ONLY
    parameters: ProcessParameters | None = None
    pit_strategy_mix: Mapping[PitStrategy, float] | None = None
    vetoes: Sequence[str] = ()

    def generate_scenarios(self, n: int, seed: int, *, threads: int | None = None) -> Scenarios:
        """Simulate `n` valid races; see `nascar_assets.scenarios.generate_scenarios`."""
        return generate_scenarios(
            self.spec,
            self.race_setup,
            n,
            seed,
            parameters=self.parameters,
            pit_strategy_mix=self.pit_strategy_mix,
            vetoes=self.vetoes,
            threads=threads,
        )
