"""`python -m dvid_googlevoxels JWTFILE`: list the volumes that a service account may read."""

from __future__ import annotations

import os
import sys

from dvid_framework.api import DvidError
from dvid_googlevoxels.service import BrainMaps


def main(arguments: list[str]) -> int:
    """Print the list as the service gives it; DVID_BRAINMAPS_URL names another address of the service."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m dvid_googlevoxels JWTFILE\n")
        return 2
    url = os.environ.get("DVID_BRAINMAPS_URL")
    try:
        service = BrainMaps(arguments[0], {"url": url} if url else {})
        try:
            listed = service.volumes()
        finally:
            service.close()
    except DvidError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(listed.decode(errors="replace") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
