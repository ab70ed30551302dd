"""``python -m anybind`` and the script ``anybind``."""

from __future__ import annotations

import sys
from typing import NoReturn

from anybind.cli.app import cli


def main() -> NoReturn:
    """Run the command line and exit.

    What a terminal cannot show (its encoding may be anything) is escaped rather than fatal.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(cli.main())


if __name__ == "__main__":
    main()
