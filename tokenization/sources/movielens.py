"""MovieLens in the layouts of GroupLens (ml-100k, ml-1m, ml-10m, ml-20m and later), and RecBole's copy."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ..tables.data_card import DataCard
from ..tables.schema import ShopTables
from .generic import read_table
from .recbole import atomic_tables
from .source import DataSource, SourceRequest, build_shop

PACKAGE = "recbole"
_CARD = DataCard(
    "movielens",
    "Ratings of films by users of movielens.org.",
    licence="GroupLens: research use, no redistribution without permission; see the README of the data set",
    citation="F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems 5, 4, Article 19. https://doi.org/10.1145/2827872",
    homepage="https://grouplens.org/datasets/movielens/",
)
_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
"""Order of the flags in u.item."""
_NO_GENRES = ("", "unknown", "(no genres listed)")
_AGES = {"1": "under 18", "18": "18-24", "25": "25-34", "35": "35-44", "45": "45-49", "50": "50-55", "56": "56+"}
_OCCUPATIONS = (
    "other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service",
    "doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer", "programmer",
    "retired", "sales/marketing", "scientist", "self-employed", "technician/engineer", "tradesman/craftsman",
    "unemployed", "writer",
)  # fmt: skip
"""Codes of users.dat of ml-1m."""


def read_movielens(request: SourceRequest) -> ShopTables:
    """Read a MovieLens folder. A film's category is its first genre; the column `genres` has all of them.

    Raises:
        FileNotFoundError: If the folder has none of the layouts.
        ValueError: If a line has too few or too many fields; the message has the line.
    """
    if request.maybe("u.data"):
        return _read_100k(request)
    if request.maybe("ratings.dat"):
        return _read_dat(request)
    if request.find(r".+\.inter(?:\.gz)?"):
        return _read_packaged(request)
    ratings, movies = request.only("ratings.csv"), request.only("movies.csv")
    events = read_table(ratings).rename({"userId": "user_id", "movieId": "item_id"})
    items = read_table(movies).rename({"movieId": "item_id"})
    return _shop(items.with_columns(pl.col("genres").str.replace_all("|", ", ", literal=True)), events)


def _read_100k(request: SourceRequest) -> ShopTables:
    events = _split(request.only("u.data"), "\t", ("user_id", "item_id", "rating", "timestamp"))
    films = _split(request.only("u.item"), "|", ("item_id", "title", "released", "video", "url", *_GENRES))
    flags = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in _GENRES]
    items = films.select(
        "item_id", "title", "released", genres=pl.concat_str(flags, separator=", ", ignore_nulls=True)
    )
    path = request.maybe("u.user")
    people = None if path is None else _split(path, "|", ("user_id", "age", "gender", "occupation", "zip_code"))
    return _shop(items, events, people)


def _read_dat(request: SourceRequest) -> ShopTables:
    events = _split(request.only("ratings.dat"), "::", ("user_id", "item_id", "rating", "timestamp"))
    films = _split(request.only("movies.dat"), "::", ("item_id", "title", "genres"))
    items = films.with_columns(pl.col("genres").str.replace_all("|", ", ", literal=True))
    path = request.maybe("users.dat")
    if path is None:
        return _shop(items, events)
    people = _split(path, "::", ("user_id", "gender", "age", "occupation", "zip_code")).with_columns(
        pl.col("age").replace(_AGES),
        pl.col("occupation").replace({str(code): name for code, name in enumerate(_OCCUPATIONS)}),
    )
    return _shop(items, events, people)


def _read_packaged(request: SourceRequest) -> ShopTables:
    """RecBole's copy has the genres as words in one field."""
    tables = atomic_tables(request)
    items = tables.items.rename({"category": "genres"}).with_columns(pl.col("genres").str.replace_all(" ", ", "))
    return _shop(items, tables.events, tables.users)


def _shop(items: pl.DataFrame, events: pl.DataFrame, users: pl.DataFrame | None = None) -> ShopTables:
    if "category" not in items.columns:
        items = items.with_columns(pl.when(~pl.col("genres").is_in(_NO_GENRES)).then(pl.col("genres")))
        items = items.with_columns(category=pl.col("genres").str.split(", ").list.first())
    return build_shop(items, events.with_columns(event_type=pl.lit("rating")), _CARD, users=users)


def _split(path: Path, separator: str, names: Sequence[str]) -> pl.DataFrame:
    """A file without a header, in UTF-8 or, like the older files, in Latin-1."""
    content = path.read_bytes()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = pl.Series("line", [line for line in text.split("\n") if line.strip()], pl.String).str.strip_chars_end("\r")
    fields = lines.str.split(separator)
    wrong = fields.list.len() != len(names)
    if wrong.any():
        first = int(wrong.arg_max() or 0)
        raise ValueError(
            f"table {path}: line {first + 1} has {fields.list.len()[first]} fields instead of {len(names)} "
            f"({', '.join(names[:4])}, ...); check that it is complete"
        )
    return pl.DataFrame([fields.list.get(place).alias(name) for place, name in enumerate(names)])


def _packaged() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(
            f"data movielens without a folder needs the package {PACKAGE}, which contains ml-100k: "
            "pip install --no-deps recbole; or give movielens:FOLDER"
        )
    return Path(next(iter(found.submodule_search_locations))) / "dataset_example" / "ml-100k"


def _recognises(names: Sequence[str]) -> bool:
    layouts: tuple[set[str], ...] = (
        {"u.data", "u.item"},
        {"ratings.dat", "movies.dat"},
        {"ratings.csv", "movies.csv"},
    )
    return any(layout <= set(names) for layout in layouts)


MOVIELENS = DataSource(
    "movielens",
    "MovieLens folders of any size; without a path, the ml-100k in the package recbole",
    read_movielens,
    _recognises,
    lambda selection: ["*u.data", "*u.item", "*u.user", "*.dat", "*ratings.csv", "*movies.csv"],
    packaged=_packaged,
)
