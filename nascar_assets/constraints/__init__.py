"""The ontology compiled into immutable values, run versioning, and the constraint contract."""

from nascar_assets.constraints.checks import ConstraintValueError, MissingConstraintError
from nascar_assets.constraints.codes import CODES, Code
from nascar_assets.constraints.compiler import (
    ConstraintCompiler,
    compile_constraints_from_neo4j,
    compile_for_state,
)
from nascar_assets.constraints.contract import (
    Allow,
    Constraint,
    ConstraintContext,
    ConstraintResult,
    Deny,
    MissingRequirementError,
    RequirementKey,
    StateView,
    Unknown,
)
from nascar_assets.constraints.evaluate import evaluate_constraints, explain_constraints
from nascar_assets.constraints.facts import PlayerFact, RaceFact, SlateFact, TeamFact
from nascar_assets.constraints.lineup_check import LineupChecker
from nascar_assets.constraints.models import (
    ConstraintSpec,
    DriverConstraints,
    TrackConstraints,
    version_from_constraints,
)
from nascar_assets.constraints.planner import ConstraintPlanner
from nascar_assets.constraints.rows import CompileError
from nascar_assets.constraints.rules import lineup_constraints, request_constraints
from nascar_assets.constraints.run_config import (
    RunConfig,
    create_run_config,
    load_run_config,
    save_run_config,
)
from nascar_assets.constraints.summaries import driver_summary, slate_summary
from nascar_assets.constraints.views import (
    GraphStateView,
    InMemoryStateView,
    ProjectedStateView,
)

__all__ = [
    "CODES",
    "Allow",
    "Code",
    "CompileError",
    "Constraint",
    "ConstraintCompiler",
    "ConstraintContext",
    "ConstraintPlanner",
    "ConstraintResult",
    "ConstraintSpec",
    "ConstraintValueError",
    "Deny",
    "DriverConstraints",
    "GraphStateView",
    "InMemoryStateView",
    "LineupChecker",
    "MissingConstraintError",
    "MissingRequirementError",
    "PlayerFact",
    "ProjectedStateView",
    "RaceFact",
    "RequirementKey",
    "RunConfig",
    "SlateFact",
    "StateView",
    "TeamFact",
    "TrackConstraints",
    "Unknown",
    "compile_constraints_from_neo4j",
    "compile_for_state",
    "create_run_config",
    "driver_summary",
    "evaluate_constraints",
    "explain_constraints",
    "lineup_constraints",
    "load_run_config",
    "request_constraints",
    "save_run_config",
    "slate_summary",
    "version_from_constraints",
]
