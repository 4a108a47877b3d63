"""The platform's one resource: where its files lie and which graph it reads."""

import os
from pathlib import Path

import dagster as dg
from pydantic import Field

from nascar_assets.storage import DataRoot
from nascar_assets.storage.staged import in_change


def default_home() -> str:
    """The data root that `NASCAR_HOME` names, `data` where it names none."""
    return os.environ.get("NASCAR_HOME") or "data"


class Platform(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The data root and the settings that come from the environment.

    Nothing connects when this is made: files and graphs are opened where they are used.
    """

    home: str = Field(
        default_factory=default_home,
        description="The data root: a folder or an object store's URL.",
    )
    graph: str | None = Field(
        default=None,
        description="`bolt://...` of a Neo4j server; unset: the embedded graph.",
    )
    local: str | None = Field(
        default=None,
        description="A local folder for the embedded graph where the root is an object store.",
    )

    @property
    def root(self) -> DataRoot:
        """Every file of the platform, as the change of a slate that goes on here sees it."""
        return in_change(DataRoot.open(self.home, _storage_options()))

    @property
    def graph_setting(self) -> str | None:
        """The graph server's address, from the configuration or from `NASCAR_GRAPH`."""
        return self.graph or os.environ.get("NASCAR_GRAPH") or None

    @property
    def graph_folder(self) -> Path:
        """The local folder that holds the embedded graph's files."""
        local = self.local or os.environ.get("NASCAR_LOCAL")
        if local:
            return Path(local).absolute() / "graph"
        return self.root.local_path("graph")


def graph_kind() -> str:
    """The kind of the graph that assets read: a Neo4j server where one is set, else embedded."""
    return "neo4j" if Platform().graph_setting else "ladybug"


def fixed_platform(platform: Platform) -> dg.ResourceDefinition:
    """A platform that no run's configuration can point elsewhere: it takes none."""
    return dg.ResourceDefinition(lambda _: platform, config_schema={})


def _storage_options() -> dict[str, str]:
    """What an object store needs beyond its own defaults, from the environment."""
    known = ("AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP", "AWS_REGION")
    return {name.lower(): os.environ[name] for name in known if name in os.environ}
