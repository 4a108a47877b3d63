"""The slate's report: complete, escaped, self-contained, the same every time."""

import base64
import hashlib
import re
from datetime import datetime
from html.parser import HTMLParser

import polars as pl
import pytest

from nascar_assets.reports import RaceFacts
from nascar_assets.reports.slate_page import render_slate_report
from nascar_assets.reports.slate_report import EFFECT_COLUMNS, ViewsShown
from nascar_assets_tests.reports.reports import RACE, report

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Page(HTMLParser):
    """Elements with their attributes, and the text that a reader sees."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.words, self.scripts, self._inside = [], [], [], None
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts.append(data)
        elif self._inside is None:
            self.words.append(data)

    def attributes(self, name):
        return [attrs[name] for _, attrs in self.elements if name in attrs]


def test_every_part_is_shown():
    page = Page(render_slate_report(report()))
    expected = [
        # The race, with its times in both zones: 00:30 UTC is still Sunday in the East.
        "2026-02-15-cup-dk-classic", "Lantern 400", "Monarch Ridge", "intermediate", "267 laps",
        "Sun 2026-02-15 19:30 EST", "2026-02-16 00:30 UTC", "2026-02-15 14:00 UTC",
        # The first driver has no starting position; sd 20 over the root of 10,000 scenarios is an
        # error of 0.20; 0.01% of scenarios is not nothing.
        "Ada Wheel Bright Racing $11,300 4.4 per $1k – 50.2 ±0.20 20.0",
        "8.5 21 44 69 61.9 41.7 12 42 55 19.0 61 ±0.5",
        "Bo Spanner Bright Racing $11,200 2.7 per $1k 2 30.5 ±0.20 yours 33.2",
        "30.5 <0.1 1.1 3.3 0.1 0.2 18 3.0 1.0 4.0 7.0 ±0.3",
        # What the lineups may win, how old the data are, what past races were like.
        "20-max 5,000 3 $5.00 25.0 ±3.1, −10 to 55 27 <0.1 9.0 1.25",
        "Copper 300 2026-02-09 02:00 UTC, 6.5 days before that", "took it (44 races)",
        "under your factors on the points of Bo Spanner",
        # Lineups, exposures, regimes, record, overrides, notices, provenance.
        "$49,900 247.5 318.2", "88", "long green", "81 77", "chaos 19 23", "mean of the best",
        "miss in places (RPS) 5.391 0.061 97 start climatology 5.677",
        "some new metric 0.123 0.004 96 nominal 0.500",
        "Bo Spanner skill 0.42 new crew chief modeller 2026-02-14 18:20 UTC",
        "Di Clutch is not in the entry list.",
        "0.1.0", "run-1", "10,000", "ef" * 32, "12" * 32, "salaries.csv " + "ab" * 32,
        "weekend-feed.json " + "cd" * 32,
        # At most half a point of percentage: 100 x 0.5 / sqrt(10,000).
        "at most 0.50 points",
    ]  # fmt: skip
    missing = [text for text in expected if text not in page.text]
    assert not missing, page.text


def test_a_contests_chances_to_win_and_to_be_on_top_are_of_races_not_of_entries():
    page = Page(render_slate_report(report()))
    titles = page.attributes("title")
    # Only a lineup's own chance is called "Top 1 %".
    labels = page.attributes("data-label")
    assert (labels.count("Any in top 1 %"), labels.count("Top 1 %")) == (1, 1)
    assert "Races in which one of the own entries comes first, alone or tied" in titles
    assert "Share of the own entries that win something" in titles


def test_how_sharp_rivals_are_is_said_by_kind():
    page = Page(render_slate_report(report()))
    assert "is assumed for tournaments (fewer than 5 were added)" in page.text
    contests = report().contests
    cash = contests.with_columns(kind=pl.lit("cash"))
    both = pl.concat([cash, contests.with_columns(field_contests=pl.lit(7, pl.Int64))])
    page = Page(render_slate_report(report(contests=both)))
    assert "is fitted on 7 tournaments that were added, assumed for cash games" in page.text


def test_what_people_changed_beside_values_is_said_and_tilting_is_in_the_errors():
    none = report().overrides.clear()
    assert "Nothing: every value" in Page(render_slate_report(report(overrides=none))).text
    views = ViewsShown((), pl.DataFrame(schema=EFFECT_COLUMNS), 2_500.0, 1.0)
    said = "Views were stated."
    page = Page(render_slate_report(report(overrides=none, changed=(said,), views=views)))
    assert f"What people changed {said} Nothing else: no value of a driver" in page.text
    assert "every value comes from the data" not in page.text
    assert "50.2 ±0.40" in page.text  # sd 20 over the root of 2,500, not of 10,000
    assert "at most 1.00 points" in page.text


def test_the_range_of_a_return_is_in_order_where_sharp_rivals_leave_more():
    contests = report().contests.with_columns(roi_low=pl.lit(0.55), roi_high=pl.lit(0.5))
    page = Page(render_slate_report(report(contests=contests)))
    assert "25.0 ±3.1, 25 to 55" in page.text


def test_unknown_start_and_share_are_dashes_not_the_word_none():
    forecast = report().forecast.with_columns(
        start=pl.lit(None, pl.Int64),
        optimal_share=pl.lit(None, pl.Float64),
        optimal_share_se=pl.lit(None, pl.Float64),
    )
    page = Page(render_slate_report(report(forecast=forecast)))
    assert "Ada Wheel Bright Racing $11,300 4.4 per $1k – 50.2" in page.text
    assert "None" not in page.text
    assert "None" not in page.attributes("data-value")


def test_drivers_come_best_mean_first_and_drawings_share_a_scale():
    html = render_slate_report(report())
    assert html.index("Ada Wheel") < html.index("Bo Spanner") < html.index("Cy Torque")
    # One zero line for all drivers.
    assert len(set(re.findall(r'class="zero" x1="([\d.]+)"', html))) == 1
    assert html.count('class="dist"') == 3


def test_texts_from_files_are_escaped_everywhere():
    drivers = (HOSTILE, "Bo Spanner")
    hostile = report(
        drivers,
        title=HOSTILE,
        race=RaceFacts(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1, RACE.start, RACE.lock, RACE.as_of),
        notices=(HOSTILE,),
        portfolio=((HOSTILE, HOSTILE),),
        overrides=pl.DataFrame(
            {key: [HOSTILE] for key in ("subject", "field", "value", "why", "who", "at")}
        ),
        regimes=pl.DataFrame({"regime": [HOSTILE], "frequency": [1.0]}),
        calibration=report().calibration.with_columns(
            metric=pl.lit(HOSTILE), reference=pl.lit(HOSTILE)
        ),
    )
    page = Page(render_slate_report(hostile))
    assert len([tag for tag, _ in page.elements if tag == "script"]) == 1
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert page.text.count("onerror=alert(2)") >= 15  # as text, in every section
    assert any(HOSTILE in label for label in page.attributes("aria-label"))


def test_nothing_is_loaded_from_anywhere():
    html = render_slate_report(report())
    page = Page(html)
    assert "://" not in html
    assert not page.attributes("src")
    assert all(link.startswith("#") for link in page.attributes("href"))
    assert "url(" not in html
    assert "@import" not in html
    (policy,) = [
        attrs["content"]
        for _, attrs in page.elements
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    # The policy lets this script run and no other.
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


@pytest.mark.slow
def test_same_report_same_bytes_whatever_the_order_of_rows():
    one = report()
    assert render_slate_report(one) == render_slate_report(report())
    turned = report(
        forecast=one.forecast.reverse(),
        quantiles=one.quantiles.reverse(),
        exposures=one.exposures.reverse(),
        regimes=one.regimes.reverse(),
    )
    assert render_slate_report(turned) == render_slate_report(one)


def test_lineups_beyond_twenty_are_folded_but_there():
    page = Page(render_slate_report(report(n_lineups=23)))
    assert "3 more" in page.text
    assert "$49,878" in page.text  # the 23rd: 49,900 - 22
    # Every lineup holds the same three drivers.
    assert "two of them share 3.0 drivers" in page.text


def test_a_first_slate_without_record_lineups_or_changes_is_still_a_page():
    one = report()
    page = Page(
        render_slate_report(
            report(
                n_lineups=0,
                exposures=one.exposures.clear(),
                calibration=one.calibration.clear(),
                overrides=one.overrides.clear(),
                quantiles=one.quantiles.clear(),
                notices=(),
            )
        )
    )
    assert "There are no lineups." in page.text
    assert "no past forecasts to judge this one by" in page.text
    assert "every value comes from the data" in page.text
    assert "To know" not in page.text


def test_a_frame_without_its_columns_is_refused_with_their_names():
    with pytest.raises(ValueError, match=r"The contests: the columns roi, roi_se are missing"):
        report(contests=report().contests.drop("roi", "roi_se"))


def test_a_time_without_a_zone_is_refused():
    naive = RaceFacts("R", "T", "short", "cup", 1, datetime(2026, 2, 15), RACE.lock, RACE.as_of)  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        render_slate_report(report(race=naive))


def test_in_a_browser_it_sorts_fits_a_phone_and_asks_for_nothing(browser, tmp_path):
    file = tmp_path / "report.html"
    names = [f"Driver Number{i:02d} Longlastname" for i in range(38)]
    file.write_text(render_slate_report(report(names, n_lineups=25)), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    first = page.locator("table.forecast tbody tr .driver").first
    assert first.inner_text().split("\n")[0] == names[0]
    page.get_by_role("button", name="Salary").click()
    assert first.inner_text().split("\n")[0] == names[0]  # dearest first
    page.get_by_role("button", name="Salary").click()
    assert first.inner_text().split("\n")[0] == names[-1]
    # The first driver has no starting position: last, whichever way it is sorted.
    page.get_by_role("button", name="Start").click()
    assert first.inner_text().split("\n")[0] == names[1]
    page.get_by_role("button", name="Start").click()
    assert first.inner_text().split("\n")[0] == names[-1]
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_label("Sort by").first.select_option(label="Driver")
    assert first.inner_text().split("\n")[0] == names[0]
    assert asked == [file.as_uri()]
    assert complaints == []
    page.close()


def test_nothing_in_the_page_steers_a_terminal():
    steering = "\x1b]0;title\x07\x1b[31mRed \u202e"
    html = render_slate_report(report(title=steering, notices=(f"{steering} is not entered.",)))
    assert all(letter.isprintable() or letter == "\n" for letter in html)
    assert "\\x1b[31mRed" in html
