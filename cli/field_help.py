"""Help of the options of `fit` and `bench` that are dataclass fields."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from ..workflows.fields import RESERVED, task_fields
from ..workflows.option_fields import CLICK, CONFIG, PREPARATION, TRAINING, UNKNOWN, OptionField, option_fields
from .suggestions import field_options

_COMMON = (
    "num_train_epochs", "learning_rate", "per_device_train_batch_size", "quick", "hidden_size", "max_history",
    "num_behavior_layers", "repeats", "text_fields", "min_user_events",
)  # fmt: skip
_PANELS = {
    PREPARATION: "Data and split", "EventOptions": "Data and split", "TextOptions": "Item texts",
    "InterestOptions": "Interests of users", "ModelOptions": "Model", CONFIG: "Model", TRAINING: "Training",
    CLICK: "Click prediction",
}  # fmt: skip
"""Panels of the help by the class that declares a field."""


def field_parameters() -> list[Any]:
    """One command-line parameter per field, for the help only: common fields, other fields, inherited fields."""
    found: dict[str, tuple[str, OptionField]] = {}
    for owner in (PREPARATION, CONFIG, TRAINING):
        for name, field in option_fields(owner).items():
            if name not in RESERVED:
                found.setdefault(name, (_PANELS.get(field.group) or _PANELS[owner], field))
    for name, field in task_fields().items():
        found.setdefault(name, (_PANELS[CLICK], field))
    common = {name: ("Common fields", found[name][1]) for name in _COMMON if name in found}
    foreign = {
        name: (f"{panel} (of transformers)", field)
        for name, (panel, field) in found.items()
        if field.inherited and name not in common
    }
    own = {name: entry for name, entry in found.items() if name not in foreign}
    infos = {name: _option(name, panel, field) for name, (panel, field) in (common | own | common | foreign).items()}
    for option in field_options():  # short names of the fields above
        name = option[2:].replace("-", "_")
        infos.setdefault(name, typer.Option(option, metavar="X", rich_help_panel="Other names"))
    return _parameters(infos)


def _option(name: str, panel: str, field: OptionField) -> Any:
    option = f"--{name.replace('_', '-')}"
    default = "" if field.default in (UNKNOWN, None, "", [], (), {}) else f" [default: {_shown(field.default)}]"
    return typer.Option(
        option, help=(field.help + default).strip(), metavar="X", show_default=False, rich_help_panel=panel
    )


def _parameters(infos: dict[str, Any]) -> list[Any]:
    """Parameters that typer builds for a function with these options."""

    def fields(**_: Any) -> None: ...

    described: Any = fields
    described.__annotations__ = {name: Annotated[str | None, info] for name, info in infos.items()}
    described.__signature__ = inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in described.__annotations__.items()
        ]
    )
    single = typer.Typer(add_completion=False)
    single.command("fields")(fields)
    return list(typer.main.get_command(single).params)


def _shown(value: Any) -> str:
    """A default as it is written on the command line."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
