"""The constraint contract's view over a graph, on both engines."""

from nascar_assets.constraints import GraphStateView, RequirementKey
from nascar_assets.ontology import build_state, load_state
from nascar_assets_tests.ontology.made_up import AS_OF, driver_values, schedule, track_values


def test_the_graph_view_fetches_what_was_asked_for(graph):
    state = build_state(driver_values(), track_values(), schedule(), (), AS_OF)
    load_state(graph.engine, state)
    view = GraphStateView(graph.engine, state=state.hash)
    asked = [
        RequirementKey.parse(text)
        for text in ("driver:101", "driver:999", "track:1", "team:Team 1", "race:5001", "race:1")
    ]
    view.load(asked)
    assert [view.has(key) for key in asked] == [True, False, True, True, True, False]
    assert view.get(asked[0]).skill == 1.5 / 8
    assert view.get(asked[3]).driver_ids == ("101", "104", "107")
    assert (view.get(asked[4]).track_id, view.get(asked[4]).scheduled_laps) == ("2", 200)
    assert not view.has(RequirementKey("driver", "102"))
