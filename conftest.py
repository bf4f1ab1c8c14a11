"""Settings of all tests of the repository."""

from __future__ import annotations

import importlib.util
import os

from hypothesis import settings

# Without cargo there are no native kernels, and nothing of theirs to test.
collect_ignore_glob = [] if importlib.util.find_spec("dvid_kernels") else ["libs/dvid-kernels/*"]

if "CI" not in os.environ:  # there hypothesis has a profile of its own
    # A busy machine is no failure; and what failed can be run again from its output.
    settings.register_profile("dvid", deadline=None, print_blob=True)
    settings.load_profile("dvid")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: gzip's have the time in them, and two workers must agree on the names of tests."""
    return argname if isinstance(val, bytes) else None
