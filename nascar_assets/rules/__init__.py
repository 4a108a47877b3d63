"""Contest rules as dated data: finish points, rosters, caps, and scoring of whole arrays."""

from nascar_assets.rules.rule_set import RULE_SETS, RuleSet, rule_set
from nascar_assets.rules.scoring import score

__all__ = ["RULE_SETS", "RuleSet", "rule_set", "score"]
