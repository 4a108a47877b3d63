"""What the graph says of a track and of drivers where no slate's compiled spec is at hand."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from nascar_assets.constraints import GraphStateView, RequirementKey
from nascar_assets.errors import InputError
from nascar_assets.ontology import GraphEngine, open_graph
from nascar_assets.ontology import queries as q
from nascar_assets.ontology.engine import GraphFault
from nascar_assets.orchestration.resources import Platform
from nascar_assets.service.contracts import OptimizeRequest
from nascar_assets.service.problems import RequestRefused, of_input_error
from nascar_assets.service.request_race import KnownTrackValues
from nascar_assets.service.track_names import NamedTrack, UnknownTrack, resolve_track

RETRY_SECONDS = 10
LOOKUP_SECONDS = 2.0
_PING_SECONDS = 2.0


class GraphReader:
    """Reads the graph server that the settings name, or the embedded graph with the newest state.

    The connection is kept; a newer state's file is opened when it is there. A state that was built
    later is not always newer: a slate may be run as of the past.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._lock = threading.Lock()
        self._engine: GraphEngine | None = None
        self._file: Path | None = None
        self._as_of: dict[tuple[Path, int], datetime | None] = {}
        self._pinged: tuple[float, str] = (float("-inf"), "")

    def lookup(
        self, request: OptimizeRequest, tracks: Sequence[NamedTrack]
    ) -> KnownTrackValues | None:
        """Values of the request's track and vetoes of its drivers; none without any graph.

        Raises:
            RequestRefused: 422 for an unknown track, 503 where the server does not answer.
        """
        if self._platform.graph_setting is None and self._newest_file() is None:
            return None
        try:
            track = resolve_track(request.scenario_config.track_id, tracks)
        except UnknownTrack as error:
            raise of_input_error(error, "TRACK_UNKNOWN") from error
        wanted = [RequirementKey("driver", driver.driver_id) for driver in request.drivers]
        key = RequirementKey("track", track.track_id)
        try:
            view = GraphStateView(self._opened())
            view.load([*wanted, key])
        except GraphFault as error:
            self.close()
            raise RequestRefused(
                503,
                "GRAPH_UNAVAILABLE",
                "The graph does not answer, and this slate has no compiled constraints yet.",
                remedy="Try again later, or name a slate that was run.",
                retry_after=RETRY_SECONDS,
            ) from error
        return KnownTrackValues(
            track=view.get(key) if view.has(key) else None,
            vetoes={item.id: view.get(item).veto_rules for item in wanted if view.has(item)},
        )

    def state(self) -> str:
        """`ok`, or what is wrong; asked at most every two seconds."""
        when, found = self._pinged
        if time.monotonic() - when > _PING_SECONDS:
            found = self._ping()
            self._pinged = (time.monotonic(), found)
        return found

    def _ping(self) -> str:
        try:
            self._opened().ping()
        except Exception as error:  # whatever it is, the graph does not answer
            self.close()
            return f"The graph does not answer ({type(error).__name__})."
        return "ok"

    def _opened(self) -> GraphEngine:
        file = None if self._platform.graph_setting else self._newest_file()
        with self._lock:
            if self._engine is not None and file == self._file:
                return self._engine
            if self._engine is not None:
                self._engine.close()
            self._engine = open_graph(
                self._platform.graph_setting,
                embedded_path=file,
                user=os.environ.get("NASCAR_GRAPH_USER"),
                password=os.environ.get("NASCAR_GRAPH_PASSWORD"),
                database=os.environ.get("NASCAR_GRAPH_DATABASE"),
                read_only=file is not None,
                time_limit=LOOKUP_SECONDS,
            )
            self._file = file
            if file is None and self._platform.graph_setting is None:
                self._engine.prepare()  # an empty graph in memory, to see that the engine works
            return self._engine

    def _newest_file(self) -> Path | None:
        """The embedded graph's state with the latest as-of time; none where none was ever built.

        A file that does not open, or whose graph has another form, is passed over unless there is
        no other.
        """
        try:
            files = list(self._platform.graph_folder.glob("ontology-*.lbug"))
            built = {path: path.stat().st_mtime_ns for path in files}
        except (InputError, OSError):
            return None  # an object store without a local folder, or a file just removed
        with self._lock:
            known = self._as_of
            self._as_of = {
                key: known[key] if key in known else _as_of(key[0]) for key in built.items()
            }
            oldest = datetime.min.replace(tzinfo=UTC)
            return max(
                files,
                key=lambda path: (self._as_of[path, built[path]] or oldest, built[path]),
                default=None,
            )

    def close(self) -> None:
        """Closes the connection; what is asked next opens another."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()


def _as_of(path: Path) -> datetime | None:
    """The as-of time of a file's state; none where the file cannot be read."""
    engine = None
    try:
        engine = open_graph(None, embedded_path=path, read_only=True, time_limit=LOOKUP_SECONDS)
        engine.ping()
        return datetime.fromisoformat(engine.read(q.READ_STATE)[0]["as_of"])
    except (GraphFault, LookupError, ValueError):
        return None
    finally:
        if engine is not None:
            engine.close()
