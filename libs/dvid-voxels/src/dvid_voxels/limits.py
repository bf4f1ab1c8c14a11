"""How much one request for a volume may ask for, and how many threads a kernel has."""

import os

__all__ = ["MOST_BLOCKS", "MOST_BYTES", "MOST_IMAGE_BYTES", "MOST_LISTED", "THREADS"]

MOST_BYTES = 3 << 30
"""Raw bytes of a volume that is asked for."""
MOST_IMAGE_BYTES = 1 << 30
"""Raw bytes of a slice that is asked for as an image."""
MOST_BLOCKS = 1 << 20
"""Blocks of a volume, or of a body."""
MOST_LISTED = 100_000
"""Blocks that are asked for one by one."""
THREADS = max(1, min(4, os.cpu_count() or 1))
"""Threads of one kernel."""
