"""`xcat interests`: print users' interests, found in their texts and ratings."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from .options import Columns, Encoding, Events, Items, TimeFormat


def interests(
    data: Annotated[
        str | None,
        typer.Argument(help="Events file, or folder with items.* and events.*; events need texts or ratings."),
    ] = None,
    user: Annotated[
        list[str] | None,
        typer.Option(help="User id, such as U1; may be repeated; by default the users with most texts and ratings."),
    ] = None,
    items: Items = None,
    events: Events = None,
    text_column: Annotated[
        list[str] | None,
        typer.Option(help="Text column of events, such as review; may be repeated; by default the usual names."),
    ] = None,
    before: Annotated[str | None, typer.Option(help="Read only events before this time, such as 2023-01-01.")] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Checkpoint to take column names, time format and encoding from.")
    ] = None,
    columns: Columns = None,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    half_life_days: Annotated[float, typer.Option(help="Days after which a review counts half.")] = 180.0,
    text_encoder: Annotated[
        str | None,
        typer.Option(help="Hub id or folder of the text encoder; auto, the default, chooses by the texts' language."),
    ] = None,
    sentiment: Annotated[
        Literal["lexicon", "learned", "self-trained"],
        typer.Option(
            help="Sentiment of texts without a rating: a lexicon, learned from rated texts, or self-trained (unrated "
            "texts, too, if this helps)."
        ),
    ] = "lexicon",
    labels: Annotated[
        list[str] | None,
        typer.Option(
            help="Labels of texts, which count as ratings: filled file of xcat suggest-labels; may be repeated."
        ),
    ] = None,
    sentiment_model: Annotated[
        str | None, typer.Option(help="Text-classification model for texts without a rating, instead of --sentiment.")
    ] = None,
    entity_model: Annotated[
        str | None, typer.Option(help="Token-classification model that finds names, instead of the catalogue's names.")
    ] = None,
    users: Annotated[int, typer.Option(help="Number of users to show without --user.")] = 3,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Print interest profiles: liked and disliked categories, interest clusters, names and phrases.

    Examples:

        xcat interests my-shop/ --user U1

        xcat interests my-shop/ --user U1 --before 2023-01-01 --json

        xcat interests my-shop/ --checkpoint my-checkpoint

        xcat interests my-shop/ --labels to-label.csv --sentiment self-trained
    """
    from ..workflows.input_checks import check_checkpoint, check_text_encoder
    from .usage import check_at_least, check_file_to_read

    check_at_least("--users", users, 1)
    for file in labels or ():
        check_file_to_read("--labels", file)
    if checkpoint is not None:
        check_checkpoint(checkpoint)
    check_text_encoder(text_encoder)

    from ..workflows.interests import interests as profiles_of
    from .console import print_json, results, say
    from .rendering import profile_tables

    found = profiles_of(
        data, user, items=items, events=events, checkpoint=checkpoint, columns=columns,
        text_columns=text_column, before=before, time_format=time_format, encoding=encoding,
        half_life_days=half_life_days, text_encoder=text_encoder, sentiment=sentiment, labels=labels,
        sentiment_model=sentiment_model, entity_model=entity_model, users=users, tell=say,
    )  # fmt: skip
    if json_output:
        print_json({"profiles": [{"user_id": name, **profile.to_dict()} for name, profile in found.items()]})
        return
    for name, profile in found.items():
        for table in profile_tables(name, profile):
            results.print(table, "", highlight=False, sep="\n")
