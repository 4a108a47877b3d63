"""Seasons that follow the calendar: what a plain sync asks for, and what the doctor looks at."""

from __future__ import annotations

from pathlib import Path

import pytest

from nascar_assets.cli.app import run
from nascar_assets.cli.sync import parse_seasons
from nascar_assets.errors import InputError
from nascar_assets.feed.paths import schedule_path
from nascar_assets.orchestration.commands.doctor import examine

A_LATER_YEAR = 2031


@pytest.mark.slow
def test_the_doctor_finds_a_feed_that_holds_the_newest_season_alone(tmp_path: Path) -> None:
    schedule = tmp_path / "feed" / schedule_path(A_LATER_YEAR)
    schedule.parent.mkdir(parents=True)
    schedule.write_text("{}")
    found = examine(str(tmp_path / "home"), str(tmp_path / "feed"), A_LATER_YEAR)
    (feed,) = [item for item in found if item.name == "feed"]
    assert feed.ok, feed.found
    assert f"schedule of {A_LATER_YEAR} there" in feed.found


def test_a_plain_sync_asks_for_this_season_too() -> None:
    assert parse_seasons(None, A_LATER_YEAR) == list(range(2022, A_LATER_YEAR + 1))


@pytest.mark.parametrize(
    ("text", "seasons"),
    [("2025", [2025]), ("2022-2024", [2022, 2023, 2024]), ("2022, 2024", [2022, 2024])],
)
def test_seasons_are_one_a_span_or_a_list(text: str, seasons: list[int]) -> None:
    assert parse_seasons(text, A_LATER_YEAR) == seasons


@pytest.mark.parametrize("text", ["", "x", "2025-2024", "20255"])
def test_what_names_no_seasons_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="names no seasons"):
        parse_seasons(text, A_LATER_YEAR)


def test_a_sync_without_a_feed_says_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NASCAR_FEED", "")  # as Compose gives what is left empty
    for words in ([], ["--feed", ""]):
        assert run(["sync", "--home", str(tmp_path), *words]) == 2
        said = capsys.readouterr().err
        assert "No feed is given" in said
        assert "NASCAR_FEED" in said
