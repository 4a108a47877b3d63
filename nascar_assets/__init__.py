"""An asset-based forecasting and lineup platform for NASCAR daily fantasy contests."""
