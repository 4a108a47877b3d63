"""Odds as books write them, American, decimal or fractional, made decimal."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal

from nascar_assets.errors import InputError
from nascar_assets.files import number_cell

OddsFormat = Literal["american", "decimal"]
_HIGHEST_ODDS = 1_000_000


def decimal_odds(
    text: str, form: OddsFormat | None = None, *, decimal_comma: bool = False
) -> float:
    """Decimal odds, above 1, of odds as a book writes them.

    A whole number of 100 or more without a sign may be American or decimal, and is refused unless
    `form` says which; so is `4.500` where numbers have a decimal comma, which may be thousands.

    Raises:
        InputError: If they are none, or a number without a sign may be American or decimal.
    """
    text = text.strip().replace("−", "-")
    fraction = re.fullmatch(r"([0-9]{1,6})\s*/\s*([0-9]{1,6})", text)
    signed = text[:1] in ("+", "-")
    value: Decimal | None
    if re.fullmatch("even|evens|evs", text, re.IGNORECASE):
        odds = 2.0
    elif fraction:
        odds = 1.0 + int(fraction[1]) / int(fraction[2]) if int(fraction[2]) else 0.0
    elif (value := number_cell(text, decimal_comma=decimal_comma)) is None:
        odds = 0.0
    elif signed or form == "american":
        fits = form != "decimal" and abs(value) >= 100
        odds = float(1 + (value / 100 if value > 0 else -100 / value)) if fits else 0.0
    elif decimal_comma and re.fullmatch(r"[1-9][0-9]{0,2}\.[0-9]{3}", text):
        raise InputError(
            f"{text} may be {text.replace('.', ',')} or {text.replace('.', '')}.",
            remedy="In a file with decimal commas write odds with two decimals, such as 4,50.",
        )
    elif form is None and value >= 100 and re.fullmatch("[0-9,]+", text):
        raise InputError(
            f"{text} may be American or decimal odds.",
            remedy=f"Write +{text} or {text}.0, name the column american_odds or decimal_odds, or "
            "say which with --odds-format.",
        )
    else:
        odds = float(value)
    if not 1.0 < odds <= _HIGHEST_ODDS:
        kind = "American odds, +100 or more or -100 or less" if form == "american" else (
            "decimal odds above 1, American odds with their sign or a fraction"
        )  # fmt: skip
        raise InputError(f"Expected {kind}, found {text!r}.")
    return odds
