"""Track catalogue: name, type, length and time zone of every track, by the feed's track id.

Lengths are those that the tracks publish; types follow how the cars race there: a superspeedway
is a track run in the draft with restricted engines (Daytona, Talladega, Atlanta since its
rebuilding in 2022), an oval shorter than 1.25 miles is short, dirt included, whatever turns right
is a road course, and the rest is intermediate.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from nascar_assets.rules.race_day import EASTERN

SHORT_BELOW_MILES = 1.25
"""Ovals below this length are short tracks."""

_ROAD_WORDS = (
    "road course",
    "street",
    "circuit",
    "roval",
    "grand prix",
    "autódromo",
    "autodromo",
    "raceway park road",
    "sports car course",
)
_EASTERN, _CENTRAL, _PACIFIC = "America/New_York", "America/Chicago", "America/Los_Angeles"


@dataclass(frozen=True, slots=True)
class Track:
    """One track over the seasons for which its description holds.

    Attributes:
        track_id: The feed's id.
        name: The name by which the track goes.
        track_type: `superspeedway`, `intermediate`, `short` or `road`.
        length_miles: One lap, in miles.
        zone: The track's time zone.
        first_season: First season of this description.
        last_season: Last one; none where it still holds.
    """

    track_id: str
    name: str
    track_type: str
    length_miles: float
    zone: ZoneInfo
    first_season: int = 0
    last_season: int | None = None


def _track(
    number: int,
    name: str,
    track_type: str,
    length: float,
    zone: str = _EASTERN,
    first: int = 0,
    last: int | None = None,
) -> Track:
    return Track(str(number), name, track_type, length, ZoneInfo(zone), first, last)


TRACKS: tuple[Track, ...] = (
    _track(4, "Darlington Raceway", "intermediate", 1.366),
    _track(14, "Bristol Motor Speedway", "short", 0.533),
    _track(22, "Martinsville Speedway", "short", 0.526),
    _track(26, "Richmond Raceway", "short", 0.75),
    _track(34, "Road America", "road", 4.048, _CENTRAL),
    _track(38, "Auto Club Speedway", "intermediate", 2.0, _PACIFIC),
    _track(39, "Chicagoland Speedway", "intermediate", 1.5, _CENTRAL),
    _track(40, "Homestead-Miami Speedway", "intermediate", 1.5),
    _track(41, "Kansas Speedway", "intermediate", 1.5, _CENTRAL),
    _track(42, "Las Vegas Motor Speedway", "intermediate", 1.5, _PACIFIC),
    _track(43, "Texas Motor Speedway", "intermediate", 1.5, _CENTRAL),
    _track(45, "World Wide Technology Raceway", "intermediate", 1.25, _CENTRAL),
    _track(47, "Lucas Oil Indianapolis Raceway Park", "short", 0.686),
    _track(51, "The Milwaukee Mile", "short", 1.015, _CENTRAL),
    _track(52, "Nashville Superspeedway", "intermediate", 1.333, _CENTRAL),
    _track(72, "Mid-Ohio Sports Car Course", "road", 2.258),
    _track(75, "Autódromo Hermanos Rodríguez", "road", 2.42, "America/Mexico_City"),
    _track(82, "Talladega Superspeedway", "superspeedway", 2.66, _CENTRAL),
    _track(84, "Phoenix Raceway", "short", 1.0, "America/Phoenix"),
    # Sonoma ran its carousel layout (2.52 miles) from 2019 to 2021.
    _track(99, "Sonoma Raceway", "road", 1.99, _PACIFIC, last=2018),
    _track(99, "Sonoma Raceway", "road", 2.52, _PACIFIC, 2019, 2021),
    _track(99, "Sonoma Raceway", "road", 1.99, _PACIFIC, 2022),
    _track(103, "Dover Motor Speedway", "short", 1.0),
    _track(105, "Daytona International Speedway", "superspeedway", 2.5),
    # Atlanta was rebuilt for 2022, narrower and steeper, and is run in the draft since.
    _track(111, "Atlanta Motor Speedway", "intermediate", 1.54, last=2021),
    _track(111, "Atlanta Motor Speedway", "superspeedway", 1.54, first=2022),
    _track(123, "Indianapolis Motor Speedway", "intermediate", 2.5),
    _track(133, "Michigan International Speedway", "intermediate", 2.0),
    _track(138, "New Hampshire Motor Speedway", "short", 1.058),
    _track(157, "Watkins Glen International", "road", 2.45),
    _track(159, "Bowman Gray Stadium", "short", 0.25),
    _track(162, "Charlotte Motor Speedway", "intermediate", 1.5),
    _track(175, "Rockingham Speedway", "short", 0.94),
    _track(177, "North Wilkesboro Speedway", "short", 0.625),
    _track(198, "Pocono Raceway", "intermediate", 2.5),
    _track(204, "Portland International Raceway", "road", 1.967, _PACIFIC),
    _track(206, "Iowa Speedway", "short", 0.875, _CENTRAL),
    # The Roval's infield was redrawn for 2024.
    _track(210, "Charlotte Motor Speedway Roval", "road", 2.32, last=2023),
    _track(210, "Charlotte Motor Speedway Roval", "road", 2.28, first=2024),
    _track(211, "Indianapolis Motor Speedway Road Course", "road", 2.439),
    # NASCAR uses the shorter national course of COTA since 2025.
    _track(214, "Circuit of The Americas", "road", 3.41, _CENTRAL, last=2024),
    _track(214, "Circuit of The Americas", "road", 2.4, _CENTRAL, first=2025),
    _track(215, "Knoxville Raceway", "short", 0.5, _CENTRAL),
    _track(216, "Bristol Motor Speedway Dirt", "short", 0.533),
    _track(217, "Los Angeles Memorial Coliseum", "short", 0.25, _PACIFIC),
    _track(218, "Chicago Street Course", "road", 2.2, _CENTRAL),
    _track(220, "Lime Rock Park", "road", 1.478),
    _track(221, "San Diego Street Course", "road", 3.4, _PACIFIC),
    _track(222, "Grand Prix of St. Petersburg", "road", 1.8),
)
"""Every track of the three series since 2022, and what is needed of the years before."""

_BY_ID: dict[str, tuple[Track, ...]] = {
    key: tuple(track for track in TRACKS if track.track_id == key)
    for key in {track.track_id for track in TRACKS}
}


def known_track(track_id: str, season: int) -> Track | None:
    """The catalogue's description of a track in a season; none for a track not in it."""
    for track in _BY_ID.get(track_id, ()):
        last = track.last_season
        if track.first_season <= season and (last is None or season <= last):
            return track
    return None


def describe_track(
    track_id: str,
    name: str,
    season: int,
    *,
    restrictor_plate: bool,
    scheduled_distance: float | None,
    scheduled_laps: int | None,
) -> Track:
    """A track by the catalogue, or by rule where the catalogue does not have it.

    The rule: restricted engines make a superspeedway; a name with a word such as `Road Course`,
    `Street`, `Circuit` or `Roval` makes a road course; an oval is short below 1.25 miles, else
    intermediate (also where its length is not known). The length is the scheduled distance over
    the scheduled laps; 0 where the schedule does not say. The time zone is Eastern.
    """
    found = known_track(track_id, season)
    if found is not None:
        return found
    length = 0.0
    if scheduled_distance and scheduled_laps:
        length = round(scheduled_distance / scheduled_laps, 3)
    folded = name.casefold()
    if restrictor_plate:
        track_type = "superspeedway"
    elif any(word in folded for word in _ROAD_WORDS):
        track_type = "road"
    elif 0 < length < SHORT_BELOW_MILES:
        track_type = "short"
    else:
        track_type = "intermediate"
    return Track(track_id, name, track_type, length, EASTERN)
