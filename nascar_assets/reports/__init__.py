"""What people look at: plots, tables and the self-contained report of a slate.

Plots are in `nascar_assets.reports.plots`, the page in `nascar_assets.reports.slate_page`.
"""

from nascar_assets.reports.slate_report import (
    Provenance,
    RaceFacts,
    SlateReport,
)

__all__ = ["Provenance", "RaceFacts", "SlateReport"]
