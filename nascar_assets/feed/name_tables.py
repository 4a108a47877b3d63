"""Spellings of drivers' names as data: letters, suffixes, short given names, known aliases."""

from __future__ import annotations

LETTERS: dict[int, str] = str.maketrans(
    {"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ß": "ss", "ı": "i"}
)
"""Letters that have no accent to take off."""

SUFFIXES: dict[str, str] = {
    "jr": "jr",
    "junior": "jr",
    "sr": "sr",
    "senior": "sr",
    "ii": "ii",
    "2nd": "ii",
    "iii": "iii",
    "3rd": "iii",
    "iv": "iv",
}
"""Suffixes by their spellings in small letters without points."""

_SHORT_FORMS: dict[str, tuple[str, ...]] = {
    "alexander": ("alex",),
    "andrew": ("andy", "drew"),
    "anthony": ("tony",),
    "benjamin": ("ben",),
    "bradley": ("brad",),
    "christopher": ("chris",),
    "daniel": ("dan", "danny"),
    "giovanni": ("gio",),
    "gregory": ("greg",),
    "jacob": ("jake",),
    "james": ("jim", "jimmy", "jimmie"),
    "jeffrey": ("jeff",),
    "john": ("johnny",),
    "joseph": ("joe", "joey"),
    "joshua": ("josh",),
    "lawrence": ("larry",),
    "matthew": ("matt",),
    "michael": ("mike",),
    "mitchell": ("mitch",),
    "nathaniel": ("nate",),
    "nicholas": ("nick", "nicky"),
    "patrick": ("pat",),
    "richard": ("rick", "ricky", "rich"),
    "robert": ("rob", "bob", "bobby", "robby"),
    "samuel": ("sam", "sammy"),
    "stephen": ("steve", "steven"),
    "thaddeus": ("thad",),
    "thomas": ("tom", "tommy"),
    "timothy": ("tim", "timmy"),
    "tyler": ("ty",),
    "william": ("will", "bill", "billy"),
    "zachary": ("zach", "zack"),
}

GIVEN_NAMES: dict[str, str] = {
    short: full for full, shorts in _SHORT_FORMS.items() for short in shorts
}
"""Full given name by its short form. Used only where the rest of the name is the same."""

_ALIAS_GROUPS: tuple[tuple[str, ...], ...] = (
    # Spanish double surname, written whole or by its first part.
    ("andres perez", "andres perez de lara"),
    # The feed's own spelling of the name differs between its files.
    ("jacques villeneuve", "jacques villeneueve"),
    ("jason a white", "jason white"),
    # Known to the public by another given name than the one he is entered under.
    ("bubba wallace", "darrell wallace", "darrell wallace jr"),
    ("cleetus mcfarland", "garrett mitchell"),
)

NAME_ALIASES: dict[str, tuple[str, ...]] = {
    name: tuple(other for other in group if other != name)
    for group in _ALIAS_GROUPS
    for name in group
}
"""Other normalised spellings of the same person, by normalised name."""
