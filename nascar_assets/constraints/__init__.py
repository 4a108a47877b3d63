"""The ontology compiled into immutable values, run versioning, and the constraint contract."""

from nascar_assets.constraints.checks import ConstraintValueError, MissingConstraintError
from nascar_assets.constraints.compiler import (
    CompileError,
    ConstraintCompiler,
    compile_constraints_from_neo4j,
)
from nascar_assets.constraints.models import (
    SPEC_VERSION,
    ConstraintSpec,
    DriverConstraints,
    TrackConstraints,
    version_from_constraints,
)
from nascar_assets.constraints.run_config import (
    RunConfig,
    create_run_config,
    load_run_config,
    save_run_config,
)

__all__ = [
    "SPEC_VERSION",
    "CompileError",
    "ConstraintCompiler",
    "ConstraintSpec",
    "ConstraintValueError",
    "DriverConstraints",
    "MissingConstraintError",
    "RunConfig",
    "TrackConstraints",
    "compile_constraints_from_neo4j",
    "create_run_config",
    "load_run_config",
    "save_run_config",
    "version_from_constraints",
]
