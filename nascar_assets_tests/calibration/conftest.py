"""Settings of these tests: examples take as long as a busy machine makes them."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
