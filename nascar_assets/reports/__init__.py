"""What people look at: plots, tables and the self-contained report of a slate."""
