"""What holds for every test: one thread a process, no network, and no cache of the user's touched."""

from __future__ import annotations

import os
import tempfile

# Set before torch, polars or huggingface_hub is imported, for they read it once.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
_caches = tempfile.TemporaryDirectory(prefix="xcat-tests-", ignore_cleanup_errors=True)
os.environ["HF_HOME"] = _caches.name
os.environ["XCAT_CACHE"] = os.path.join(_caches.name, "text-states")
