"""Team names: the feed writes the owner's name at times, and one team in several spellings."""

from __future__ import annotations

TEAM_ALIASES: dict[str, str] = {
    # Owners in place of their teams, as the entry lists of 2026 have them; each was matched to the
    # team by the numbers and drivers of its cars in the season before.
    "al niece": "Niece Motorsports",
    "bill mcanally": "McAnally Hilgemann Racing",
    "bob jenkins": "Front Row Motorsports",
    "bobby dotter": "SS GreenLight Racing",
    "built to work/barnett southern": "NY Racing Team",
    "carl long": "Garage 66",
    "chris hettinger": "Hettinger Racing",
    "chris larsen": "Halmar Friesen Racing",
    "codie rohrbaugh": "CR7 Motorsports",
    "dan pardus": "Pardus Racing",
    "david gilliland": "TRICON Garage",
    "don sackett": "Viking Motorsports",
    "doug peterson": "Jordan Anderson Racing",
    "duke thorson": "ThorSport Racing",
    "gene haas": "Haas Factory Team",
    "jack roush": "RFK Racing",
    "jeremy clements": "Jeremy Clements Racing",
    "joe gibbs": "Joe Gibbs Racing",
    "johnny gray": "TRICON Garage",
    "jordan anderson": "Jordan Anderson Racing",
    "josh reaume": "Reaume Brothers Racing",
    "kevin cywinski": "Reaume Brothers Racing",
    "mario gosselin": "DGM Racing",
    "matthew kaulig": "Kaulig Racing",
    "mike curb": "ThorSport Racing",
    "mike harmon": "Mike Harmon Racing",
    "randy young": "Young's Motorsports",
    "richard childress": "Richard Childress Racing",
    "rick hendrick": "Hendrick Motorsports",
    "rick ware": "Rick Ware Racing",
    "rod sieg": "RSS Racing",
    "roger penske": "Team Penske",
    "sam hunt": "Sam Hunt Racing",
    "scott borchetta": "Big Machine Racing",
    "terry carroll": "Terry Carroll Motorsports",
    "tim self": "AM Racing",
    "timmy hill": "Hill Motorsports",
    "tommy joe martins": "Alpha Prime Racing",
    "wood brothers": "Wood Brothers Racing",
    # Several spellings of one team.
    "b.j. mcleod": "B.J. McLeod Motorsports",
    "dgm racing x jim": "DGM Racing",
    "freedom racing": "Freedom Racing Enterprises",
    "joey gase motorsports with sc": "Joey Gase Motorsports",
    "pardus racing inc": "Pardus Racing",
    "roush fenway keselowski racing": "RFK Racing",
    "rss racing with jeff lefourt": "RSS Racing",
    "team amerivet": "Team AmeriVet",
    "trackhouse racing": "Trackhouse Racing",
}
"""Team by another way in which the feed writes it, in small letters."""


def team_name(name: str | None) -> str | None:
    """The name by which a team goes; none for an empty one or a dash."""
    plain = " ".join((name or "").split())
    if not any(letter.isalnum() for letter in plain):
        return None
    return TEAM_ALIASES.get(plain.casefold(), plain)
