"""History: results per race and driver, ratings as of a date, track profiles."""
