"""The OpenAPI document against the server itself, and its examples."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

ROUNDS = int(os.environ.get("NASCAR_FAULT_ROUNDS", "0"))
EXAMPLES = 200 if ROUNDS else 15


def _checks():
    import schemathesis

    wanted = (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
    )
    return [getattr(schemathesis.checks, name) for name in wanted]


def test_schemathesis_finds_no_answer_outside_the_document(server):
    import schemathesis

    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    paths = {(operation.method.upper(), operation.path) for operation in operations}
    assert ("POST", "/api/v1/optimize") in paths
    assert ("GET", "/api/v1/slates/{slate}/forecast") in paths
    assert len(paths) == 37
    checks = _checks()
    for operation in operations:
        for mode in schemathesis.GenerationMode:
            asked = operation.body or any(operation.iter_parameters())
            if mode is schemathesis.GenerationMode.NEGATIVE and not (
                asked and "/api/" in operation.path
            ):
                continue  # nothing is asked of these, so nothing can be wrong
            cases = operation.as_strategy(generation_mode=mode)

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=cases)
            def probe(case):
                case.call_and_validate(checks=checks)

            probe()


def test_every_route_says_what_it_may_answer(server):
    document = server.http.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            if path.startswith("/api/v1"):
                assert {"401", "422", "429", "503"} <= set(operation["responses"]), (method, path)


@pytest.mark.parametrize("needed", [False, True])
def test_the_document_says_how_a_key_is_sent(needed, tmp_path):
    from nascar_assets.service.app import create_app
    from nascar_assets.service.settings import ServiceSettings

    (tmp_path / "keys").write_text("")
    settings = ServiceSettings(keys_file=str(tmp_path / "keys") if needed else None)
    app = create_app(str(tmp_path / "home"), settings)
    document = app.openapi()
    assert document == app.openapi()
    (scheme,) = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-API-Key")
    asked = [{"key": []}] if needed else [{}, {"key": []}]
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation.get("security") == (asked if path.startswith("/api/") else None)


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nowhere", "/api/v1/optimize/x/y/z"])
def test_an_unknown_path_is_404_in_the_same_form(server, path):
    answer = server.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def test_a_wrong_method_is_405_in_the_same_form(server):
    answer = server.http.put("/api/v1/optimize")
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/api/v1/slates", "/api/v1/optimize", "/health", "/docs"])
def test_head_is_answered_as_get_without_its_body(path, server):
    asked, told = server.http.get(path), server.http.head(path)
    assert (told.status_code, told.content) == (200, b"")
    same = ("content-type", "content-length", "etag")
    assert [told.headers.get(name) for name in same] == [asked.headers.get(name) for name in same]
    assert server.http.head("/api/v1/jobs/x/events").status_code == 405  # it would not end


@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(run_id=st.text(min_size=1, max_size=60))
def test_no_id_whatever_reaches_a_file(server, run_id):
    from urllib.parse import quote

    safe = quote(run_id.encode("utf-8", "surrogatepass"), safe="")
    answer = server.http.get(f"/api/v1/optimize/{safe}/result")
    assert answer.status_code in (404, 405, 422)
