"""Settings of all tests of the repository."""

from __future__ import annotations

import os

from hypothesis import settings

if "CI" not in os.environ:  # there hypothesis has a profile of its own
    # A busy machine is no failure; and what failed can be run again from its output.
    settings.register_profile("dvid", deadline=None, print_blob=True)
    settings.load_profile("dvid")
