"""A sample of the users of a folder of tables, with the items of their events, for a pretraining that fits a machine.

    python benchmarks/sample_users.py DATA OUT --users 8000 --seed 0

Users are drawn uniformly among all with events, those of validation and test included.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl


def main() -> None:
    """Read the arguments and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    items, events = (pl.read_parquet(given.data / f"{name}.parquet") for name in ("items", "events"))
    users = events["user_id"].unique(maintain_order=True)
    chosen = users.sample(min(given.users, len(users)), seed=given.seed)
    events = events.filter(pl.col("user_id").is_in(chosen.implode()))
    items = items.filter(pl.col("item_id").is_in(events["item_id"].unique().implode()))
    given.output.mkdir(parents=True, exist_ok=True)
    items.write_parquet(given.output / "items.parquet")
    events.write_parquet(given.output / "events.parquet")
    print(f"{given.output}: {len(chosen):,} users, {items.height:,} items, {events.height:,} events")


if __name__ == "__main__":
    main()
