"""The API's own pages in a real browser, without the internet."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("path", ["/docs", "/api/v1/docs"])
def test_the_page_shows_every_operation_and_asks_nobody_else(server, browser, path):
    asked: list[str] = []
    wrong: list[str] = []
    page: Any = browser.new_page()
    page.set_default_timeout(60_000)
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{server.url}{path}")
    page.wait_for_selector(".opblock-summary-path")
    shown = page.locator(".opblock-summary").all_inner_texts()
    # An operation opens, and its own example can be sent from the page.
    page.click(".opblock-get .opblock-summary-control >> nth=0")
    page.wait_for_selector(".opblock-description")
    page.click("text=Try it out >> nth=0")
    page.click(".execute")
    page.wait_for_selector(".live-responses-table .response-col_status >> text=200")
    page.close()
    document = server.http.get("/openapi.json").json()
    wanted = {
        (method.upper(), route)
        for route, methods in document["paths"].items()
        for method in methods
    }
    texts = [text.replace("\u200b", "") for text in shown]
    assert len(texts) == len(wanted)
    for method, route in wanted:
        assert any(method in text and route in text for text in texts), (method, route)
    assert wrong == []
    elsewhere = [url for url in asked if not url.startswith((server.url, "data:"))]
    assert elsewhere == []


def test_the_pages_say_what_a_browser_may_load(server):
    page = server.http.get("/docs")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy
    assert page.text == server.http.get("/api/v1/docs").text
    assert server.http.get("/docs/../app.py").status_code == 404
    assert server.http.get("/docs/core.py").status_code == 404
