"""Driver names: markers taken off, spellings made equal, and names resolved to the feed's ids."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from nascar_assets.feed.name_tables import GIVEN_NAMES, LETTERS, NAME_ALIASES, SUFFIXES

PLACEHOLDER_IDS_FROM = 990_000
"""Ids from here on were made up for drivers whose id was not known to whoever kept the feed."""

_MARKERS = re.compile(r"[#*]|\(\s*[A-Za-z]\s*\)")
_CANDIDATE_SIMILARITY = 0.7


def clean_name(name: str) -> str:
    """A name as a person writes it: without the feed's `#`, `*`, `(i)`, `(P)` and extra blanks.

    `#` marks a candidate for rookie of the year, `(i)` a driver who earns no points in this
    series, `(P)` one in the play-offs, `*` a car that must qualify on time.
    """
    return " ".join(_MARKERS.sub(" ", name).split())


def normalise_name(name: str) -> str:
    """A name for comparison: small letters, no accents or points, initials and suffix alike.

    `A.J. Allmendinger` and `AJ Allmendinger` become `aj allmendinger`; `Martin Truex, Jr.` and
    `Martin Truex Jr` become `martin truex jr`; `Daniel Suárez` becomes `daniel suarez`.
    """
    # Compatibility forms hide capitals (a double-struck J), so they are taken apart first as well:
    # compatibility caseless matching of the Unicode standard, definition D146.
    apart = unicodedata.normalize("NFKD", clean_name(name).casefold())
    folded = apart.casefold().translate(LETTERS)
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", folded)
        if not unicodedata.combining(letter)
    )
    plain = re.sub(r"[.'’‘`´]", "", plain)
    tokens = re.sub(r"[^\w]+|_", " ", plain).split()
    if tokens and len(tokens) > 1:
        tokens[-1] = SUFFIXES.get(tokens[-1], tokens[-1])
    while len(tokens) > 2 and len(tokens[0]) + len(tokens[1]) <= 3 and len(tokens[1]) == 1:
        if len(tokens[0]) > 1:
            break
        tokens[:2] = [tokens[0] + tokens[1]]
    return " ".join(tokens)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a name was resolved to.

    Attributes:
        driver_id: The feed's id; none where no driver or more than one fits.
        candidates: Where unresolved, the nearest drivers as `name (id)`.
        how: `exact`, `alias`, `spacing`, `given name`, `suffix` or `initials`; `ambiguous` or
            `unknown` where unresolved.
    """

    driver_id: str | None
    candidates: tuple[str, ...]
    how: str


@dataclass(frozen=True)
class DriverDirectory:
    """Drivers by name.

    Attributes:
        names: The latest name of each driver, without markers, by id.
        spellings: Ids by normalised name, every spelling that occurred.
        merged: Known id by placeholder id, where both bear the same name.
        notices: What was merged.
    """

    names: Mapping[str, str]
    spellings: Mapping[str, frozenset[str]]
    merged: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @classmethod
    def from_frames(cls, *frames: pl.DataFrame) -> DriverDirectory:
        """A directory of every driver in some tables.

        A placeholder id (990000 and up) whose name is that of exactly one driver with a real id
        is merged into that one, and a notice says so; a placeholder whose name fits no driver or
        several stays a driver of its own.

        Args:
            frames: Tables with `driver_id` and `driver_name`, such as `ENTRIES` or `RESULTS`;
                where they have `start_time`, the latest name is the one shown.
        """
        pairs: dict[tuple[str, str], object] = {}
        order: list[tuple[object, str, str]] = []
        for frame in frames:
            columns = ["driver_id", "driver_name"]
            timed = "start_time" in frame.columns
            grouped = frame.drop_nulls(columns).group_by(columns, maintain_order=True)
            latest = grouped.agg((pl.col("start_time").max() if timed else pl.lit(None)).alias("t"))
            for driver_id, name, when in latest.iter_rows():
                order.append((when.timestamp() if when is not None else 0.0, driver_id, name))
                pairs[driver_id, name] = when
        names: dict[str, str] = {}
        spellings: dict[str, set[str]] = {}
        for _, driver_id, name in sorted(order, key=lambda item: (item[0], item[1], item[2])):
            names[driver_id] = clean_name(name)
            spellings.setdefault(normalise_name(name), set()).add(driver_id)
        known = cls(
            {key: name for key, name in names.items() if not is_placeholder(key)},
            {
                spelling: frozenset(i for i in ids if not is_placeholder(i))
                for spelling, ids in spellings.items()
            },
        )
        merged: dict[str, str] = {}
        notices: list[str] = []
        for driver_id in sorted(names):
            if not is_placeholder(driver_id):
                continue
            found = known.resolve(names[driver_id])
            if found.driver_id is not None:
                merged[driver_id] = found.driver_id
                notices.append(
                    f"{names[driver_id]} ({driver_id}, a placeholder id) is taken for "
                    f"{known.names[found.driver_id]} ({found.driver_id}) by {found.how} name."
                )
        return cls(
            names,
            {spelling: frozenset(ids) for spelling, ids in spellings.items()},
            merged,
            tuple(notices),
        )

    def canonical(self, driver_id: str) -> str:
        """The known id of a merged placeholder, any other id as it is."""
        return self.merged.get(driver_id, driver_id)

    def resolve(self, name: str) -> Resolution:
        """The driver who bears a name, in the feed's or a contest site's spelling.

        Tried in this order, the first that finds a driver decides: the same name; an alias of
        the table; the same letters but for blanks; the same but for a short form of the given
        name; the same but for a suffix that only one of the two has; the same but for an initial
        that stands for a second name. An initial that the other name does not have at all
        distinguishes drivers (Austin Hill and Austin J Hill), so it never makes two names one.
        """
        wanted = normalise_name(name)
        for how, ids in self._attempts(wanted):
            distinct = {self.canonical(driver_id) for driver_id in ids}
            if len(distinct) == 1:
                return Resolution(distinct.pop(), (), how)
            if distinct:
                return Resolution(None, self._listed(distinct), "ambiguous")
        return Resolution(None, self._nearest(wanted), "unknown")

    def _attempts(self, wanted: str) -> Iterable[tuple[str, set[str]]]:
        yield "exact", set(self.spellings.get(wanted, ()))
        aliases = NAME_ALIASES.get(wanted, ())
        yield "alias", {i for alias in aliases for i in self.spellings.get(alias, ())}
        for how, alike in (
            ("spacing", _same_letters),
            ("given name", _same_given_name),
            ("suffix", _same_but_suffix),
            ("initials", _same_initials),
        ):
            yield (
                how,
                {i for name, ids in self.spellings.items() if alike(wanted, name) for i in ids},
            )

    def _nearest(self, wanted: str) -> tuple[str, ...]:
        near = difflib.get_close_matches(
            wanted, sorted(self.spellings), n=3, cutoff=_CANDIDATE_SIMILARITY
        )
        ids = [i for name in near for i in sorted(self.spellings[name])]
        return self._listed(dict.fromkeys(self.canonical(i) for i in ids))

    def _listed(self, ids: Iterable[str]) -> tuple[str, ...]:
        ordered = sorted(ids) if isinstance(ids, (set, frozenset)) else list(ids)
        return tuple(f"{self.names[i]} ({i})" for i in ordered)


def is_placeholder(driver_id: str) -> bool:
    """Whether an id was made up for a driver whose own id was not known."""
    return driver_id.isdigit() and int(driver_id) >= PLACEHOLDER_IDS_FROM


def with_canonical_ids(frame: pl.DataFrame, directory: DriverDirectory) -> pl.DataFrame:
    """A table with its placeholder ids replaced by the known ids they were merged into."""
    if not directory.merged:
        return frame
    return frame.with_columns(pl.col("driver_id").replace(dict(directory.merged)))


def _split(name: str) -> tuple[list[str], str]:
    tokens = name.split()
    if len(tokens) > 2 and tokens[-1] in SUFFIXES.values():
        return tokens[:-1], tokens[-1]
    return tokens, ""


def _same_letters(one: str, other: str) -> bool:
    return one.replace(" ", "") == other.replace(" ", "")


def _same_given(one: str, other: str) -> bool:
    return one == other or GIVEN_NAMES.get(one, one) == GIVEN_NAMES.get(other, other)


def _same_given_name(one: str, other: str) -> bool:
    first, second = one.split(), other.split()
    return bool(first and second) and _same_given(first[0], second[0]) and first[1:] == second[1:]


def _same_but_suffix(one: str, other: str) -> bool:
    (first, suffix), (second, other_suffix) = _split(one), _split(other)
    return (
        (suffix == "") != (other_suffix == "")
        and len(first) > 1
        and len(first) == len(second)
        and _same_given(first[0], second[0])
        and first[1:] == second[1:]
    )


def _same_initials(one: str, other: str) -> bool:
    (first, suffix), (second, other_suffix) = _split(one), _split(other)
    if len(first) != len(second) or len(first) < 3 or suffix != other_suffix:
        return False
    middle = zip(first[1:-1], second[1:-1], strict=True)
    return (
        _same_given(first[0], second[0])
        and first[-1] == second[-1]
        and all(a == b or (1 in (len(a), len(b)) and a[0] == b[0]) for a, b in middle)
    )
