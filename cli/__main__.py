"""`python -m xcat_rec.cli`, for launchers that start modules: torchrun, accelerate, srun.

With several processes only the first one prints results, so with `--json` the last line of stdout is one JSON object
at any world size. Messages and errors of all processes go to stderr.
"""

from __future__ import annotations

import os
import sys

from .app import main

if __name__ == "__main__":
    if os.environ.get("RANK", "0") != "0":
        with open(os.devnull, "w", encoding="utf-8") as sys.stdout:
            main()
    main()
