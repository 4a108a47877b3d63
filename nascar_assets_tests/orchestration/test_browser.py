"""Dagster's UI in a real browser: asset graph, columns, a plot, the runs of a slate, checks.

`NASCAR_SCREENSHOTS=1` keeps the pictures in docs/images/; without it none is made or compared.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from nascar_assets.cli.location import code_location
from nascar_assets.orchestration.commands.demo import complete_graph
from nascar_assets.orchestration.storage.instance import open_instance
from nascar_assets_tests.orchestration.asset_specs import asset_specs
from nascar_assets_tests.orchestration.conftest import World, copy_of
from nascar_assets_tests.orchestration.ticks import Ticker, settle_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

IMAGES = Path(__file__).parents[2] / "docs" / "images"
GROUPS = (
    "feed",
    "telemetry",
    "history",
    "ontology",
    "constraints",
    "slate",
    "scenarios",
    "calibration",
    "lineups",
)
DEMO = (
    *("schedule_job", "race_job", "as_of_job", "slate_job", "ontology_job"),
    *("fit_job", "backtest_job", "release_job"),
)
"""What a demo runs."""


@pytest.fixture(scope="module")
def ui_home(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a demo that went on to its release."""
    home = copy_of(world.home, tmp_path_factory.mktemp("ui") / "home")
    found = complete_graph(str(home), location=code_location(str(home)))
    assert found["passed"], json.dumps(found["gate"])  # `nascar demo --json` prints it
    with (home / "dagster" / "dagster.yaml").open("a") as settings:
        settings.write("nux:\n  enabled: false\n")  # no dialog of Dagster's own over the page
    return home


@pytest.fixture(scope="module")
def address(ui_home: Path, webserver: Callable[[Path], str]) -> str:
    """A webserver on that home."""
    return webserver(ui_home)


@pytest.fixture
def page(address: str, browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1500, "height": 950}, base_url=address)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


LARGEST_BYTES = 150_000
"""Of a picture in the documentation."""


def keep(page: Any, name: str, **options: Any) -> None:
    """Keeps a picture for the documentation where it is asked for."""
    if os.environ.get("NASCAR_SCREENSHOTS"):
        IMAGES.mkdir(parents=True, exist_ok=True)
        path = IMAGES / f"{name}.png"
        page.screenshot(path=str(path), **options)
        for colours in (64, 32, 16):
            _fewer_colours(path, colours)
            if path.stat().st_size < LARGEST_BYTES:
                return
        raise AssertionError(f"{path} has {path.stat().st_size} bytes")


def _fewer_colours(path: Path, colours: int) -> None:
    """Cuts white borders off and keeps the file small."""
    from PIL import Image

    image = Image.open(path).convert("RGB")
    grey = image.convert("L").point(lambda value: 255 if value < 235 else 0)
    left, top, right, bottom = grey.getbbox() or (0, 0, *image.size)
    box = (max(left - 20, 0), max(top - 20, 0), right + 20, bottom + 20)
    cut = image.crop((*box[:2], min(box[2], image.width), min(box[3], image.height)))
    cut.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)


def test_the_asset_graph_shows_every_group_and_asset(page: Any) -> None:
    opened = "%2C".join(f"global%40global%3A{group}" for group in GROUPS)
    page.add_init_script("localStorage.setItem('asset-graph-direction', '\"vertical\"')")
    page.set_viewport_size({"width": 4400, "height": 2600})
    page.goto(f"/asset-groups?expanded={opened}")
    page.get_by_text("scenarios").first.wait_for()
    page.goto(f"/asset-groups?expanded={opened}")
    page.get_by_text("scenario_optima").first.wait_for()
    for asset in ("schedule", "race_results", "ontology_graph", "constraint_spec", "scenarios"):
        page.get_by_text(asset, exact=True).first.wait_for()
    if os.environ.get("NASCAR_SCREENSHOTS"):  # of a slate's own groups: the whole is unreadable
        chosen = ("slate", "scenarios", "lineups")
        page.set_viewport_size({"width": 2100, "height": 1150})
        opened = "%2C".join(f"global%40global%3A{group}" for group in chosen)
        page.goto(f"/asset-groups?expanded={opened}")
        page.get_by_text("scenario_optima").first.wait_for()
        page.wait_for_timeout(15_000)  # colours
        keep(page, "asset-graph", clip={"x": 560, "y": 120, "width": 1540, "height": 1030})


def test_after_a_demo_every_asset_and_check_is_green(ui_home: Path) -> None:
    ticker = Ticker(ui_home)
    instance = open_instance(str(ui_home))
    repository = ticker.definitions.get_repository_def()
    wanted = {
        key for job in DEMO for key in repository.get_job(job).asset_layer.selected_asset_keys
    }
    assert len(wanted) >= 35
    specs = asset_specs(ticker.definitions)
    for key in wanted:
        assert instance.get_latest_materialization_event(key) is not None, key
        for check in specs[key.to_user_string()]["checks"]:
            (record,) = instance.event_log_storage.get_asset_check_execution_history(
                dg.AssetCheckKey(key, check), limit=1
            )
            assert record.status.value == "SUCCEEDED", (key, check)


def test_the_release_gate_is_seen_to_have_passed(page: Any) -> None:
    page.goto("/assets/model_version?view=checks")
    page.get_by_text("release_gate").first.wait_for()
    page.get_by_text("Passed").first.wait_for()
    assert page.get_by_text("Failed").count() == 0


def test_an_asset_says_what_each_of_its_columns_is(page: Any) -> None:
    page.goto("/assets/race_results")
    page.get_by_text("Since when the entry list is known").first.wait_for()
    about = page.locator("body").inner_text()
    for said in (
        "Official results joined with loop statistics",  # the asset
        "Starting position, from 1",  # a column
        "Unit: mph",
        "From: weekend feed: starting_position",
        "follows its race's files",  # its condition
        "cost: seconds",
    ):
        assert said in about, said
    keep(page, "columns")


def test_the_runs_of_a_slate_are_found_by_its_tag(page: Any, world: World) -> None:
    page.goto(f"/runs?q%5B0%5D=tag%3Anascar%2Fslate%3D{world.slate}")
    page.get_by_text("slate_job").first.wait_for()
    assert page.get_by_text("race_job").count() == 0


def test_the_checks_of_an_asset_say_what_they_look_at(page: Any, world: World) -> None:
    page.goto("/assets/lineups?view=checks")
    page.get_by_text("Every lineup passes every constraint of the contest").first.wait_for()
    page.get_by_text("Passed").first.wait_for()
    page.get_by_text(world.slate).first.wait_for()
    keep(page, "checks")


def test_a_materialisation_shows_rows_columns_and_its_plot(page: Any, world: World) -> None:
    page.goto(f"/assets/scenario_summary?view=events&partition={world.slate}")
    page.get_by_text("dagster/row_count").first.wait_for()
    assert page.get_by_text("content_hash").count() >= 1
    plot = page.locator("img[src^='data:image']").first
    links = page.get_by_text("[Show Markdown]")
    for number in range(links.count()):  # tables and plots, in the order of the page
        links.nth(number).click()
        page.wait_for_timeout(1500)
        if plot.count():
            break
        page.keyboard.press("Escape")
    plot.wait_for()
    assert plot.evaluate("image => image.naturalWidth") > 300
    page.wait_for_timeout(1000)
    keep(page, "materialisation")


def test_a_failed_check_says_what_failed(page: Any, ui_home: Path) -> None:
    """A lap file of another race: hardly one of its drivers is entered."""
    path = sorted((ui_home / "landing/feed/cacher/2025/1").glob("*/lap-times.json"))[-1]
    content = json.loads(path.read_text())
    for row in content["laps"]:
        row["NASCARDriverID"] += 500_000
    path.write_text(json.dumps(content))
    settle_files(ui_home)
    ticker = Ticker(ui_home)
    (request,) = ticker.tick("landing_feed")
    assert not ticker.carry_out(request)  # the check blocks
    page.goto("/assets/laps?view=checks")
    page.get_by_text("laps_are_possible").first.click()
    page.get_by_text("Failed").first.wait_for()
    skip = page.get_by_role("button", name="Skip")
    if skip.count():
        skip.first.click()
    page.get_by_text(str(request.partition_key)).first.wait_for()
    page.get_by_text("drivers are entered in this race").first.wait_for()
    page.wait_for_timeout(1000)
    keep(page, "failed-check")
