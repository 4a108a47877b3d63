"""The rating state of a slate's cut-off: built once in a run, read by every asset that rates."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.history.ratings_state import RatingState, known_results
from nascar_assets.orchestration.inputs.features import past_features
from nascar_assets.orchestration.inputs.past import all_results, results_before
from nascar_assets.orchestration.inputs.race_scores import forecasting_code
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.metadata import content_hash
from nascar_assets.storage import DataRoot

KEPT = "store/rating_state_kept.bin"
"""The newest state of any slate or of a season's start, behind a hash of what it was built from:
where the next slate's begins, which then takes in the races that came since. What is missing is
built again."""

_HASH = hashlib.sha256().digest_size


def state_path(slate_id: str) -> str:
    """Where a slate's rating state lies."""
    return f"store/rating_state/{slate_id}.bin"


def build_rating_state(root: DataRoot, plan: SlatePlan) -> RatingState:
    """The state that holds every race known by the plan's cut-off; stored for the run.

    It is the same to the byte whether it was built from nothing or from the one that was kept.
    """
    results = known_results(results_before(root, plan.as_of), plan.as_of)
    features = past_features(root)
    kept = _kept(root, results, features, plan.as_of)
    state = kept or RatingState.empty()
    new = state.extend(results, plan.as_of, features)
    data = state.to_bytes()
    root.write(state_path(plan.slate_id), data)
    if new and (kept is not None or _is_newer(root, state)):
        root.write(KEPT, _origin(results, features, state.seen) + data)
    return state


def keep_season_start(root: DataRoot) -> None:
    """Keeps the state of the newest season's start, so that its slates need not begin from nothing.

    Not where a good one is kept, and not in a first season.
    """
    run = known_results(all_results(root), datetime.max.replace(tzinfo=UTC))
    if run.is_empty():
        return
    start = run.filter(pl.col("season") == pl.col("season").max())["start_time"].min()
    assert isinstance(start, datetime)
    features, data = past_features(root), root.read(KEPT)
    kept = None if data is None else _read(data)
    if data is not None and kept is not None and data[:_HASH] == _origin(run, features, kept.seen):
        return
    state = RatingState.empty()
    known = known_results(results_before(root, start), start)
    if state.extend(known, start, features):
        root.write(KEPT, _origin(known, features, state.seen) + state.to_bytes())


def load_rating_state(root: DataRoot, plan: SlatePlan) -> RatingState:
    """The state that the run stored."""
    data = root.read(state_path(plan.slate_id))
    assert data is not None  # downstream of the asset that builds it
    return RatingState.from_bytes(data)


def _kept(
    root: DataRoot, results: pl.DataFrame, features: pl.DataFrame, as_of: datetime
) -> RatingState | None:
    """The kept state, where it knows nothing later and its races' tables and the code are as then.

    None as well where a race came to be known since that was known before its last one.
    """
    data = root.read(KEPT)
    state = None if data is None else _read(data)
    if data is None or state is None or state.known_at is None or state.known_at > as_of:
        return None
    if data[:_HASH] != _origin(results, features, state.seen):
        return None
    since = results.filter(~pl.col("race_id").is_in(list(state.seen)))["results_at"].min()
    return state if since is None or since >= state.known_at else None  # type: ignore[operator]


def _is_newer(root: DataRoot, state: RatingState) -> bool:
    """Whether a state is to be kept instead of the one that is: not where it knows less."""
    data = root.read(KEPT)
    kept = None if data is None else _read(data)
    if kept is None or kept.known_at is None:
        return True
    return state.known_at is not None and state.known_at >= kept.known_at


def _read(data: bytes) -> RatingState | None:
    try:
        return RatingState.from_bytes(data[_HASH:])
    except InputError:
        return None


def _origin(results: pl.DataFrame, features: pl.DataFrame, races: set[str]) -> bytes:
    """Hash of the code, and of the rows of some races that a state is built from."""
    digest = hashlib.sha256(forecasting_code().encode())
    for frame in (results, features):
        rows = frame.filter(pl.col("race_id").is_in(list(races))).sort("race_id", "driver_id")
        digest.update(content_hash(rows).encode())
    return digest.digest()
