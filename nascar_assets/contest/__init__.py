"""Contests: ownership, field, duplicates and settlement to the cent."""

from nascar_assets.contest.aftermath import Aftermath, contest_aftermath
from nascar_assets.contest.payouts import PayoutError, PayoutTable, payout_table, read_payouts
from nascar_assets.contest.presets import Contest, preset
from nascar_assets.contest.review import ContestReview, review_contest
from nascar_assets.contest.settlement import Settlement, returns_of, settle, settle_scores
from nascar_assets.contest.simulate import forecast_contest
from nascar_assets.contest.standings import Standings, StandingsError, read_standings
from nascar_assets.lineups.ownership import expected_field

__all__ = [
    "Aftermath",
    "Contest",
    "ContestReview",
    "PayoutError",
    "PayoutTable",
    "Settlement",
    "Standings",
    "StandingsError",
    "contest_aftermath",
    "expected_field",
    "forecast_contest",
    "payout_table",
    "preset",
    "read_payouts",
    "read_standings",
    "returns_of",
    "review_contest",
    "settle",
    "settle_scores",
]
