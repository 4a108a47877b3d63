"""Invented seasons in the feed's own format, for the demo and for tests."""

from nascar_assets.sample.generate import Sample, generate_sample, write_sample

__all__ = ["Sample", "generate_sample", "write_sample"]
