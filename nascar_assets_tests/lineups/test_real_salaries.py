"""Every real salary file gives lineups that can be uploaded."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from nascar_assets.lineups import build_portfolio, optimal_lineups, read_upload, upload_csv
from nascar_assets.slates.salaries import read_salaries
from nascar_assets_tests.lineups.slates import made_points, made_slate

REAL = os.environ.get("NASCAR_REAL_DATA")
FILES = sorted((Path(REAL) / "salaries").glob("*.csv")) if REAL else []


@pytest.mark.real_data
@pytest.mark.skipif(not FILES, reason="NASCAR_REAL_DATA names no folder with salary files")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_real_salary_file_gives_a_legal_upload(path):
    salaries = read_salaries(path.read_bytes(), path.name)
    rows = [row for row in salaries.rows if not row.out]
    slate = made_slate([row.salary for row in rows], names=[row.name for row in rows])
    points = made_points([row.salary for row in rows], 300, 1)
    best = optimal_lineups(points, np.array([r.salary for r in rows]), 50_000, 6)
    assert best.optimal_share.sum() == pytest.approx(6)
    portfolio = build_portfolio(points, slate, {"lineups": 20, "objective": "mean"})
    content = upload_csv(slate, portfolio.drivers)
    assert (read_upload(slate, content) == portfolio.drivers).all()
