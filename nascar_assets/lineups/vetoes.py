"""The ontology's vetoes on lineups, as rules that a portfolio is built under."""

from __future__ import annotations

from nascar_assets.constraints import ConstraintSpec
from nascar_assets.lineups.problem import CountRule
from nascar_assets.ontology.vetoes import parse_veto
from nascar_assets.slates.slate import Slate


def veto_rules(slate: Slate, spec: ConstraintSpec) -> tuple[CountRule, ...]:
    """What vetoes on a slate's drivers and on its track forbid in a lineup; none where none is.

    A lineup keeps these rules exactly where the constraints on vetoes allow it.

    Args:
        slate: The slate.
        spec: Its compiled constraints: every player's, and those of its one track.

    Raises:
        MissingConstraintError: If the spec does not hold a player of the slate.
    """
    return (*_driver_rules(slate, spec), *_team_rules(slate, spec))


def _driver_rules(slate: Slate, spec: ConstraintSpec) -> list[CountRule]:
    names = [player.name for player in slate.players]
    place = {player.driver_id: i for i, player in enumerate(slate.players)}
    kept_out = 0
    rules: dict[int, CountRule] = {}
    for i, player in enumerate(slate.players):
        for code in spec.get_driver_constraints(player.driver_id).veto_rules:
            rule = parse_veto(code, subject="driver")
            if rule.name == "not-in-lineups":
                kept_out |= 1 << i
            elif rule.name == "not-together-in-lineups":
                other = place.get(str(rule.text("other")))
                if other is not None:
                    pair = 1 << i | 1 << other
                    label = f"veto of the ontology: {names[i]} not with {names[other]}"
                    # Either driver may carry the veto, or both; or one against himself.
                    rules.setdefault(pair, CountRule(label, 0, pair, 0, pair.bit_count() - 1))
    if kept_out:
        out = ", ".join(name for i, name in enumerate(names) if kept_out >> i & 1)
        # One rule for all of them: there is room for 64.
        rules[0] = CountRule(f"veto of the ontology: no lineup holds {out}", 0, kept_out, 0, 0)
    return list(rules.values())


def _team_rules(slate: Slate, spec: ConstraintSpec) -> list[CountRule]:
    teams: dict[str, int] = {}
    for i, player in enumerate(slate.players):
        if player.team:
            teams[player.team] = teams.get(player.team, 0) | 1 << i
    rules = []
    for track in spec.tracks.values():
        for code in track.veto_rules:
            rule = parse_veto(code, subject="track")
            if rule.name != "team-in-lineup-at-most":
                continue
            team, allowed = rule.text("team"), rule.count("drivers")
            for name, drivers in teams.items():
                if team in (None, name) and drivers.bit_count() > allowed:
                    label = f"veto of the ontology: at most {allowed} of {name}"
                    rules.append(CountRule(label, 0, drivers, 0, allowed))
    return rules
