"""The rating state of a slate's as-of time: built once in a run, read by every asset that rates."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from nascar_assets.errors import InputError
from nascar_assets.history.ratings_state import RatingState, known_results
from nascar_assets.orchestration.inputs.past import all_results, past_features, results_before
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
    """The state that holds every race known by the plan's as-of time; stored for the run.

    It is the same to the byte whether it was built from nothing or from the one that was kept.
    """
    results = known_results(results_before(root, plan.as_of), plan.as_of)
    features = past_features(root, plan.as_of)
    kept = _Kept.read(root)
    begun = kept is not None and kept.leads_to(results, features, plan.as_of)
    state = kept.state if kept is not None and begun else RatingState.empty()
    newest = None if kept is None or begun else kept.state.known_at
    new = state.extend(results, plan.as_of, features)
    data = state.to_bytes()
    root.write(state_path(plan.slate_id), data)
    # One that knows less does not take another's place.
    if new and (newest is None or (state.known_at is not None and state.known_at >= newest)):
        root.write(KEPT, _origin(results, features, state.seen) + data)
    return state


def keep_season_start(root: DataRoot) -> None:
    """Keeps the state of the newest season's start, so that its slates need not begin from nothing.

    Not where a good one is kept, and not in a first season.
    """
    run = known_results(all_results(root), datetime.max.replace(tzinfo=UTC))
    if run.is_empty():
        return
    features, kept = past_features(root), _Kept.read(root)
    if kept is not None and kept.is_good(run, features):
        return
    start = run.filter(pl.col("season") == pl.col("season").max())["start_time"].min()
    assert isinstance(start, datetime)
    known, features = known_results(results_before(root, start), start), past_features(root, start)
    state = RatingState.empty()
    if state.extend(known, start, features):
        root.write(KEPT, _origin(known, features, state.seen) + state.to_bytes())


def load_rating_state(root: DataRoot, plan: SlatePlan) -> RatingState:
    """The state that the run stored; built again where another version stored it, in its form."""
    data = root.read(state_path(plan.slate_id))
    if data is not None:
        with suppress(InputError):
            return RatingState.from_bytes(data)
    return build_rating_state(root, plan)


@dataclass(frozen=True)
class _Kept:
    """The kept state and the hash of what it was built from."""

    origin: bytes
    state: RatingState

    @classmethod
    def read(cls, root: DataRoot) -> _Kept | None:
        """None where there is none, or none that can be read."""
        data = root.read(KEPT)
        if data is None:
            return None
        try:
            return cls(data[:_HASH], RatingState.from_bytes(data[_HASH:]))
        except InputError:
            return None

    def is_good(self, results: pl.DataFrame, features: pl.DataFrame) -> bool:
        """Whether its races' tables and the code are as then."""
        return self.origin == _origin(results, features, self.state.seen)

    def leads_to(self, results: pl.DataFrame, features: pl.DataFrame, as_of: datetime) -> bool:
        """Whether it is good, knows nothing later, and no race is missing before its last one."""
        known_at = self.state.known_at
        if known_at is None or known_at > as_of or not self.is_good(results, features):
            return False
        since = results.filter(~pl.col("race_id").is_in(list(self.state.seen)))["results_at"].min()
        # One known at the same moment may come before the last one in the order of races.
        return since is None or bool(since > known_at)  # type: ignore[operator]


def _origin(results: pl.DataFrame, features: pl.DataFrame, races: set[str]) -> bytes:
    """Hash of the code, and of the rows of some races that a state is built from."""
    digest = hashlib.sha256(forecasting_code().encode())
    for frame in (results, features):
        rows = frame.filter(pl.col("race_id").is_in(list(races))).sort("race_id", "driver_id")
        digest.update(content_hash(rows).encode())
    return digest.digest()
