"""The slate board in a real browser, over a real server on the demo's home."""

from __future__ import annotations

import csv
import io
import os
import re
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nascar_assets.client import Client, Refused, races, slates, views
from nascar_assets.lineups.upload import read_upload
from nascar_assets.orchestration.inputs.slate_plan import SlatePlan
from nascar_assets.orchestration.inputs.slate_run import SlateRun
from nascar_assets.orchestration.inputs.views import add_view
from nascar_assets.service.admission import KEY_COOKIE
from nascar_assets.service.clients import key_line, new_key
from nascar_assets.service.slate_contracts import PortfolioRequest, PortfolioResult
from nascar_assets.service.slate_reads import STATE_SECONDS
from nascar_assets.service.view_contracts import RearStart
from nascar_assets.storage import DataRoot
from nascar_assets_tests.orchestration.conftest import copy_of
from nascar_assets_tests.orchestration.processes import wait_for
from nascar_assets_tests.orchestration.race_under_way import Race
from nascar_assets_tests.service.conftest import Server

PICTURES = os.environ.get("NASCAR_BOARD_PICTURES")
"""A folder for the pictures of the documentation, made by the journey where it is named."""
WAIT = 90_000
# The demo's home and a server's workers start within the first test, kernels perhaps uncompiled.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def board(world, tmp_path_factory):
    """A server with the board on a copy of the demo's home."""
    home = copy_of(world.home, tmp_path_factory.mktemp("board") / "home")
    root, slate = DataRoot(str(home)), world.slate
    before = SlatePlan.load(root, slate).lock - timedelta(hours=3)
    driver = world.result["forecast"][-1]["name"]
    data = f'Name,Max Exposure\n"{driver}",90%\n'.encode()
    add_view(root, slate, data, "limits.csv", author="<b>me</b>", why="<i>x</i>", now=before)
    clock = f"{before.isoformat()} from {time.time():.0f} x 1"
    server = Server(home, board=True, NASCAR_CLOCK=clock)
    yield server.start()
    server.stop()


@pytest.fixture(scope="module")
def race(board, world):
    """The slate's race under way on the server's home, forecast after a quarter of its laps."""
    made = Race(board.home, world.slate)
    made.drop(made.until(made.laps // 4))
    assert made.tick() == 1
    return made


@pytest.fixture
def page(board, browser):
    """A page that notes the hosts it asks and what goes wrong in it."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
    made = context.new_page()
    made.set_default_timeout(WAIT)
    made.hosts, made.faults = set(), []
    made.on("request", lambda request: made.hosts.add(urlsplit(request.url).netloc))
    made.on("pageerror", lambda error: made.faults.append(str(error)))
    yield made
    assert made.hosts <= {urlsplit(board.url).netloc, ""}
    assert not made.faults
    context.close()


PARTS = {
    "Forecast": "Forecast of every driver",
    "Build": "Settings of each driver",
    "Lineups": "Exposures",
    "Race": "Counts of the race",
    "Live": "Drivers while the race is run",
    "Contests": "Returns in contests",
    "Views": "Views of this slate",
    "Honesty": "Files and tables that the run read",
}
"""Each part with a table that no part before it has."""


def _open(page, board, slate: str, part: str = "Forecast") -> None:
    """Opens a slate's page at one of its parts."""
    page.goto(f"{board.url}/board/slate/{slate}")
    _turn_to(page, part)


def _turn_to(page, part: str) -> None:
    """Goes to a part, and waits for its own table, not for one of the part before it."""
    page.get_by_role("tab", name=part).click()
    table = page.locator(".q-tab-panel:visible").get_by_role("region", name=PARTS[part], exact=True)
    table.locator(".ag-row").first.wait_for()


def _picture(page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"board-{name}.png"))


def test_the_whole_journey(page, board, world, tmp_path):
    page.goto(f"{board.url}/board")
    page.locator("input[type=file]").set_input_files(str(world.salaries))
    page.get_by_text("The slate's run: ").wait_for()
    page.reload()  # it goes on, and is shown again
    page.wait_for_url("**/board/slate/*", timeout=2 * WAIT)  # the file became lineups
    page.locator(".ag-row").first.wait_for()
    assert "80% ranges" in page.locator(".trust").first.inner_text()
    _picture(page, "forecast")

    page.locator(".ag-header-cell[col-id=salary]").click()
    page.locator(".ag-header-cell[col-id=salary]").click()
    dearest = page.locator(".ag-center-cols-container .ag-row[row-index='0'] [col-id=salary]")
    rows = Client(board.url).call(slates.forecast(world.slate)).rows
    assert int(dearest.inner_text().replace(",", "")) == max(row.salary for row in rows)
    page.locator(".ag-pinned-left-cols-container .ag-row[row-index='0']").click()
    page.get_by_role("dialog").get_by_text("What drives it").wait_for()
    _picture(page, "driver")
    page.get_by_role("button", name="Close").click()

    page.get_by_role("tab", name="Build").click()
    page.get_by_text("The settings file").click()
    first, second, third = (row.name for row in rows[:3])
    wish = f'lineups = 6\n[drivers."{first}"]\nmin_exposure = 0.9\n'
    area = page.get_by_label("Settings as TOML")
    area.fill(wish + f'[[groups]]\ndrivers = ["{first}"]\nmax_exposure = 0.5\n')
    page.get_by_role("button", name="Take these settings").click()
    page.get_by_text("The settings are read.").wait_for()
    page.get_by_role("button", name="Build lineups").click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert f"minimum exposure of {first}" in alert.inner_text()
    page.locator(".fault").first.wait_for(state="attached")
    _picture(page, "conflict")

    page.get_by_label("Settings as TOML").fill(wish + f'[drivers."{second}"]\nexclude = true\n')
    page.get_by_role("button", name="Take these settings").click()
    page.get_by_text("The settings are read.").wait_for()
    grid = page.get_by_role("region", name="Settings of each driver")
    at = grid.locator(".ag-pinned-left-cols-container .ag-row", has_text=third)
    row = grid.locator(
        f".ag-center-cols-container .ag-row[row-index='{at.get_attribute('row-index')}']"
    )
    # A tick after a number was typed counts as it shows.
    row.locator("[col-id=max_exposure]").click()
    page.keyboard.type("40")
    page.keyboard.press("Enter")
    left = grid.locator(".ag-pinned-left-cols-container .ag-row")
    names = {left.nth(i).inner_text(): left.nth(i).get_attribute("row-index") for i in range(4)}
    last, place = next(found for found in names.items() if found[0] not in (first, second, third))
    grid.locator(
        f".ag-center-cols-container .ag-row[row-index='{place}'] [col-id=exclude] input"
    ).click()
    row.locator("[col-id=max_exposure]").click()
    page.keyboard.type(
        "50,0"
    )  # with a decimal comma; the cell is still open when the lineups are asked for
    page.get_by_role("button", name="Build lineups").click()
    page.get_by_text("6 lineups, chosen for").wait_for()
    link = page.get_by_role("link", name="Download upload file of these lineups")
    run_id = link.get_attribute("href").split("/")[-2]
    made = Client(board.url).call(slates.result(run_id))
    assert made.settings.drivers[third].max_exposure == 0.5
    assert made.settings.drivers[last].exclude
    _picture(page, "lineups")
    with page.expect_download() as download:
        link.click()
    upload = Path(download.value.path()).read_bytes()
    slate = SlateRun.load(DataRoot(str(board.home)), world.slate).slate
    lineups = read_upload(slate, upload)
    names = [[slate.players[i].name for i in row] for row in lineups]
    assert len(names) == 6
    assert sum(first in row for row in names) >= 6 * 0.9 - 1e-9
    assert not any(second in row for row in names)

    entries = tmp_path / "my entries.csv"
    entries.write_bytes(_entries_file(slate))
    with page.expect_download() as download:
        page.locator(".q-tab-panel:visible input[type=file]").set_input_files(str(entries))
    assert download.value.suggested_filename == "my-entries-filled.csv"
    filled = Path(download.value.path()).read_text("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in filled] == [
        line.split(",")[0] for line in entries.read_text().splitlines()
    ]
    assert f"({slate.players[lineups[0][0]].site_id})" in filled[1]
    _views_move_the_forecast(page, board, world, tmp_path)


def test_a_file_that_fits_several_races_asks_which_one(page, board):
    content = b"Name,ID,Salary\nA,1,5000\n"
    with Client(board.url) as client, pytest.raises(Refused) as refused:
        client.call(slates.add(content, "DKSalaries.csv", wait=10))
    problem = refused.value.problem
    assert (refused.value.status, problem.code) == (409, "RACE_AMBIGUOUS")
    assert len(problem.races) > 1
    page.goto(f"{board.url}/board/")
    sent = {"name": "DKSalaries.csv", "mimeType": "text/csv", "buffer": content}
    page.locator("input[type=file]").set_input_files(sent)
    page.get_by_text("Several races fit this file.").wait_for()
    for race in problem.races:
        page.get_by_role("button", name=f"{race.race_name}, {race.track_name}").first.wait_for()


def test_a_file_is_taken_again_and_two_at_once_are_not(page, board, tmp_path):
    files = [tmp_path / "one.csv", tmp_path / "other.csv"]
    for path in files:
        path.touch()
    page.goto(f"{board.url}/board/")
    drop, sent = page.locator("input[type=file]"), page.locator(".q-uploader__file")
    refused = page.get_by_text("one.csv is empty: there is nothing in it.")
    for _ in range(2):
        drop.set_input_files(files[0])
        refused.wait_for()
        sent.wait_for(state="detached")
        drop.set_input_files(files)
        page.get_by_text("Drop one file at a time").wait_for()
        assert not refused.count()


def test_the_focus_stays_where_settings_are_changed_by_keyboard(page, board, world):
    _open(page, board, world.slate, "Build")
    focused = "document.activeElement.ariaLabel || document.activeElement.innerText"
    salary = page.locator(".q-tab-panel:visible .ag-header-cell[col-id=salary]")
    salary.click()
    page.get_by_text("The settings file").click()
    page.get_by_label("Settings as TOML").fill("lineups = 3")
    best = page.get_by_label("Best at")
    best.focus()
    for key in ("ArrowDown", "ArrowUp", "ArrowUp", "Enter"):
        page.keyboard.press(key)
        page.wait_for_timeout(500)  # the list opens and closes
    page.get_by_label("Quantile").wait_for()
    assert page.evaluate(focused) == "Best at"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Quantile"
    page.get_by_text("Add a group or a rule").click()
    page.get_by_label("Drivers", exact=True).fill(world.result["forecast"][0]["name"])
    page.get_by_role("option").first.click()
    page.keyboard.press("Escape")
    page.get_by_role("listbox").wait_for(state="detached")
    page.wait_for_timeout(500)  # closed, the list gives the focus back
    page.get_by_role("button", name="Add", exact=True).press("Enter")
    remove = page.get_by_role("button", name="Remove")
    remove.wait_for()
    assert page.evaluate(focused) == "Add"
    remove.press("Enter")
    remove.wait_for(state="detached")
    assert page.evaluate(focused) == "Groups and rules"
    assert page.get_by_label("Settings as TOML").input_value() == "lineups = 3"
    # A driver at fault is marked in the table, which stays as it was sorted.
    row = page.locator(".q-tab-panel:visible .ag-center-cols-container .ag-row[row-index='0']")
    for column in ("lock", "exclude"):
        row.locator(f"[col-id={column}] input").click()
    page.get_by_role("button", name="Build lineups").press("Enter")
    page.get_by_text("is both locked and excluded").wait_for()
    page.locator(".ag-center-cols-container .fault[row-index='0']").wait_for()
    assert salary.get_attribute("aria-sort") == "ascending"
    assert page.evaluate(focused) == "Build lineups"


def _views_move_the_forecast(page, board, world, tmp_path) -> None:
    """A file dropped and a start at the rear are taken, a run takes them in, one is taken back."""
    with Client(board.url) as client:
        row = client.call(slates.forecast(world.slate)).rows[8]
        page.get_by_role("tab", name="Views").click()
        page.get_by_role("region", name="Views of this slate").get_by_text("<b>me</b>").wait_for()
        mine = tmp_path / "mine.csv"
        drop = page.locator(".q-tab-panel:visible input[type=file]")
        mine.write_text(f'Name,Fpts\n"{row.name}x",50\n')
        drop.set_input_files(str(mine))
        alert = page.locator(".q-tab-panel:visible").get_by_role("alert")
        alert.get_by_text(f"Nearest: {row.name}").wait_for()
        mine.write_text(f'Name,Fpts\n"{row.name}",{row.mean_points + 8:.1f}\n')
        page.get_by_label("Weight, 0 to 1").fill("0.8")
        drop.set_input_files(str(mine))
        page.get_by_text("Taken: mean points of 1 driver.").wait_for()
        other = client.call(slates.forecast(world.slate)).rows[12]
        page.get_by_label("Whom you mean").fill(other.name)
        page.get_by_role("option", name=other.name).click()
        page.get_by_text(f"The forecast says {other.mean_points:.1f}".rstrip("0")).wait_for()
        own = f"{other.mean_points - 4:.1f}".replace(".", ",")
        page.get_by_label("Your number", exact=True).press_sequentially(own, delay=100)
        # Its first key is no number: the field is drawn anew with why, and keeps what is typed.
        page.get_by_label("Weight of your number").press_sequentially(".4", delay=200)
        page.get_by_label("Why you think so").fill("a cut tyre in practice")
        page.get_by_role("button", name="State it").click()
        page.get_by_text(f"{other.name}, mean points").first.wait_for()
        assert client.call(views.of(world.slate)).waits
        note = "Views were added or taken back after its newest run."
        wait_for(
            "the note of a view",
            lambda: note in client.call(slates.slate(world.slate)).data_notes,
            STATE_SECONDS,  # as old as a state may be told
        )
        page.get_by_role("button", name="Run the slate again").click()
        page.get_by_text("The slate's run: ").first.wait_for()
        page.reload()  # it goes on, and is shown again
        page.get_by_text("The slate's run: ").first.wait_for()
        moved = page.get_by_role("region", name="Forecast without and with the views")
        moved.locator(".ag-row").first.wait_for()
        found = client.call(views.of(world.slate))
        one = next(item for item in found.effects if item.driver_id == row.driver_id)
        assert one.mean_points == pytest.approx(row.mean_points + 0.8 * 8, abs=1.0)
        assert found.effective_scenarios >= found.n_scenarios / 2
        less = next(item for item in found.targets if item.name == other.name)
        assert less.wanted == pytest.approx(less.own - 0.4 * 4, abs=0.6)
        assert {view.confidence for view in found.views} == {None, 0.8, 0.4}
        page.get_by_role("button", name="Load it").click()
        page.get_by_text("There is a newer run").wait_for(state="detached")
        moved.locator(".ag-row").first.wait_for()
        _picture(page, "views")
        page.get_by_role("tab", name="Lineups").click()
        page.get_by_text("The slate was run again after these lineups were built").wait_for()
        page.get_by_role("tab", name="Views").click()
        page.get_by_role("button", name="mine.csv (board)").click()
        page.get_by_text("Taken back: mine.csv.").wait_for()
        assert client.call(views.of(world.slate)).waits


def _entries_file(slate) -> bytes:
    """Two entries of one contest, as the site exports them, with the player pool beside."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    head = ["Entry ID", "Contest Name", "Contest ID", "Entry Fee", *["D"] * 6, "", "Instructions"]
    writer.writerow(head)
    for number in (1, 2):
        writer.writerow([4_000 + number, "NAS $1K", 77, "$1", *[""] * 6, "", ""])
    return buffer.getvalue().encode()


def test_a_race_under_way_moves_on_the_page(page, board, world, race):
    _open(page, board, world.slate, "Live")
    panel = page.locator(".q-tab-panel:visible")
    quarter, half = race.laps // 4, race.laps // 2
    panel.get_by_text(f"After lap {quarter} of {race.laps}").wait_for()
    page.evaluate("window.before = true")  # gone once the page is loaded anew
    for lap in (half, half + 20):
        race.drop(race.until(lap))
        assert race.tick() == 1
        panel.get_by_text(f"After lap {lap} of {race.laps}").wait_for()
    with Client(board.url) as client:
        found = client.call(races.live(race.key))
    assert [point.lap for point in found.series] == [quarter, half, half + 20]
    own = found.slates[world.slate]
    best = max(own.drivers, key=lambda row: row.win)
    words = f"Chance to win after lap {found.lap}: {best.name} {best.win:.0%};"
    panel.get_by_role("img", name=words).wait_for()
    drivers = panel.get_by_role("region", name=PARTS["Live"], exact=True)
    first = drivers.locator(".ag-center-cols-container .ag-row[row-index='0']")
    leader = own.drivers[0]
    for column, value in (
        ("position", 1),
        ("finish_p10", leader.finish_p10),
        ("finish_p50", leader.finish_p50),
        ("finish_p90", leader.finish_p90),
        ("points_now", f"{leader.points_now:.1f}"),
        ("mean_points", f"{leader.mean_points:.1f}"),
    ):
        shown = first.locator(f"[col-id={column}]")
        shown.filter(has_text=re.compile(rf"^{re.escape(str(value))}$")).wait_for()
    lineups = panel.get_by_role("region", name="Lineups while the race is run")
    place = lineups.locator(".ag-row[row-index='0'] [col-id=expected_place]").inner_text()
    assert float(place) == min(round(one.expected_place) for one in own.lineups)
    names = lineups.locator(".ag-row[row-index='0'] [col-id=names]").inner_text().split(", ")
    assert len(names) == len(own.lineups[0].drivers) > 0
    assert set(names) <= {row.name for row in own.drivers}
    _picture(page, "live")

    race.drop(race.until(quarter))  # a feed that goes backwards
    assert race.tick() == 0
    panel.get_by_text("The newest feed was refused").wait_for()
    assert "goes backwards" in panel.inner_text()
    assert f"After lap {half + 20} of" in panel.inner_text()
    panel.get_by_text(re.compile(r"^Forecast made \d+ (s|min) ago")).wait_for()
    assert page.evaluate("window.before")


def test_every_part_passes_an_accessibility_checker(page, board, world, race):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.goto(f"{board.url}/board/")
    page.get_by_role("heading", name="Slates").wait_for()
    found = {"slates": axe.run(page).response["violations"]}
    _open(page, board, world.slate)
    for part in PARTS:
        _turn_to(page, part)
        found[part] = axe.run(page).response["violations"]
    assert not {
        part: [(item["id"], item["nodes"][0]["html"][:200]) for item in items]
        for part, items in found.items()
        if items
    }


def test_a_phone_and_the_keyboard_reach_everything(page, board, world, race):
    page.set_viewport_size({"width": 390, "height": 844})
    _open(page, board, world.slate)
    for part in PARTS:
        _turn_to(page, part)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 1, part
    _turn_to(page, "Forecast")
    _picture(page, "phone")
    page.get_by_role("tab", name="Forecast").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Build lineups").wait_for()


def test_a_server_that_comes_back_has_lost_nothing(board, browser, world):
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(WAIT)
    _open(page, board, world.slate, "Build")
    page.get_by_role("textbox", name="Lineups", exact=True).fill("7")
    page.wait_for_timeout(3_000)
    page.evaluate("window.before = true")  # gone once the page is loaded anew
    page.get_by_role("button", name="Build lineups").click()
    page.get_by_text("Lineups: ").wait_for()
    board.process.terminate()
    board.process.wait(timeout=60)
    page.locator("#popup").get_by_text("Connection lost").wait_for()
    board.start()
    page.wait_for_function(
        "!window.before && document.querySelector('input[aria-label=Lineups]')?.value === '7'"
    )
    panel = page.locator(".q-tab-panel:visible")
    panel.get_by_text("Lineups: ").wait_for(state="hidden")
    page.get_by_role("tab", name="Lineups").click()
    panel.get_by_text("7 lineups, chosen for").wait_for()  # what was begun before
    panel.get_by_role("button", name="Show the slate's own lineups").wait_for()
    context.close()


def _held(board) -> float:
    """How many pages the server remembers."""
    import httpx

    text = httpx.get(f"{board.url}/metrics").text
    return float(re.search(r"^nascar_api_board_pages (\S+)$", text, re.MULTILINE)[1])


@pytest.fixture(scope="module")
def left(board, browser, world, race):
    """Pages that were left: what a server remembers of them passes while other tests go on."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(WAIT)
    for part in ("Build", "Live"):  # one that keeps settings, one that follows the race
        _open(page, board, world.slate, part)
    assert _held(board) >= 1
    context.close()


@pytest.mark.usefixtures("left")
def test_portfolios_of_the_api_keep_their_settings_and_say_conflicts(board, world):
    with Client(board.url) as client:
        rows = client.call(slates.forecast(world.slate)).rows
        toml = f'lineups = 5\n[drivers."{rows[3].name}"]\nlock = true\n'
        job = client.call(slates.portfolio(world.slate, PortfolioRequest(toml=toml), wait=10))
        client.wait(job.run_id)
        made = client.call(slates.result(job.run_id))
        assert isinstance(made, PortfolioResult)
        assert made.slate_run_id == client.call(slates.slate(world.slate)).run_id
        assert all(
            rows[3].driver_id in {d.driver_id for d in row.drivers} for row in made.lineups.rows
        )
        assert made.contests
        bad = f'''{toml}[drivers."{rows[4].name}"]
min_exposure = 1.0
[[groups]]
drivers = ["{rows[3].name}", "{rows[4].name}"]
at_most = 1
'''
        asked = slates.portfolio(world.slate, PortfolioRequest(toml=bad), wait=10)
        with pytest.raises(Refused) as refused:
            client.call(asked)
        problem = refused.value.problem
        assert (refused.value.status, problem.code) == (422, "SETTINGS_CONFLICT")
        assert {f"drivers.{rows[3].name}", "groups.0"} <= set(problem.settings)


def test_views_of_the_api_are_taken_whole_or_refused_by_row(board, world):
    with Client(board.url) as client:
        rows = client.call(slates.forecast(world.slate)).rows
        names, slate = [row.name for row in rows], world.slate

        def sent(text, name, **said):
            job = client.call(views.add(slate, text.encode(), name, wait=10, **said))
            return client.call(slates.result(job.run_id))

        def refused(call):
            with pytest.raises(Refused) as caught:
                client.call(call)
            return caught.value

        text = f'Name,Fpts\n"{names[0]}x",40\n"{names[1]}",30\n'
        found = refused(views.add(slate, text.encode(), "p.csv", wait=10))
        assert (found.status, found.problem.code) == (422, "VIEW_UNUSABLE")
        (row,) = found.problem.rows
        assert (row.row, row.name) == (2, f"{names[0]}x")
        assert rows[0].driver_id in row.nearest[0]
        odds = f"driver,odds\n{names[0]},450\n"
        found = refused(views.add(slate, odds.encode(), "o.csv", wait=10))
        assert "odds=american" in found.problem.remedy
        first, again = (sent(odds, "o.csv", odds="american", author="a") for _ in range(2))
        assert (first.fresh, again.fresh, first.in_force) == (True, False, 0)
        found = refused(
            views.add(slate, f"Name,W\n{names[0]},.7\n{names[1]},.6\n".encode(), "w.csv", wait=10)
        )
        assert (found.problem.code, names[0] in found.problem.message) == ("VIEW_INVALID", True)
        found = refused(
            views.rear(slate, RearStart(driver="Nobody", scored="grid", why="x"), wait=10)
        )
        assert (found.status, found.problem.field) == (422, "driver")
        start = RearStart(driver=rows[2].driver_id, scored="rear", why="too low")
        job = client.call(views.rear(slate, start, wait=10))
        taken = client.call(slates.result(job.run_id))
        (stated,) = client.call(views.one(slate, taken.view_id)).statements
        assert (stated.name, stated.quantity, stated.value) == (names[2], "rear_start", 1.0)
        for view in (first, taken):
            assert client.call(views.drop(slate, view.view_id)).dropped_at is not None
            assert refused(views.drop(slate, view.view_id)).status == 409
        assert refused(views.drop(slate, "nothing")).problem.code == "VIEW_UNKNOWN"
        assert refused(views.of("2020-01-01-none")).status == 404
        assert refused(views.add(slate, b"", "p.csv")).problem.code == "FILE_EMPTY"


def test_pages_elsewhere_get_no_socket(board):
    import httpx

    for origin, status in (("http://evil.example", 403), (board.url, 101)):
        headers = {
            "Origin": origin,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
        }
        url = f"{board.url}/board/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
        with httpx.stream("GET", url, headers=headers) as answer:
            assert answer.status_code == status, origin


@pytest.fixture(scope="module")
def keyed(world, tmp_path_factory):
    """A server with the board that wants a key, and the keys of two people."""
    folder = tmp_path_factory.mktemp("keyed")
    keys = {name: new_key() for name in ("alice", "bob")}
    lines = [key_line(name, key) for name, key in keys.items()]
    (folder / "keys").write_text("\n".join(lines))
    server = Server(copy_of(world.home, folder / "home"), board=True, KEYS_FILE=f"{folder}/keys")
    yield server.start(ready=False), keys
    server.stop()


def test_whoever_comes_without_a_key_is_shown_the_door_and_comes_back(keyed):
    import httpx

    server, keys = keyed
    html = {"Accept": "text/html"}

    def door(path: str, **more) -> str:
        answer = server.http.get(path, **more)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    assert door("/", headers=html) == door("/board") == door("/board/") == "/board-login"
    assert server.http.get("/").json()["code"] == "KEY_NEEDED"  # a program
    wanted = door("/board/slate/2026 x")
    assert httpx.URL(wanted).params["to"] == "/board/slate/2026%20x"
    assert "not known" not in server.http.get(wanted).text
    wrong = {"Cookie": f"{KEY_COOKIE}=wrong"}
    refused = door("/board/slate/x", headers=wrong)
    assert refused == "/board-login?refused=1&to=%2Fboard%2Fslate%2Fx"
    assert "This key is not known here" in server.http.get(refused).text
    with httpx.Client(base_url=server.url) as http:  # blanks are no key, and are told so
        there = http.post("/board-login", params={"to": "/board/slate/x"}, data={"key": " "})
        assert http.get(there.headers["Location"]).headers["Location"] == refused
    for to, there in {
        "/board/slate/2026%20x": "/board/slate/2026%20x",
        "//evil.example": "/board/",
        "https://evil.example/board/": "/board/",
        "/board/../docs": "/board/",
        "/board/%2e%2e/docs": "/board/",
        "/boarding": "/board/",
    }.items():
        data = {"key": keys["alice"]}
        with httpx.Client(base_url=server.url) as http:
            answer = http.post("/board-login", params={"to": to}, data=data)
            assert (answer.status_code, answer.headers["Location"]) == (303, there)
            assert http.cookies[KEY_COOKIE] == keys["alice"]
            assert http.get("/board/").status_code == 200
            assert http.get("/board-leave").headers["Location"] == "/board-login"
            assert KEY_COOKIE not in http.cookies
    # A page elsewhere has no cookie of ours to send, and so takes none away.
    assert "Set-Cookie" not in server.http.get("/board-leave").headers


def test_two_keys_in_one_browser_see_nothing_of_each_other(keyed, browser, world):
    server, keys = keyed
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(WAIT)

    def come_in(name: str) -> str:
        """The part that the slate's page opens at."""
        page.goto(f"{server.url}/board/slate/{world.slate}")
        page.get_by_label("This server needs a key.").fill(keys[name])
        page.get_by_role("button", name="Go on").click()
        page.wait_for_url(f"**/board/slate/{world.slate}")
        page.get_by_role("tab", name="Race").wait_for()
        return page.locator("[role=tab][aria-selected=true]").inner_text()

    def leave(name: str) -> None:
        page.get_by_text(f"Leave ({name})").click()
        page.wait_for_url("**/board-login")

    assert come_in("alice") == "Forecast"
    other = context.new_page()  # another tab, which ends with the key
    other.set_default_timeout(WAIT)
    other.goto(f"{server.url}/board/")
    other.get_by_text("Leave (alice)").wait_for()
    page.get_by_role("tab", name="Race").click()
    page.get_by_role("region", name=PARTS["Race"], exact=True).wait_for()
    leave("alice")
    other.wait_for_url("**/board-login*")
    assert come_in("bob") == "Forecast"
    leave("bob")
    assert come_in("alice") == "Race"
    taken_back = Path(server.settings["KEYS_FILE"])
    taken_back.write_text(key_line("bob", keys["bob"]))
    page.get_by_role("tab", name="Build").click()
    page.wait_for_url("**/board-login*")
    page.get_by_text("This key is not known here.").wait_for()
    context.close()


def test_pages_that_were_left_are_forgotten(board, left):
    wait_for("pages forgotten", lambda: not _held(board))
