"""The pages of the OpenAPI document: Swagger UI from an installed package, all from here."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response

from nascar_assets.service.problems import RequestRefused

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    # Swagger UI sets styles on its elements and draws its arrows from data: addresses.
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>nascar_assets: the HTTP API</title>
<link rel="icon" href="/docs/icon">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="document"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#document", validatorUrl: null, queryConfigEnabled: false,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout", deepLinking: true,
});
"""
_FILES = {
    "swagger-ui-bundle.js": ("text/javascript", "swagger-ui-bundle.js"),
    "swagger-ui.css": ("text/css", "swagger-ui.css"),
    "icon": ("image/png", "favicon.png"),
}


def add_docs_pages(app: FastAPI) -> None:
    """Serves the pages at /docs and /api/v1/docs, and their files."""
    folder = files("fastapi_offline") / "static"
    found = {
        name: (kind, (folder / source).read_bytes()) for name, (kind, source) in _FILES.items()
    }
    found["start.js"] = ("text/javascript", _START.encode())

    @app.get("/docs", include_in_schema=False)
    @app.get("/api/v1/docs", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(_PAGE, headers=_HEADERS)

    @app.get("/docs/{file}", include_in_schema=False)
    async def file_of_page(file: str) -> Response:
        if file not in found:
            raise RequestRefused(404, "NOT_FOUND", "The pages have no such file.")
        kind, content = found[file]
        return Response(content, media_type=kind, headers={"Cache-Control": "max-age=3600"})
