"""Contest sites and their rules as dated data: finish points, rosters, caps, scoring of arrays."""

from nascar_assets.rules.rule_set import RuleSet
from nascar_assets.rules.scoring import score
from nascar_assets.rules.sites import DEFAULT_CONTEST, RULE_SETS, SITES, Site, rule_set, site_of

__all__ = [
    "DEFAULT_CONTEST",
    "RULE_SETS",
    "SITES",
    "RuleSet",
    "Site",
    "rule_set",
    "score",
    "site_of",
]
