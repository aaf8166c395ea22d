"""Losses and components of a model, one sentence each, with citations."""

from __future__ import annotations

from dataclasses import dataclass

from ..modeling_xcat.configuration_xcat import REGRESSION_FROM, XCatConfig
from ..modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ..modeling_xcat.modeling_pretraining_xcat import XCatForPreTraining
from ..training.arguments import XCatTrainingArguments
from .pretraining_section import pretraining_losses


@dataclass(frozen=True)
class Ingredient:
    """A loss or a component of the model, with its source.

    Args:
        name: Its name.
        detail: One sentence about it, without its full stop.
        citations: Keys in `CITATIONS`.
    """

    name: str
    detail: str
    citations: tuple[str, ...] = ()


CITATIONS = {
    "bengio2008": """@article{bengio2008adaptive,
  title = {Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model},
  author = {Bengio, Yoshua and Sen\\'ecal, Jean-S\\'ebastien},
  journal = {IEEE Transactions on Neural Networks},
  volume = {19}, number = {4}, pages = {713--722}, year = {2008}
}""",
    "yi2019": """@inproceedings{yi2019sampling,
  title = {Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations},
  author = {Yi, Xinyang and others},
  booktitle = {RecSys}, year = {2019}, doi = {10.1145/3298689.3346996}
}""",
    "yang2020": """@inproceedings{yang2020mixed,
  title = {Mixed Negative Sampling for Learning Two-tower Neural Networks in Recommendations},
  author = {Yang, Ji and others},
  booktitle = {Companion of The Web Conference}, year = {2020}, doi = {10.1145/3366424.3386195}
}""",
    "petrov2023": """@inproceedings{petrov2023gsasrec,
  title = {gSASRec: Reducing Overconfidence in Sequential Recommendation Trained with Negative Sampling},
  author = {Petrov, Aleksandr Vladimirovich and Macdonald, Craig},
  booktitle = {RecSys}, year = {2023}, doi = {10.1145/3604915.3608783}
}""",
    "kang2018": """@inproceedings{kang2018sasrec,
  title = {Self-Attentive Sequential Recommendation},
  author = {Kang, Wang-Cheng and McAuley, Julian},
  booktitle = {ICDM}, year = {2018}, doi = {10.1109/ICDM.2018.00035}
}""",
    "hidasi2016": """@inproceedings{hidasi2016gru4rec,
  title = {Session-based Recommendations with Recurrent Neural Networks},
  author = {Hidasi, Bal\\'azs and Karatzoglou, Alexandros and Baltrunas, Linas and Tikk, Domonkos},
  booktitle = {ICLR}, year = {2016}, eprint = {1511.06939}
}""",
    "hidasi2018": """@inproceedings{hidasi2018topk,
  title = {Recurrent Neural Networks with Top-k Gains for Session-based Recommendations},
  author = {Hidasi, Bal\\'azs and Karatzoglou, Alexandros},
  booktitle = {CIKM}, year = {2018}, doi = {10.1145/3269206.3271761}
}""",
    "hochreiter1997": """@article{hochreiter1997lstm,
  title = {Long Short-Term Memory},
  author = {Hochreiter, Sepp and Schmidhuber, J\\"urgen},
  journal = {Neural Computation}, year = {1997}, doi = {10.1162/neco.1997.9.8.1735}
}""",
    "sun2019": """@inproceedings{sun2019bert4rec,
  title = {BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from Transformer},
  author = {Sun, Fei and others},
  booktitle = {CIKM}, year = {2019}, eprint = {1904.06690}
}""",
    "zhou2020": """@inproceedings{zhou2020s3rec,
  title = {S3-Rec: Self-Supervised Learning for Sequential Recommendation with Mutual Information Maximization},
  author = {Zhou, Kun and others},
  booktitle = {CIKM}, year = {2020}, doi = {10.1145/3340531.3411954}
}""",
    "hou2022": """@inproceedings{hou2022unisrec,
  title = {Towards Universal Sequence Representation Learning for Recommender Systems},
  author = {Hou, Yupeng and others},
  booktitle = {KDD}, year = {2022}, doi = {10.1145/3534678.3539381}
}""",
    "xie2022": """@inproceedings{xie2022cl4srec,
  title = {Contrastive Learning for Sequential Recommendation},
  author = {Xie, Xu and others},
  booktitle = {ICDE}, year = {2022}, doi = {10.1109/ICDE53745.2022.00099}
}""",
    "vaswani2017": """@inproceedings{vaswani2017attention,
  title = {Attention Is All You Need},
  author = {Vaswani, Ashish and others},
  booktitle = {NeurIPS}, year = {2017}, eprint = {1706.03762}
}""",
    "li2023": """@inproceedings{li2023masked,
  title = {Masked and Swapped Sequence Modeling for Next Novel Basket Recommendation in Grocery Shopping},
  author = {Li, Ming and Ariannezhad, Mozhdeh and Yates, Andrew and de Rijke, Maarten},
  booktitle = {RecSys}, year = {2023}, eprint = {2308.01308}
}""",
    "ren2019": """@inproceedings{ren2019repeatnet,
  title = {RepeatNet: A Repeat Aware Neural Recommendation Machine for Session-based Recommendation},
  author = {Ren, Pengjie and others},
  booktitle = {AAAI}, year = {2019}, doi = {10.1609/aaai.v33i01.33014806}
}""",
    "steck2019": """@inproceedings{steck2019ease,
  title = {Embarrassingly Shallow Autoencoders for Sparse Data},
  author = {Steck, Harald},
  booktitle = {The World Wide Web Conference},
  year = {2019}, eprint = {1905.03375}
}""",
    "sarwar2001": """@inproceedings{sarwar2001item,
  title = {Item-based Collaborative Filtering Recommendation Algorithms},
  author = {Sarwar, Badrul and Karypis, George and Konstan, Joseph and Riedl, John},
  booktitle = {WWW}, year = {2001}, doi = {10.1145/371920.372071}
}""",
    "zhou2018": """@inproceedings{zhou2018deep,
  title = {Deep Interest Network for Click-Through Rate Prediction},
  author = {Zhou, Guorui and Zhu, Xiaoqiang and Song, Chenru and others},
  booktitle = {KDD}, year = {2018}, doi = {10.1145/3219819.3219823}
}""",
}

_SAMPLED = ("bengio2008", "yi2019", "yang2020")
"""Sources of the sampled softmax."""
_ENCODERS = {"transformer": "kang2018", "bidirectional": "sun2019", "lstm": "hochreiter1997"}
"""Sources of behaviour encoders; of the others the GRU's."""


def losses_of_model(
    model_type: str, config: XCatConfig, arguments: XCatTrainingArguments | None = None
) -> list[Ingredient]:
    """Losses of a class of models: of pretraining, or of clicks, if it predicts them, and of next-item prediction.

    Args:
        model_type: Name of the class.
        config: Configuration of the model.
        arguments: Arguments of the training, or None.
    """
    if model_type == XCatForPreTraining.__name__:
        own = [Ingredient(*loss) for loss in pretraining_losses(config)]
        drawn = f"{config.num_negatives:,} uniform negatives per step, of one dataset, and the items of the batch"
        return [*own, Ingredient("Sampled softmax cross-entropy", f"{drawn}, corrected for sampling", _SAMPLED)]
    if model_type != XCatForClickPrediction.__name__:
        return losses_of(config, arguments)
    detail = "binary cross-entropy of shown items, which attend to the history"
    if config.pairwise_weight:
        detail += f"; plus {config.pairwise_weight:g} times a loss over pairs of a click and a non-click of one user"
    if config.next_item_weight:
        detail += f"; plus {config.next_item_weight:g} times the next losses"
    clicks = Ingredient("Clicks", detail, ("zhou2018",))
    return [clicks, *(losses_of(config, arguments) if config.next_item_weight else [])]


def losses_of(config: XCatConfig, arguments: XCatTrainingArguments | None = None) -> list[Ingredient]:
    """The training loss and its weights.

    Args:
        config: Configuration of the model.
        arguments: Arguments of the training; None if they are not known.
    """
    drawn = (
        f"{config.num_negatives:,} negatives per step, drawn by popularity to the power {config.negatives_exponent:g}"
    )
    if not config.negatives_exponent:
        drawn = f"{config.num_negatives:,} uniform negatives per step"
    if config.has_masks:
        detail = f"masked events, each with probability {config.mask_probability:g}"
        losses = [Ingredient("Cross-entropy over the whole catalogue", detail, ("sun2019",))]
    elif config.uses_full_softmax:
        losses = [Ingredient("Cross-entropy over the whole catalogue", "no item is sampled")]
    elif config.objective == "gbce":
        detail = f"{drawn}, calibration {config.gbce_calibration:g}"
        losses = [Ingredient("Generalised binary cross-entropy", detail, ("petrov2023",))]
    elif config.objective == "bpr_max":
        detail = f"{drawn}, penalty of scores {config.bpr_max_penalty:g}"
        losses = [Ingredient("BPR-max", detail, ("hidasi2018",))]
    elif config.objective not in ("auto", "sampled_softmax"):
        losses = [Ingredient(config.objective, f"{drawn} beside the targets of the batch")]
    else:
        detail = f"{drawn} and the targets of the batch, corrected for the sampling probability"
        losses = [Ingredient("Sampled softmax cross-entropy", detail, _SAMPLED)]
    if config.use_text and config.soft_target_weight and config.uses_full_softmax:
        share, near = f"{config.soft_target_weight:g}", config.num_soft_targets
        detail = f"{share} of a label is spread over the {near} items nearest in text"
        losses.append(Ingredient("Label smoothing over text neighbours", detail))
    if arguments is not None and arguments.new_category_weight != 1:
        times = f"{arguments.new_category_weight:g} times"
        detail = f"an event whose category is not among the earlier events read counts {times}"
        losses.append(Ingredient("New-category weight", detail))
    return losses if arguments is None else losses + _against_bias(arguments)


def _against_bias(arguments: XCatTrainingArguments) -> list[Ingredient]:
    """Terms of the objective against popularity bias, uneven exposure and flagged items."""
    found, groups = [], arguments.fairness_column
    if arguments.logit_adjustment:
        detail = f"{arguments.logit_adjustment:g} log(1 + training events) is part of the score in the loss only"
        found.append(Ingredient("Logit adjustment", detail))
    if arguments.propensity_power:
        detail = f"training events to the power of {-arguments.propensity_power:g}, mean 1"
        found.append(Ingredient("Inverse-propensity weights", f"{detail}, clipped at {arguments.propensity_clip:g}"))
    if arguments.exposure_weight:
        detail = f"weight {arguments.exposure_weight:g}, groups by {groups}, towards their shares of the catalogue"
        found.append(Ingredient("Exposure penalty", detail))
    if arguments.group_gap_weight:
        detail = f"weight {arguments.group_gap_weight:g}, groups of targets by {groups}"
        found.append(Ingredient("Penalty on gaps between groups", detail))
    if arguments.flagged_weight:
        detail = f"weight {arguments.flagged_weight:g}, on the probability of {len(arguments.flagged)} rules or items"
        found.append(Ingredient("Penalty on flagged items", detail))
    return found


def parts_of(config: XCatConfig) -> list[Ingredient]:
    """The components of the model with their sources."""
    encoder = config.behavior_encoder
    source = _ENCODERS.get(encoder, "hidasi2016")
    layers = f"layers {config.num_behavior_layers}, width {config.hidden_size}, events read {config.max_history}"
    parts = [Ingredient(f"Behaviour encoder ({encoder})", layers, (source,))]
    if config.num_fusion_layers and config.memory_sources:
        detail = f"blocks {config.num_fusion_layers}, from events to {', '.join(config.memory_sources)}"
        parts.append(Ingredient("Cross-attention", detail, ("vaswani2017",)))
    if config.image_dim:
        encoder_type = getattr(config.image_config, "model_type", None)
        read = "vectors from outside" if encoder_type is None else f"vision encoder {encoder_type}, not trained"
        kept = f"{config.image_dim} whitened directions, up to {config.images_per_item} per item"
        parts.append(Ingredient("Images of items", f"{read}; {kept}; modality dropout {config.modality_dropout:g}"))
    if config.num_neighbors:
        regressed = config.format_version >= REGRESSION_FROM
        rows = "users and texts" if config.use_text else "users"
        how = f"by ridge regression on {rows}" if regressed else "by cosine"
        detail = f"{config.num_neighbors} neighbours per item, {how}, weight {config.neighbor_weight:g} in the score"
        if config.discover_neighbor_weight is not None:
            detail += f", {config.discover_neighbor_weight:g} for items new to the user"
        parts.append(Ingredient("Item-to-item weights", detail, ("steck2019" if regressed else "sarwar2001",)))
    if config.discover_product_weight is not None:
        detail = f"{config.num_segments} segments of users, for items new to the user"
        parts.append(Ingredient("Rates of first purchases", detail, ("li2023",)))
    if config.discover_trends:
        count = config.num_discovery_candidates
        detail = f"a network on rates and trends of the best {count} items, fitted on earlier baskets"
        parts.append(Ingredient("Re-ranker for items new to the user", detail))
    if config.repeats != "off":
        detail = "a learned score for items of the history, by recency and number of their events"
        parts.append(Ingredient("Repeat bias", detail, ("ren2019",)))
    rerankers = _rerankers(config)
    if rerankers:
        detail = (
            f"cross-attention of the best {config.num_candidates} items to the last {config.candidate_window} events"
        )
        parts.append(Ingredient("Re-ranker", f"{detail}; {rerankers}, fitted on the validation split", ("zhou2018",)))
    if config.ask_attention:
        detail = (
            f"cross-attention of the best {config.num_candidates} items to the words of a query; "
            "fitted on queries made of the validation split's items"
        )
        parts.append(Ingredient("Queries", detail))
    return parts + [Ingredient(f"Head of {column}", detail) for column, detail in heads_of(config).items()]


def heads_of(config: XCatConfig) -> dict[str, str]:
    """A line about each head of targets, by column: its size and its weights."""
    found = {}
    for column, names in (config.target_head_groups or {}).items():
        following, discover = (config.target_head_weights or {})[column]
        weights = f"{following:g} for the next one, {discover:g} for one new to the user"
        found[column] = f"a linear layer for {len(names):,} values; weight beside summed items: {weights}"
    return found


def _rerankers(config: XCatConfig) -> str:
    """The lists that are re-ranked; an empty text for none."""
    own = False if config.discover_trends else config.discover_candidate_attention
    if not config.candidate_attention:
        return "for items new to the user" if own else ""
    if own is None:
        return "one for all items"
    return "one for all items and one for items new to the user" if own else "for lists that may repeat items"
