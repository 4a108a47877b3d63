"""Plots for materialisations: valid, small, repeatable, and without global state."""

import base64
import io
import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from PIL import Image

from nascar_assets.reports import plots

NAMES = [f"Driver Número {i} de Longname" for i in range(43)]


def quantiles(label, names):
    middle = np.linspace(60.0, 2.0, len(names))
    return pl.DataFrame(
        {
            label: names,
            "mean_points": middle + 1,
            "points_p10": middle - 25,
            "points_p25": middle - 12,
            "points_p50": middle,
            "points_p75": middle + 12,
            "points_p90": middle + 25,
        }
    )


def pairs(n):
    a, b = np.triu_indices(n, 1)
    return pl.DataFrame({"lineup_a": a + 1, "lineup_b": b + 1, "shared": (a * 7 + b * 3) % 6})


# As large as a race weekend makes them: 43 drivers, 150 lineups, four track types.
CASES = {
    "points_distribution": (plots.points_distribution, quantiles("driver_name", NAMES)),
    "lineup_score_distribution": (
        plots.lineup_score_distribution,
        quantiles("lineup", list(range(1, 151))),
    ),
    "laps_led_shares": (
        plots.laps_led_shares,
        pl.DataFrame({"driver_name": NAMES, "mean_laps_led": np.geomspace(60, 0.1, 43)}),
    ),
    "coverage_plot": (
        plots.coverage_plot,
        pl.DataFrame(
            {
                "track_type": ["road"] * 3 + ["short"] * 3,
                "level": [0.5, 0.8, 0.95] * 2,
                "coverage": [0.52, 0.79, 0.94, 0.47, 0.83, 0.96],
                "standard_error": [0.02, 0.02, None, 0.01, 0.01, 0.01],
            }
        ),
    ),
    "exposure_plot": (
        plots.exposure_plot,
        pl.DataFrame(
            {
                "driver_name": NAMES,
                "exposure": np.linspace(0.8, 0, 43),
                "optimal_share": np.linspace(0.5, 0, 43),
            }
        ),
    ),
    "overlap_plot": (plots.overlap_plot, pairs(150)),
    "falloff_plot": (
        plots.falloff_plot,
        pl.DataFrame(
            {
                "driver_id": [str(i) for i in range(43)],
                "falloff_s_per_lap": [None, *np.linspace(0.01, 0.09, 42)],
                "falloff_se_s_per_lap": [None, None, *np.linspace(0.001, 0.02, 41)],
            }
        ),
    ),
    "regime_frequencies": (
        plots.regime_frequencies,
        pl.DataFrame(
            {
                "regime": ["CHAOS", "LONG_GREEN", "STANDARD"],
                "frequency": [0.2, 0.3, 0.5],
                "history_frequency": [0.25, 0.25, 0.5],
            }
        ),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_plots_are_images_small_enough_for_metadata(name):
    draw, frame = CASES[name]
    png = draw(frame)
    with Image.open(io.BytesIO(png)) as image:
        assert image.width > 300
        assert image.height > 100
        assert len(image.getcolors(maxcolors=256)) > 5  # something is drawn
        assert not {"Software", "Creation Time", "date"} & set(image.info)
    assert len(plots.as_markdown_image(png, name)) < 100_000


@pytest.mark.parametrize("name", CASES)
def test_plots_refuse_frames_without_their_columns(name):
    draw, _ = CASES[name]
    with pytest.raises(ValueError, match="are missing; there are other"):
        draw(pl.DataFrame({"other": [1]}))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_plots_show_their_rows_and_nothing_where_there_are_none(name):
    draw, frame = CASES[name]
    some, others, none = draw(frame.head(2)), draw(frame.tail(2)), draw(frame.clear())
    assert none.startswith(b"\x89PNG")
    assert len({some, others, none}) == 3
    assert draw(frame.head(2)) == some


def test_names_with_dollars_are_text_not_formulas():
    frame = pl.DataFrame({"driver_name": [r"$\frac{", "a$b$c"], "mean_laps_led": [3.0, 1.0]})
    assert plots.laps_led_shares(frame).startswith(b"\x89PNG")


def test_markdown_image_holds_the_bytes_and_a_harmless_title():
    png = plots.regime_frequencies(CASES["regime_frequencies"][1])
    text = plots.as_markdown_image(png, "a](b\n[c")
    found = re.fullmatch(r"!\[a\)\(b \(c\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", text)
    assert found is not None
    assert base64.b64decode(found[1]) == png


def test_images_too_large_for_metadata_are_refused():
    with pytest.raises(ValueError, match="Draw fewer rows"):
        plots.as_markdown_image(bytes(90_000))


@pytest.mark.slow
def test_no_pyplot_no_window_system_and_no_settings_left_behind():
    code = (
        "import sys, polars as pl\n"
        "from nascar_assets.reports import plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib\n"
        # Asking for the backend would import pyplot.
        "keys = [key for key in matplotlib.rcParams if key != 'backend']\n"
        "before = [matplotlib.rcParams[key] for key in keys]\n"
        "plots.regime_frequencies(pl.DataFrame({'regime': ['A'], 'frequency': [1.0]}))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert [matplotlib.rcParams[key] for key in keys] == before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
