"""Buffers that are freed are used again."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
from dvid_framework.allocator import keep_freed_memory

if {tuned}:
    assert keep_freed_memory()
def work():
    return len(b"x" * (1 << 19)), sum(map(len, [b"x" * (1 << 19), b"x" * (1 << 19), b"x" * (1 << 20)]))

for _ in range(3):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(tuned: bool) -> int:
    program = PROGRAM.format(tuned=tuned)
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout)


def test_large_buffers_are_not_cleared_anew() -> None:
    assert faults(tuned=True) < 1000
    assert faults(tuned=False) > 10_000
