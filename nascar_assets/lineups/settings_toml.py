"""Portfolio settings written as the TOML that they are read from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nascar_assets.lineups.settings import PortfolioSettings


def settings_toml(settings: PortfolioSettings) -> str:
    """The settings as TOML, defaults left out; read back they are equal to these."""
    lines: list[str] = []
    content = settings.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    _write(content, (), lines)
    return "\n".join(lines).strip() + "\n" if lines else ""


def _write(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    """The plain values of a table first, then the tables in it."""
    inner = {}
    for key, value in table.items():
        if isinstance(value, Mapping) or _is_tables(value):
            inner[key] = value
        elif value is not None:
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in inner.items():
        here = (*path, key)
        name = ".".join(map(_key, here))
        if isinstance(value, Mapping):
            if not value or any(not isinstance(item, Mapping) for item in value.values()):
                lines += ["", f"[{name}]"]
            _write(value, here, lines)
            continue
        for item in value:
            lines += ["", f"[[{name}]]"]
            _write(item, here, lines)


def _is_tables(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(item, Mapping) for item in value)
    )


def _key(key: str) -> str:
    plain = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if plain else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_value, value))}]"
    # JSON's strings, numbers and booleans are TOML's; what TOML has escaped is escaped here too.
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")
