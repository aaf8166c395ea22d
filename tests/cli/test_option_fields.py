"""Fields read from source equal the dataclasses."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import sys
import typing

import pytest
from transformers.activations import ACT2FN
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.workflows.option_fields import CONFIG, PREPARATION, TRAINING, UNKNOWN, literal_keys, option_fields

OWNERS = {PREPARATION: PreparationOptions, CONFIG: XCatConfig, TRAINING: XCatTrainingArguments}


def real_default(field: dataclasses.Field) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default.value if isinstance(field.default, enum.Enum) else field.default


@pytest.mark.parametrize("owner", OWNERS)
def test_names_and_defaults(owner):
    read, real = option_fields(owner), {field.name: field for field in dataclasses.fields(OWNERS[owner])}
    assert set(read) == set(real)
    known = {name: field.default for name, field in read.items() if field.default is not UNKNOWN}
    assert known == {name: real_default(real[name]) for name in known}
    computed = set(read) - set(known)
    assert len(computed) <= 12, computed


@pytest.mark.parametrize("owner", OWNERS)
def test_types(owner):
    """An annotation as text is resolved in the module of the class that declares it."""
    for name, field in option_fields(owner).items():
        declaring = next(cls for cls in OWNERS[owner].__mro__ if name in inspect.get_annotations(cls))
        declared = declaring.__annotations__[name]
        if isinstance(declared, str):
            assert field.kind == ast.unparse(ast.parse(declared, mode="eval")), name
        else:
            assert eval(field.kind, {**vars(typing), **vars(sys.modules[declaring.__module__])}) == declared, name


def test_choices_are_those_of_transformers():
    fields = option_fields(TRAINING)
    for name in ("lr_scheduler_type", "optim", "hub_strategy", "eval_strategy", "save_strategy"):
        declared = next(
            cls.__annotations__[name] for cls in reversed(XCatTrainingArguments.__mro__)
            if name in inspect.get_annotations(cls)
        )  # fmt: skip
        kind = next(kind for kind in typing.get_args(declared) if issubclass(kind, enum.Enum))
        assert fields[name].choices == tuple(member.value for member in kind)


def test_keys_of_dictionaries():
    assert set(literal_keys("transformers", "activations.py", "ACT2CLS")) == set(ACT2FN)
    loggers = literal_keys("transformers", "integrations/integration_utils.py", "INTEGRATION_TO_CALLBACK")
    assert set(loggers) == set(INTEGRATION_TO_CALLBACK)
