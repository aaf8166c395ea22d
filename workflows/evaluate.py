"""Evaluate a checkpoint on tables, beside baselines."""

from __future__ import annotations

from .checkpoint_evaluation import evaluate_checkpoint as evaluate

__all__ = ["evaluate"]
