"""ChatTurn: the result of one turn of a dialogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...modeling_xcat.recommending_xcat import Recommendations
from .dialogue import Understood


@dataclass(frozen=True)
class ChatTurn:
    """Result of one turn.

    Args:
        understood: The wishes and limits in force.
        recommendations: Items of the catalogue, best first; empty if the session asks back.
        answer: The answer, in the customer's language; never empty.
        prices: Price of each recommended item, None if unknown.
    """

    understood: Understood
    recommendations: Recommendations
    answer: str
    prices: tuple[float | None, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON: `understood`, `recommendations` and `answer`."""
        return {
            "understood": self.understood.to_dict(),
            "recommendations": [
                item.to_dict() | {"words": list(item.words), "price": price}
                for item, price in zip(self.recommendations, self.prices, strict=True)
            ],
            "answer": self.answer,
        }
