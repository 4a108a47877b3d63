"""Settings of these tests, and the library that their scores are compared with."""

import sys
from types import ModuleType

import pytest
from hypothesis import settings

# Examples take as long as a busy machine makes them.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture(scope="session")
def scoringrules() -> ModuleType:
    """scoringrules in its NumPy form: with Numba it compiles for ten seconds when imported."""
    numba = sys.modules.pop("numba", None)
    sys.modules["numba"] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        import scoringrules
    finally:
        del sys.modules["numba"]
        if numba is not None:
            sys.modules["numba"] = numba
    return scoringrules
