"""The `handler.py` of an inference endpoint of Hugging Face; `xcat push` copies this file beside the weights.

It needs torch, transformers and pyarrow, and runs the code of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers import pipeline


class EndpointHandler:
    """Answers requests for recommendations.

    Args:
        path: Folder of the checkpoint.

    Example (not run: it needs a checkpoint):
        EndpointHandler("CKPT")({"inputs": ["tent-1", "boots-7"], "parameters": {"k": 5}})
    """

    def __init__(self, path: str = "") -> None:
        make: Callable[..., Any] = pipeline
        self.recommender = make("item-recommendation", model=path or ".", trust_remote_code=True, dtype=torch.float32)

    def __call__(self, data: Any) -> Any:
        """Recommend.

        Args:
            data: A mapping with `inputs`, and perhaps `parameters`. The inputs are a history (item ids, oldest first),
                a text (what the customer asks for), a mapping with `history`, `query` and the like, or a list of
                histories or mappings. The parameters are options of the pipeline, such as `k`.

        Returns:
            Recommendations as the pipeline gives them; a mapping with `error` and `error_type` for a bad request.
        """
        if not isinstance(data, Mapping) or data.get("inputs") is None:
            return _error("a request is an object with inputs, such as {'inputs': ['item-1', 'item-2']}")
        inputs, parameters = data["inputs"], data.get("parameters") or {}
        if not isinstance(parameters, Mapping):
            return _error("parameters is an object with options, such as {'k': 5}")
        try:
            return self.recommender({"query": inputs} if isinstance(inputs, str) else inputs, **parameters)
        except (TypeError, ValueError) as error:
            return _error(str(error))


def _error(reason: str) -> dict[str, str]:
    return {"error": reason, "error_type": "validation"}
