"""Tracks by what people call them: the feed's id, the name, or a short form such as `daytona`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nascar_assets.errors import InputError
from nascar_assets.feed.names import normalise_name
from nascar_assets.feed.tracks import TRACKS


@dataclass(frozen=True, slots=True)
class NamedTrack:
    """A track as a request may name it.

    Attributes:
        track_id: The feed's id.
        length_miles: Length of a lap; none where unknown.
    """

    track_id: str
    name: str
    track_type: str
    length_miles: float | None


class UnknownTrack(InputError):
    """No track, or more than one, fits what was asked for."""


_GENERIC = re.compile(
    r"\b(international|motor|sports car|lucas oil|the|of|superspeedway|speedway|raceway|park|"
    r"circuit|course|stadium|grand prix|world wide technology)\b"
)

_SHORT_FORMS: Mapping[str, str] = {
    "austin": "214",
    "bowman": "159",
    "brickyard": "123",
    "chicago street": "218",
    "clash": "217",
    "coliseum": "217",
    "cota": "214",
    "fontana": "38",
    "gateway": "45",
    "glen": "157",
    "homestead": "40",
    "indianapolis": "123",
    "indy": "123",
    "indy road course": "211",
    "irp": "47",
    "loudon": "138",
    "mexico": "75",
    "mexico city": "75",
    "milwaukee": "51",
    "nhms": "138",
    "north wilkesboro": "177",
    "roval": "210",
    "san diego": "221",
    "st petersburg": "222",
    "vegas": "42",
    "wilkesboro": "177",
    "wwt": "45",
    "wwtr": "45",
}
"""What people say where it is not a part of the name itself, or a part of more than one."""


def catalogue(season: int) -> list[NamedTrack]:
    """The tracks of the catalogue as they were in a season."""
    return [
        NamedTrack(track.track_id, track.name, track.track_type, track.length_miles)
        for track in TRACKS
        if track.first_season <= season
        and (track.last_season is None or season <= track.last_season)
    ]


def resolve_track(asked: str, tracks: Sequence[NamedTrack]) -> NamedTrack:
    """The track that an id, a name or a short form means.

    Tried in this order, the first that finds a track decides: the id; the name; a short form of
    the table; the name without words such as `Motor Speedway`; a name that begins with it.

    Args:
        tracks: The tracks there are; of two with the same id the first one counts.

    Raises:
        UnknownTrack: If no track fits, or several do.
    """
    by_id: dict[str, NamedTrack] = {}
    for track in tracks:
        by_id.setdefault(track.track_id, track)
    if asked in by_id:
        return by_id[asked]
    wanted = normalise_name(asked)
    names = {key: normalise_name(track.name) for key, track in by_id.items()}
    short = _SHORT_FORMS.get(wanted)
    attempts = (
        [key for key, name in names.items() if name == wanted],
        [short] if short in by_id else [],
        [key for key, name in names.items() if wanted and _core(name) == wanted],
        [key for key, name in names.items() if len(wanted) > 2 and name.startswith(f"{wanted} ")],
        [key for key, name in names.items() if len(wanted) > 4 and name.startswith(wanted)],
    )
    for found in attempts:
        if len(found) == 1:
            return by_id[str(found[0])]
        if found:
            several = ", ".join(f"{by_id[str(key)].name} ({key})" for key in found)
            raise UnknownTrack(
                f"{asked!r} fits more than one track: {several}.",
                field="scenario_config.track_id",
                remedy="Give the id.",
            )
    near = difflib.get_close_matches(wanted, list(names.values()), n=3, cutoff=0.5)
    nearest = [f"{by_id[key].name} ({key})" for key, name in names.items() if name in near]
    raise UnknownTrack(
        f"No track is called {asked!r}.",
        field="scenario_config.track_id",
        remedy=f"Nearest: {', '.join(nearest)}." if nearest else "Give the feed's id of the track.",
    )


def _core(name: str) -> str:
    return " ".join(_GENERIC.sub(" ", name).split())
