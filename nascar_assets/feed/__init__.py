"""The public NASCAR feed: client, parsers to typed tables, dirt rules, driver names."""
