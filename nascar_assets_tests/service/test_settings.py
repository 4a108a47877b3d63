"""The page on the API has the table of settings that the settings themselves give."""

from __future__ import annotations

from pathlib import Path

from nascar_assets.service.settings import ServiceSettings, settings_markdown

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_page_holds_the_table_of_settings():
    assert f"\n{settings_markdown()}\n" in PAGE.read_text(encoding="utf-8"), (
        "put the output of settings_markdown() into docs/api.md"
    )


def test_every_setting_says_what_it_does():
    fields = ServiceSettings.model_fields
    assert [name for name, field in fields.items() if not field.description] == []
