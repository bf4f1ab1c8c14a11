"""Tests of plugins that work together by the core's interfaces; left out where one of them is not installed."""

from __future__ import annotations

import importlib.util

_NEEDED = (
    "dvid_annotation",
    "dvid_imageblk",
    "dvid_imagetile",
    "dvid_labelmap",
    "dvid_labelsz",
    "dvid_roi",
    "dvid_store_precomputed",
    "dvid_tarsupervoxels",
    "tensorstore",
)
collect_ignore_glob = [] if all(importlib.util.find_spec(name) for name in _NEEDED) else ["test_*.py"]
