"""The rating state of a slate's cut-off: built once in a run, read by every asset that rates."""

from __future__ import annotations

from nascar_assets.history.ratings_state import RatingState
from nascar_assets.orchestration.inputs.features import past_features
from nascar_assets.orchestration.inputs.past import results_before
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.storage import DataRoot


def state_path(slate_id: str) -> str:
    """Where a slate's rating state lies."""
    return f"store/rating_state/{slate_id}.bin"


def build_rating_state(root: DataRoot, plan: SlatePlan) -> RatingState:
    """The state that holds every race known by the plan's cut-off; stored for the run."""
    state = RatingState.empty()
    state.extend(results_before(root, plan.as_of), plan.as_of, past_features(root))
    root.write(state_path(plan.slate_id), state.to_bytes())
    return state


def load_rating_state(root: DataRoot, plan: SlatePlan) -> RatingState:
    """The state that the run stored."""
    data = root.read(state_path(plan.slate_id))
    assert data is not None  # downstream of the asset that builds it
    return RatingState.from_bytes(data)
