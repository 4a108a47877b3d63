"""What views answer with: slates, races and teams as small frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nascar_assets.constraints.checks import integer, text_id, texts, utc_time
from nascar_assets.constraints.frozen import FrozenMap
from nascar_assets.slates.slate import Slate, marked_out


@dataclass(frozen=True, slots=True)
class PlayerFact:
    """One driver of a slate.

    Attributes:
        driver_id: The feed's id.
        salary: Dollars.
        team: Team, where known.
        status: The salary file's status, where given; `OUT` for one who does not race.
    """

    driver_id: str
    salary: int
    team: str | None = None
    status: str | None = None

    @property
    def withdrawn(self) -> bool:
        """Whether he does not race."""
        return marked_out(self.status)


@dataclass(frozen=True, slots=True)
class SlateFact:
    """One slate. Facts of drivers and tracks are their compiled constraints.

    Attributes:
        slate_id: The slate.
        race_id: Its race.
        lock: When lineups lock (UTC).
        roster_size: Drivers in a lineup.
        salary_cap: Dollars.
        players: By driver id.
        features: Names of the features that are known by the slate's as-of time, sorted.
    """

    slate_id: str
    race_id: str
    lock: datetime
    roster_size: int
    salary_cap: int
    players: FrozenMap[str, PlayerFact]
    features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        model = f"Slate {self.slate_id}"
        text_id("A slate", "slate_id", self.slate_id)
        set_(self, "lock", utc_time(model, "lock", self.lock))
        integer(model, "roster_size", self.roster_size, at_least=1)
        integer(model, "salary_cap", self.salary_cap, at_least=0)
        set_(self, "players", FrozenMap(self.players))
        set_(self, "features", texts(model, "features", self.features))

    @classmethod
    def of(cls, slate: Slate, features: tuple[str, ...] = ()) -> SlateFact:
        """The fact of a resolved slate."""
        return cls(
            slate_id=slate.slate_id,
            race_id=slate.race_id,
            lock=slate.lock,
            roster_size=slate.rules.roster_size,
            salary_cap=slate.rules.salary_cap,
            players=FrozenMap(
                {
                    p.driver_id: PlayerFact(p.driver_id, p.salary, p.team, p.mark)
                    for p in reversed(slate.everyone)
                }
            ),
            features=features,
        )


@dataclass(frozen=True, slots=True)
class RaceFact:
    """One race.

    Attributes:
        race_id: The race.
        track_id: Where.
        scheduled_laps: Its scheduled length; at least 1.
    """

    race_id: str
    track_id: str
    scheduled_laps: int

    def __post_init__(self) -> None:
        integer(f"Race {self.race_id}", "scheduled_laps", self.scheduled_laps, at_least=1)


@dataclass(frozen=True, slots=True)
class TeamFact:
    """One team and its drivers' ids, sorted."""

    team_id: str
    driver_ids: tuple[str, ...]
