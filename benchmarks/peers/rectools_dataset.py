"""Seconds of RecTools' `Dataset.construct` from a folder of parquet files; run by preparation.py."""

import json
import resource
import sys
import time

import pandas as pd
from rectools import Columns
from rectools.dataset import Dataset

start = time.perf_counter()
events = pd.read_parquet(sys.argv[1]).rename(columns={"timestamp": Columns.Datetime})
events[Columns.Weight] = 1.0
dataset = Dataset.construct(events)
seconds, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
figures = {"seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime, "peak_gb": used.ru_maxrss / 2**20}
print(json.dumps({**figures, "users": dataset.user_id_map.size}))
