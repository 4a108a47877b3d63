"""Example requests of the OpenAPI document."""

from __future__ import annotations

from typing import Any

REQUEST_EXAMPLES: dict[str, Any] = {}
