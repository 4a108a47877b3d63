"""The two engines behind one handle, so that one suite of tests runs against both."""

import pytest

from nascar_assets.ontology.ladybug_engine import LadybugEngine


class LadybugGraph:
    """A Ladybug graph in a file."""

    name = "ladybug"

    def __init__(self, folder):
        self.path = folder / "graph.lbug"
        self.engine = LadybugEngine(self.path)
        self.engine.prepare()

    def restart(self):
        self.engine.close()
        self.engine = LadybugEngine(self.path)

    def close(self):
        self.engine.close()


class Neo4jGraph:
    """The session's Neo4j server, emptied."""

    name = "neo4j"

    def __init__(self, server):
        self.server = server
        server.clear()
        self.engine = server.engine()
        self.engine.prepare()

    def restart(self):
        # The engine stays as it is: its connections are stale now, and it must cope.
        self.server.stop()
        self.server.start()

    def close(self):
        self.engine.close()


@pytest.fixture(params=["ladybug", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def graph(request, tmp_path):
    """Each engine in turn, empty and prepared."""
    if request.param == "ladybug":
        made = LadybugGraph(tmp_path)
    else:
        made = Neo4jGraph(request.getfixturevalue("neo4j_server"))
    yield made
    made.close()
