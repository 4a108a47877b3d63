"""Benchmarks: speed and memory stated as measured, never asserted in tests."""
