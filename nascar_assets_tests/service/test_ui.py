"""A job of the API as Dagster's own pages show it: a run with its tags, its log and its assets."""

from __future__ import annotations

import httpx
import pytest

from nascar_assets_tests.service.conftest import request_body

pytestmark = pytest.mark.slow

RUN = """
query Run($id: ID!) {
  runOrError(runId: $id) {
    __typename
    ... on Run {
      status
      jobName
      tags { key value }
      assets { key { path } }
      stepKeysToExecute
      eventConnection { events { __typename ... on MaterializationEvent {
        assetKey { path } metadataEntries { label } } } }
    }
  }
}
"""
ASSETS = {"api_request", "api_scenarios", "api_lineups", "api_result"}


def test_the_ui_shows_a_jobs_run_with_its_tags_and_assets(server, webserver):
    run_id = server.submit(request_body(slate_id="seen-in-the-ui", n_scenarios=10))
    result = server.result(run_id)
    asked = {"query": RUN, "variables": {"id": run_id}}
    url = webserver(server.home)
    answer = httpx.post(f"{url}/graphql", json=asked, timeout=60).json()
    run = answer["data"]["runOrError"]
    assert (run["__typename"], run["status"]) == ("Run", "SUCCESS"), answer
    assert run["jobName"] == "api_optimize"
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert tags["slate_id"] == "seen-in-the-ui"
    assert {"client", "request_hash"} <= set(tags)
    assert {asset["key"]["path"][-1] for asset in run["assets"]} == ASSETS
    made = {
        event["assetKey"]["path"][-1]: {entry["label"] for entry in event["metadataEntries"]}
        for event in run["eventConnection"]["events"]
        if event["__typename"] == "MaterializationEvent"
    }
    assert set(made) == ASSETS
    assert {"spec_hash", "seed", "notices"} <= made["api_request"]
    assert {"lineup", "sha256", "run_config"} <= made["api_result"]
    assert result["status"] == "completed"
