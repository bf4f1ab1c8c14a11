"""`python -m dvid_framework.cli`, as the command `dvid`."""

from dvid_framework.cli import main

if __name__ == "__main__":
    main()
