"""Walks over the causes of errors: each error once, however they hang together."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nascar_assets.errors import InputError, causes
from nascar_assets.orchestration.commands.sync import is_input_fault, reason


@pytest.mark.timeout(10)
def test_a_chain_that_goes_round_is_walked_once():
    notify, wrapper = InputError("two cars in one place"), RuntimeError("a step failed")
    notify.__cause__, wrapper.__cause__ = wrapper, notify  # as Dagster hands it back
    for first in (notify, wrapper):
        assert set(causes(first)) == {notify, wrapper}
        assert reason(first) == "two cars in one place"
        assert is_input_fault(first)
    notify.__cause__ = notify
    assert list(causes(notify)) == [notify]


@pytest.mark.timeout(10)
def test_a_context_counts_where_there_is_no_cause():
    inner, outer = KeyError("inner"), ValueError("outer")
    outer.__context__, inner.__context__ = inner, outer
    assert list(causes(outer)) == [outer, inner]
    assert list(causes(None)) == []


@pytest.mark.timeout(10)
def test_dagsters_records_of_errors_are_walked_alike():
    inner = SimpleNamespace(cause=None, context=None)
    outer = SimpleNamespace(cause=None, context=inner)
    inner.cause = outer
    assert list(causes(outer)) == [outer, inner]


def test_an_error_that_quotes_a_file_stays_short():
    long = "x" * 1_000_000
    error = InputError(
        f"{long} is no number.", file="a.csv", row=7, field=long, remedy="Look again."
    )
    assert len(str(error)) <= 2_000
    assert len(error.message) <= 2_000
    assert str(error).startswith("a.csv, row 7, field xxx")
    assert str(error).endswith("xxx is no number. Look again.")
