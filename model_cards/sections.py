"""The sections of a card about the model, its intended use, its usage and its data."""

from __future__ import annotations

import json
import re

from ..counting import counted
from ..tokenization.tables.problems import without_advice
from ..training.provenance import package_versions
from .card_data import XCatModelCardData
from .click_section import click_code, click_usage
from .markdown import cell, facts_table, is_hub_id, line, usable_id
from .method import CITATIONS, losses_of_model, parts_of

LIBRARY_CITATION = """@software{xcat_rec,
  title = {xcat-rec: cross-attention recommendation across item categories},
  author = {{The xcat-rec authors}},
  version = {%s},
  license = {Apache-2.0}
}"""
TIES = {"file": "as in the file", "shuffle": "shuffled with the seed"}


def overview(data: XCatModelCardData) -> str:
    """Description of the model."""
    sentence = f"{line(data.task)}. {line(data.description)}."
    rows = [["Model type", cell(data.model_type)], ["Base", _base_cell(data)]]
    if data.adapter:
        rows.append(["Adapter", f"{cell(data.adapter)}, trained on the base and loaded onto it"])
    if data.parameters is not None:
        rows.append(["Parameters", f"{data.parameters[0]:,} trained of {data.parameters[1]:,}"])
    languages = [data.language] if isinstance(data.language, str) else data.language or []
    rows.append(["Language of the texts", cell(", ".join(languages)) or "not stated"])
    rows.append(["Licence of the weights", cell(data.license_name or data.license or "not stated")])
    return f"{sentence}\n\n{facts_table(rows)}"


def intended_use(data: XCatModelCardData) -> str:
    """Intended uses of the model."""
    return "\n".join(f"- {line(use)}" for use in data.intended_use) or "- Not stated."


def usage_section(data: XCatModelCardData) -> str:
    """Examples in Python, from the command line, and without the package."""
    name = usable_id(data.model_id)
    history = [line(item) for item in data.example_history]
    parts = [
        "Give a checkpoint folder or a repository id.",
        f"""```python
from xcat_rec import XCatRecommender

recommender = XCatRecommender.from_pretrained("{name}")
recommender.recommend({json.dumps(history, ensure_ascii=False)}, k=10)
```""",
        *filter(None, [click_usage(data.clicks, history)]),
        "From the command line, with xcat-rec installed from a clone of its repository:",
        f"```bash\nxcat recommend {name} --history {_shell_list(history)} -k 10\n```",
    ]
    if data.adapter:
        parts.append("The checkpoint is an adapter: its base is loaded first, from the place stored in the adapter.")
        return "\n\n".join(parts)
    parts.append("Without `xcat_rec`, with the code in the checkpoint:")
    clicks = click_code(data.clicks, history)
    code = [
        *(["import torch"] if clicks else []),
        "from transformers import AutoModel, AutoProcessor",
        "",
        f'model = AutoModel.from_pretrained("{name}", trust_remote_code=True)',
        f'processor = AutoProcessor.from_pretrained("{name}", trust_remote_code=True)',
        *([clicks] if clicks else []),
    ]
    parts.append("\n".join(["```python", *code, "```"]))
    return "\n\n".join(parts)


def data_section(data: XCatModelCardData) -> str:
    """Training data: size, times, texts, split, seeds, revision and repairs."""
    known = f" (`{data.dataset_id}`)" if is_hub_id(data.dataset_id) else ""
    rows = [["Data set", cell(data.dataset_name) + known]]
    revision = f"`{cell(data.dataset_revision)}`" if data.dataset_revision else "not recorded"
    rows.append(["Revision", revision])
    problems: tuple[str, ...] = ()
    if data.dataset is not None:
        facts, problems = data.dataset(), data.dataset().problems
        sizes = {"user": facts.num_users, "item": facts.num_items, "event": facts.num_events}
        size = ", ".join(counted(count, noun) for noun, count in sizes.items())
        rows += [
            ["Content", f"SHA-256 `{facts.content_hash}` of the tables"],
            ["Size", f"{size}, {facts.num_texts:,} distinct texts"],
            ["Time range", facts.time_range],
            ["Repeated events", f"{facts.repeated_events:,} (same user, item, time and event type)"],
            ["Users per part", ", ".join(f"{n} {c:,}" for n, c in facts.users_of_parts.items()) or "not recorded"],
            ["Licence of the data", cell(facts.licence) or "not stated"],
            ["Source", cell(facts.homepage) or "not stated"],
        ]
    if data.unknown_tokens:
        shares = ", ".join(f"{share:.1%} in texts of {name}" for name, share in data.unknown_tokens.items())
        rows.append(["Tokens unknown to the text encoder", shares])
    rows.append(["Split", cell(data.split)])
    rows.append(["Order of simultaneous events", cell(TIES.get(data.tie_policy, data.tie_policy))])
    rows.append(["Seeds", cell(", ".join(f"{name} {n}" for name, n in data.seeds.items())) or "not recorded"])
    found = [*problems, *data.notes]
    notes = "\n".join(f"- {line(without_advice(note)).removesuffix('.')}." for note in found) or "- None."
    return f"{facts_table(rows)}\n\nRepairs and warnings:\n\n{notes}"


def citation_section(data: XCatModelCardData) -> str:
    """Citations of the model, the library, the data, and the sources of losses and components."""
    entries = [data.citation] if data.citation else []
    entries.append(LIBRARY_CITATION % package_versions().get("xcat-rec", "unknown"))
    config = data.training.config
    if config is not None:
        losses = losses_of_model(data.model_type, config, data.training.arguments)
        used = [*losses, *parts_of(config)]
        keys = dict.fromkeys(key for part in used for key in part.citations)
        entries += [CITATIONS[key] for key in keys]
    text = "\n\n".join(entry.strip() for entry in entries)
    cited = data.dataset().citation if data.dataset is not None else ""
    return f"```bibtex\n{text}\n```" + (f"\n\nThe data: {line(cited).removesuffix('.')}." if cited else "")


def _base_cell(data: XCatModelCardData) -> str:
    if data.base_model is None:
        return "none"
    kind = "checkpoint" if data.base_checkpoint else "text encoder"
    if not is_hub_id(data.base_model):
        return f"a {kind} that is not on the hub"
    revision = f"revision `{cell(data.base_model_revision)}`" if data.base_model_revision else "revision not recorded"
    return f"{kind} `{data.base_model}`, {revision}"


def _shell_list(items: list[str]) -> str:
    joined = ",".join(items)
    return joined if re.fullmatch(r"[\w.,:@%+=-]+", joined) else "'" + joined.replace("'", "'\\''") + "'"
