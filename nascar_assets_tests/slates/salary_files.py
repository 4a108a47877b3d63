"""Salary files in the sites' own layouts, small and made up."""

from __future__ import annotations

from collections.abc import Sequence

DK_HEADER = (
    "Position,Name + ID,Name,ID,Roster Position,Salary,Game Info,TeamAbbrev,AvgPointsPerGame"
)
FD_HEADER = (
    "Id,Position,First Name,Nickname,Last Name,FPPG,Played,Salary,Game,Team,Opponent,"
    "Injury Indicator,Injury Details,Tier,,,Roster Position"
)


def dk_line(name: str, site_id: int, salary: object = 8000, race: str = "Fictional 150") -> str:
    """One driver of a DraftKings file."""
    return f"D,{name} ({site_id}),{name},{site_id},D,{salary},{race},Nasca,30.5"


def dk_file(
    drivers: Sequence[tuple[str, int, object]], race: str = "Fictional 150", *, late: bool = False
) -> bytes:
    """A DraftKings file, with the later columns `Status,Starting` if asked for."""
    header = DK_HEADER + (",Status,Starting" if late else "")
    tail = ",," if late else ""
    lines = [dk_line(name, site_id, salary, race) + tail for name, site_id, salary in drivers]
    return ("\n".join([header, *lines]) + "\n").encode()


def eight(salary: int = 8000) -> list[tuple[str, int, object]]:
    """Eight drivers, enough for a lineup."""
    return [(f"Driver Number{number}", 100 + number, salary) for number in range(11, 19)]
