"""The page library's files are compressed once, and everything else passes through as it is."""

import gzip

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from nascar_assets.board.library_files import LibraryFiles

SCRIPT = b"export const n = 1;\n" * 500
PACKED = {"Accept-Encoding": "gzip"}


@pytest.fixture
def asked():
    return []


@pytest.fixture
def client(asked):
    def answer(request):
        asked.append(request.url.path)
        name = request.url.path.rpartition("/")[2]
        if name == "gone.js":
            return Response("no", 404, media_type="text/javascript")
        kind = {"js": "text/javascript", "css": "text/css"}.get(name.rpartition(".")[2], "font/x")
        return Response(SCRIPT, media_type=kind, headers={"ETag": '"1"'})

    app = Starlette(routes=[Route("/{path:path}", answer)])
    return TestClient(LibraryFiles(app, ("/files/",)))


@pytest.mark.parametrize("name", ["a.js", "a.css"])
def test_a_file_is_asked_for_and_compressed_once_and_kept_by_browsers(client, asked, name):
    first, again = (client.get(f"/files/{name}", headers=PACKED) for _ in range(2))
    assert first.content == again.content == SCRIPT
    assert asked == [f"/files/{name}"]
    for answer in (first, again):
        assert answer.headers["content-encoding"] == "gzip"
        assert int(answer.headers["content-length"]) == len(gzip.compress(SCRIPT, 6, mtime=0))
        assert answer.headers["vary"] == "Accept-Encoding"
        assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/files/a.js", {"Accept-Encoding": "identity"}),
        ("/files/a.js", {**PACKED, "Range": "bytes=0-9"}),
        ("/files/a.js", {**PACKED, "If-None-Match": '"1"'}),
        ("/files/font.woff2", PACKED),
        ("/files/gone.js", PACKED),
        ("/page/a.js", PACKED),
    ],
)
def test_everything_else_passes_through_each_time(client, asked, path, headers):
    for _ in range(2):
        answer = client.get(path, headers=headers)
        assert "content-encoding" not in answer.headers
        assert answer.content == (b"no" if "gone" in path else SCRIPT)
    assert asked == [path, path]
