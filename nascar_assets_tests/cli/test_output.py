"""What people typed is printed as they typed it; nothing in it is taken for markup."""

from __future__ import annotations

import pytest

from nascar_assets.cli.output import Output


@pytest.mark.parametrize("text", ["see [/notes]", "slow [engine]", "/srv/x [prod]", "[red]"])
def test_brackets_are_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).line(text)
    Output(as_json=False).notice(text)
    said = capsys.readouterr()
    assert said.out == f"{text}\n"
    assert text in said.err
