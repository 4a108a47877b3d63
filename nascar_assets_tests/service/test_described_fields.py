"""Fields of answers that are columns of stored tables say what the data dictionary says of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nascar_assets.orchestration.dictionary import TABLES
from nascar_assets.service import contracts, live_contracts, slate_contracts
from nascar_assets.service.contracts import Contract
from nascar_assets.service.slate_contracts import ForecastRow, LineupRow


def _rows() -> Iterator[type[Contract]]:
    for module in (contracts, slate_contracts, live_contracts):
        for item in vars(module).values():
            if isinstance(item, type) and issubclass(item, Contract) and item._tables:
                yield item


@pytest.mark.parametrize("model", sorted(set(_rows()), key=lambda one: one.__name__))
def test_columns_are_described(model: type[Contract]) -> None:
    shown = 0
    for name, told in model.model_json_schema()["properties"].items():
        if any(name in TABLES[table].columns for table in model._tables):
            assert told["description"], name
            shown += 1
    assert shown


def test_they_say_what_the_dictionary_says() -> None:
    rows = ForecastRow.model_json_schema()["properties"]
    assert rows["points_p90"]["description"] == "90% of scenarios give at most these points. " + (
        f"Unit: {TABLES['scenario_summary'].columns['points_p90'].unit}."
    )
    assert rows["salary"]["description"].startswith(TABLES["slate"].columns["salary"].meaning)
    assert rows["start"]["description"] == "Start; none before it is known."  # its own
    assert "lineup" in LineupRow.model_json_schema()["properties"]["salary"]["description"].lower()
