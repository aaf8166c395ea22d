"""Time of training steps by group of operations, from torch's profiler."""

from __future__ import annotations

import time
from typing import Any

from torch.profiler import ProfilerActivity, profile
from transformers import TrainerCallback

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "matmul", "linear", "mkldnn_linear", "_addmm_activation")
ATTENTION = ("attention", "softmax")
DROPOUT = ("dropout", "bernoulli")
EXPONENTIALS = ("exp", "expm1", "gelu", "silu", "sigmoid", "tanh", "log", "log1p", "softplus")
PROJECTION, LOSS, BLOCKS = "projection products", "loss products", "block products"
TABLE, SCORES = "table passes", "passes over scores"


def group_of(name: str, shapes: list[list[int]], items: int) -> str:
    """The group of an operation.

    Products are identified by their sizes. All texts (one more than items) pass through the text projection, all items
    through the loss; other products are in the blocks. A table pass is any other operation on all items or texts,
    including conversions, and the optimizer, because most parameters are tables. A pass over scores has one column per
    item. Texts of only the step's items (`adaptor_refresh_steps` above 1) count as blocks.

    Args:
        name: Name in the profiler, such as `aten::mm`.
        shapes: Sizes of its inputs.
        items: Number of catalogue items, each with a different text; the table has two rows more.

    Example:
        >>> group_of("aten::mm", [[1, 50], [50, 4]], 50), group_of("aten::mm", [[51, 9], [9, 8]], 50)
        ('loss products', 'projection products')
        >>> group_of("aten::add", [[52, 4], [52, 4]], 50), group_of("aten::exp_", [[7, 50]], 50)
        ('table passes', 'exponentials and activations')
    """
    bare = name.removeprefix("aten::").rstrip("_")
    sizes = {size for shape in shapes for size in shape}
    if "DataLoader" in name:
        return "making batches"
    if any(part in bare for part in ATTENTION):
        return "attention"
    if any(part in bare for part in DROPOUT):
        return "dropout"
    if bare in PRODUCTS:
        return PROJECTION if items + 1 in sizes else LOSS if sizes & {items, items + 2} else BLOCKS
    if bare.removesuffix("_backward") in EXPONENTIALS:
        return "exponentials and activations"
    whole = range(items, items + 3)
    if any(len(shape) > 1 and shape[0] in whole for shape in shapes) or "adam" in bare.lower():
        return TABLE
    return SCORES if any(len(shape) > 1 and shape[-1] in whole for shape in shapes) else "other operations"


class StepProfile(TrainerCallback):
    """Profiles the steps after a warm-up; the profiler slows small operations down.

    Args:
        warmup: Steps before the first measured one.
        steps: Measured steps.
    """

    def __init__(self, warmup: int, steps: int) -> None:
        self.warmup, self.steps, self.seconds = warmup, steps, 0.0
        self._profiler = profile(activities=[ProfilerActivity.CPU], record_shapes=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start after the warm-up, and stop."""
        if state.global_step == self.warmup:
            self._profiler.start()
            self.seconds = -time.perf_counter()
        elif state.global_step == self.warmup + self.steps:
            self.seconds += time.perf_counter()
            self._profiler.stop()

    def milliseconds(self, items: int) -> dict[str, float]:
        """Milliseconds per step by group, the largest first; time without an operation is "between operations"."""
        found: dict[str, float] = {}
        for event in self._profiler.key_averages(group_by_input_shape=True):
            shapes = [shape for shape in event.input_shapes if isinstance(shape, list)]
            group = group_of(event.key, shapes, items)
            found[group] = found.get(group, 0.0) + event.self_cpu_time_total / 1e3 / self.steps
        whole = 1e3 * self.seconds / self.steps
        found["between operations"] = max(0.0, whole - sum(found.values()))
        return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def print_profile(milliseconds: dict[str, float]) -> None:
    """Print the groups as a table, with their shares."""
    whole = sum(milliseconds.values())
    print("\n| part of a step, text and id | ms | share |\n|---|---|---|")
    for name, value in milliseconds.items():
        print(f"| {name} | {value:.1f} | {value / whole:.0%} |")
    print(f"| one step, profiled | {whole:.1f} | |")
