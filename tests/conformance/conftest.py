"""Where there are no recordings there are no tests."""

from __future__ import annotations

import os
from pathlib import Path

_DEFAULT = Path(__file__).parents[3] / "shared" / "conformance"

_FOLDER = Path(os.environ.get("DVID_CONFORMANCE", _DEFAULT))

collect_ignore = [
    module
    for module, needed in (("test_recorded.py", _FOLDER), ("test_variants.py", _FOLDER / "variants"))
    if not needed.exists()
]
