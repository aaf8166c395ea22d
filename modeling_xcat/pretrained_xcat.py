"""XCatPreTrainedModel: base class of all XCat models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.utils import logging

from .asks_xcat import XCatAskReader
from .configuration_xcat import XCatConfig
from .dtypes_xcat import stored_weights
from .fusion_xcat import XCatFusion
from .images_xcat import XCatImageEncoder, XCatItemImages
from .items_xcat import XCatItemEncoder
from .neighbors_xcat import XCatItemTable
from .origin_xcat import card_of_origin
from .pushing_xcat import CARD, NO_CARD, push_folder
from .repeats_xcat import XCatRepeats
from .reranker_xcat import XCatCandidateAttention
from .saving_xcat import CARD_FILE, MODEL, WEIGHTS, check_readable, code_of_main_left_out, written_whole
from .target_heads_xcat import XCatTargetHeads
from .text_xcat import XCatTextEncoder

logger = logging.get_logger(__name__)
_FOLDERS = 3
"""Number of remembered folders of a model."""
_ZERO_BUFFERS = (
    XCatItemEncoder, XCatItemImages, XCatImageEncoder, XCatItemTable, XCatCandidateAttention, XCatAskReader,
    XCatTargetHeads,
)  # fmt: skip
"""Modules whose own buffers are zeros until a catalogue is filled."""
OWN_CLASSES = frozenset({"XCatModel", "XCatForNextItem", "XCatForClickPrediction", "XCatForPreTraining"})
"""Names of this library's models; each can load a checkpoint of another, without the parts that it lacks."""


class XCatPreTrainedModel(PreTrainedModel):
    """Shared configuration, initialisation and supported transformers features of all XCat models."""

    config: XCatConfig
    config_class = XCatConfig
    base_model_prefix = "model"
    main_input_name = "item_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_attention_backend = True
    _can_compile_fullgraph = False
    _no_split_modules = ["XCatAttentionBlock"]
    _folders: tuple[str, ...] = ()  # folders that the model was saved into, the latest first

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As in `PreTrainedModel`; a text encoder is frozen if the configuration says so, as in a new model.

        Warns if the checkpoint was saved by another class, whose additions are not loaded.
        """
        if args and Path(args[0]).is_dir():
            check_readable(Path(args[0]), WEIGHTS)  # transformers would report them as missing
        try:
            loaded = super().from_pretrained(*args, **kwargs)
        except Exception as error:
            if type(error).__name__ != "SafetensorError":  # it names no file
                raise
            name = args[0] if args else kwargs.get("pretrained_model_name_or_path")
            raise OSError(f"the weights of {name} are damaged ({error}); copy the checkpoint again") from error
        model = loaded[0] if isinstance(loaded, tuple) else loaded  # with output_loading_info
        for part in model.modules():
            if isinstance(part, XCatTextEncoder | XCatImageEncoder):
                part.freeze()  # loading gave every parameter a gradient
        others = sorted(set(model.config.architectures or ()) - OWN_CLASSES - {cls.__name__})
        if others:
            logger.warning(
                "the checkpoint was saved as %s and is loaded as %s: changes of that class are not loaded; "
                "call from_pretrained of the class itself", others[0], cls.__name__,
            )  # fmt: skip
        return loaded

    def save_pretrained(  # type: ignore[override]
        self,
        save_directory: str | os.PathLike[str],
        is_main_process: bool = True,
        *,
        dtype: str | torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        """As in `PreTrainedModel`, but atomic; see `written_whole`.

        Weights of nested encoders keep their names, so that a Trainer can load them without renaming.

        Args:
            save_directory: The folder.
            is_main_process: Whether this process writes.
            dtype: "fp16" or "bf16" to store the weights with 16 bits per number; they are read as float32 again. None
                for the type of the model.
            **kwargs: Arguments of `PreTrainedModel.save_pretrained`.
        """
        kwargs.setdefault("save_original_format", False)
        if dtype is not None:
            kwargs["state_dict"] = stored_weights(kwargs.get("state_dict") or self.state_dict(), dtype)
        if not is_main_process or kwargs.get("push_to_hub"):
            with code_of_main_left_out(self):
                super().save_pretrained(save_directory, is_main_process=is_main_process, **kwargs)
            return
        with written_whole(save_directory) as unfinished, code_of_main_left_out(self):
            super().save_pretrained(unfinished, **kwargs)
        self._folders = (os.path.abspath(save_directory), *self._folders)[:_FOLDERS]

    def _upload_modified_files(self, working_dir: str | os.PathLike[str], repo_id: str, *_: Any, **kwargs: Any) -> Any:
        """The last step of `push_to_hub`: one commit that replaces the weights.

        An unchanged model is pushed with the card of the checkpoint that it was loaded from or saved as.
        """
        card = Path(working_dir) / CARD_FILE
        origins, commit = (*self._folders, self.name_or_path), getattr(self.config, "_commit_hash", None)
        kept = card_of_origin(origins, Path(working_dir), commit)
        there = card.read_text(encoding="utf-8") if card.is_file() else NO_CARD
        if kept is not None:
            card.write_text(kept, encoding="utf-8")
        elif NO_CARD in there:
            card.write_text(CARD.format(title=repo_id.rpartition("/")[2], name=repo_id), encoding="utf-8")
        return push_folder(
            working_dir,
            repo_id,
            revision=kwargs.get("revision"),
            create_pr=bool(kwargs.get("create_pr")),
            message=kwargs.get("commit_message") or "Upload model",
            description=kwargs.get("commit_description"),
            token=kwargs.get("token"),
            replaced=MODEL,
        )

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        std = self.config.initializer_range
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=std)
            if module.padding_idx is not None and not getattr(module.weight, "_is_hf_initialized", False):
                init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, nn.GRU | nn.LSTM):
            for name, parameter in module.named_parameters():
                if name.startswith("weight"):
                    init.xavier_uniform_(parameter)
                else:
                    init.zeros_(parameter)
        elif isinstance(module, XCatFusion):
            init.normal_(module.null_token, std=std)
        elif isinstance(module, XCatRepeats):
            init.zeros_(module.ages)
            init.zeros_(module.counts)
        elif isinstance(module, XCatTextEncoder):
            init.zeros_(module.mean)
            init.eye_(module.whitening)
        elif isinstance(module, _ZERO_BUFFERS):
            for buffer in module.buffers(recurse=False):
                init.zeros_(buffer)
