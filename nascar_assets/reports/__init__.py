"""What people look at: plots, tables and the self-contained report of a slate.

Plots are in `nascar_assets.reports.plots`.
"""

from nascar_assets.reports.slate_report import (
    InputFile,
    Provenance,
    RaceFacts,
    SlateReport,
    render_slate_report,
)

__all__ = ["InputFile", "Provenance", "RaceFacts", "SlateReport", "render_slate_report"]
