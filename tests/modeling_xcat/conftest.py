from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BertConfig

from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem

ROWS, TEXTS, WIDTH = 14, 9, 12


def tiny_text_config() -> BertConfig:
    return BertConfig(
        vocab_size=30, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16, hidden_dropout_prob=0.0,
    )  # fmt: skip


def tiny_config(**changes: Any) -> XCatConfig:
    values: dict[str, Any] = {
        "text_config": tiny_text_config(), "text_dim": WIDTH, "num_item_rows": ROWS, "num_texts": TEXTS,
        "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_behavior_layers": 2,
        "max_history": 6, "item_features": {"brand": 4}, "event_types": ["buy", "view"], "num_rating_buckets": 6,
        "num_time_gap_buckets": 8, "num_soft_targets": 3, "num_negatives": 5, "num_neighbors": 4,
        "num_successors": 4,
    }  # fmt: skip
    return XCatConfig(**{**values, **changes})


def tiny_model(
    config: XCatConfig | None = None,
    attention: str = "sdpa",
    seed: int = 0,
    kind: type[XCatForNextItem] = XCatForNextItem,
) -> Any:
    config = config or tiny_config()
    config._attn_implementation = attention
    torch.manual_seed(seed)
    model = kind(config)
    with torch.no_grad():
        items = model.model.items
        items.item_counts.copy_(torch.arange(ROWS) % 5)
        items.feature_values.copy_(torch.randint(0, 4, items.feature_values.shape))
        if hasattr(items, "return_counts"):
            items.return_counts.copy_(torch.arange(ROWS) % 5 // 2)
            items.return_gaps.copy_(items.return_counts * torch.arange(ROWS).remainder(7).log1p())
        if hasattr(items, "category_values"):
            items.category_values[2:] = torch.arange(ROWS - 2) % 4
        if config.use_text:
            items.text_states.copy_(torch.randn(items.text_states.shape))
            items.text_states[0] = 0
            items.text_token_mask[1:] = True
            items.text_index[2:] = torch.randint(1, TEXTS, (ROWS - 2,))
        if items.images is not None:
            items.images.states[1:] = torch.randn(items.images.states[1:].shape)
            items.images.index[2:] = torch.randint(0, config.num_images, items.images.index[2:].shape)
        if hasattr(model, "soft_target_rows"):
            model.soft_target_rows.copy_(torch.randint(2, ROWS, model.soft_target_rows.shape, dtype=torch.int32))
        if model.model.neighbors is not None:
            model.model.neighbors.rows.copy_(torch.randint(2, ROWS, (ROWS, config.num_neighbors)))
            model.model.neighbors.similarities.copy_(torch.rand(ROWS, config.num_neighbors))
            model.model.neighbors.similarities[:2] = 0
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape) * 0.05)
        if model.model.successors is not None:
            model.model.successors.rows.copy_(torch.randint(2, ROWS, (ROWS, config.num_successors)))
            model.model.successors.similarities.copy_(torch.rand(ROWS, config.num_successors))
    return model.eval()


@pytest.fixture
def histories() -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(1)

    def draw(high: int, size: int, low: int = 0) -> list[int]:
        return torch.randint(low, high, (size,), generator=generator).tolist()

    return [
        {
            "items": draw(ROWS, n, 2), "event_types": draw(3, n), "ratings": [float(r) for r in draw(6, n, 1)],
            "timestamps": sorted(draw(10_000, n)),
        }
        for n in (4, 6, 1, 3, 2, 5)
    ]  # fmt: skip
