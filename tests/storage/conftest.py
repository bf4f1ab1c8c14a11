"""What is LevelDB's own is tested where its driver is."""

from __future__ import annotations

import importlib.util

collect_ignore = [] if importlib.util.find_spec("plyvel") else ["test_shared_snapshot.py"]
