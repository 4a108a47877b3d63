"""Race scenarios: complete races, lap by lap, that obey the laws of the race."""

from nascar_assets.scenarios.diagnostics import Diagnostics, LawRecord, MarginalShift
from nascar_assets.scenarios.generation import TooManyRejectedError, generate_scenarios
from nascar_assets.scenarios.laws import LAWS, check_laws
from nascar_assets.scenarios.narrative import SkeletonNarrative
from nascar_assets.scenarios.parameters import ProcessParameters, TypeParameters
from nascar_assets.scenarios.regimes import REGIMES, RaceFlowRegime, classify
from nascar_assets.scenarios.result import STATUS, Scenarios
from nascar_assets.scenarios.setup import Entry, RaceSetup, RaceSetupError
from nascar_assets.scenarios.starting_values import STARTING_VALUES
from nascar_assets.scenarios.strategies import PitStrategy
from nascar_assets.scenarios.summary import summarise

__all__ = [
    "LAWS",
    "REGIMES",
    "STARTING_VALUES",
    "STATUS",
    "Diagnostics",
    "Entry",
    "LawRecord",
    "MarginalShift",
    "PitStrategy",
    "ProcessParameters",
    "RaceFlowRegime",
    "RaceSetup",
    "RaceSetupError",
    "Scenarios",
    "SkeletonNarrative",
    "TooManyRejectedError",
    "TypeParameters",
    "check_laws",
    "classify",
    "generate_scenarios",
    "summarise",
]
