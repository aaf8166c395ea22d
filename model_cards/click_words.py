"""Words of a card about predicted clicks: for each kind of labels, and for each calibration."""

from __future__ import annotations

from dataclasses import dataclass

from ..counting import counted
from ..modeling_xcat.calibration_xcat import ClickCalibration
from ..tokenization.sequences.click_labels import IMPRESSION, RATING
from ..tokenization.sequences.click_rows import LEAST_TIMES, ClickData

RANKING = "next-item recommendation over a whole catalogue"


@dataclass(frozen=True)
class LabelWords:
    """Words for one kind of labels.

    Args:
        task: The task in a few words.
        use: What a probability is; a sentence.
        heading: Heading of the metrics.
        noun: A labelled row, singular.
        labels: Sentence about the labels, without its full stop.
        limit: Limitation that follows from the labels; a sentence.
    """

    task: str
    use: str
    heading: str
    noun: str
    labels: str
    limit: str


def label_words(data: ClickData) -> LabelWords:
    """The words for the labels of some data.

    Args:
        data: The labelled rows.
    """
    if data.sampler is not None:
        return _of_sampled(data)
    earlier = "a history has the earlier events alone"
    if data.kind == RATING:
        least = f"{data.clicks.min_rating:g} or more"
        return LabelWords(
            task=f"Prediction of ratings of {least}",
            use=f"Probability that a user who rates an item rates it {least}.",
            heading=f"Ratings of {least}",
            noun="rated item",
            labels=f"Labels are ratings of the events table, and {least} is positive; {earlier}",
            limit="Labels exist for items that users chose to rate. A probability does not tell whether a user "
            "clicks, buys or rates an item.",
        )
    return LabelWords(
        task="Click prediction for shown items",
        use="Probability that a user clicks, or buys, an item that is shown.",
        heading="Clicks",
        noun="shown item",
        labels=f"Labels are impressions of the events table; {earlier}",
        limit="Labels exist for items that were shown, so the model learns the choices of the system that showed "
        "them.",
    )


def _of_sampled(data: ClickData) -> LabelWords:
    negatives = f"{counted(data.clicks.eval_negatives, 'sampled negative')} of the kind"
    return LabelWords(
        task="Click prediction with sampled negatives",
        use=f"Probability that an item is the positive among one positive and {negatives} {data.kind}.",
        heading="Events and sampled negatives",
        noun="item",
        labels=f"Every target event is a positive, with {negatives} `{data.kind}`: items that the user has no event "
        "with",
        limit="No table states what was shown: a probability is that of an item among one positive and "
        f"{negatives} {data.kind}, not a click-through rate.",
    )


def all_rows(kind: str) -> str:
    """The labelled rows of a kind of labels, to begin a sentence about metrics.

    Args:
        kind: `ClickReport.kind`.

    Example:
        >>> all_rows("rating"), all_rows("uniform")
        ('For all rated items', 'For all events and sampled negatives')
    """
    return {
        IMPRESSION: "For clicks on all shown items", RATING: "For all rated items"
    }.get(kind, "For all events and sampled negatives")  # fmt: skip


def rate_words(data: ClickData) -> str:
    """The share of positives that a model is trained on, and the share elsewhere if it differs.

    Args:
        data: The labelled rows.
    """
    trained, true = f"{data.train_rate:.4f}", f"{data.true_rate:.4f}"
    if data.sampler is not None:
        parts = "validation and test"
        return f"{trained} in training, {true} in {parts}" if trained != true else f"{true} in training, {parts}"
    if trained == true:
        return f"{true} in training"
    return f"{trained} in training, where some impressions without a click are left out, and {true} with all of them"


def calibration_words(calibration: ClickCalibration, kept_rate: float | None) -> str:
    """What the fitted calibration does to log odds.

    Args:
        calibration: The calibration of the trained model.
        kept_rate: `ClickData.kept_rate` of the data that it was fitted on.

    Example:
        >>> calibration = ClickCalibration()
        >>> calibration_words(calibration, None)
        'none: no method lowers the log loss on validation users'
        >>> calibration.add(-0.5)
        >>> calibration_words(calibration, 0.1)[:68]
        'a constant, -0.500, was added to the log odds, so that the mean pred'
    """
    shift, slope, intercept = (float(getattr(calibration, name)) for name in ("shift", "slope", "intercept"))
    if kept_rate is not None and slope == 1 and not calibration.curved:
        constant = shift + intercept + float(calibration.corrections[0])
        return (
            f"a constant, {constant:+.3f}, was added to the log odds, so that the mean prediction on validation is "
            f"the share of positives in training, {kept_rate:.4f}; validation has impressions of fewer than "
            f"{LEAST_TIMES} times, which do not tell this share"
        )
    first = f"{shift:+.3f} was added to the log odds, for another share of positives in training; " if shift else ""
    return first + _method(calibration, slope, intercept, "then " if shift else "")


def _method(calibration: ClickCalibration, slope: float, intercept: float, then: str) -> str:
    if calibration.curved:
        return f"isotonic regression: {then}a curve that never falls maps the log odds"
    constant = intercept + float(calibration.corrections[0])
    if slope == 1:
        if constant:
            return f"a constant, {constant:+.3f}, was {then}added to the log odds"
        return "no method lowers the log loss on validation users further" if then else (
            "none: no method lowers the log loss on validation users"
        )  # fmt: skip
    if not constant:
        return f"temperature scaling: the log odds were {then}divided by {1 / slope:.3f}"
    return f"Platt scaling: the log odds were {then}multiplied by {slope:.3f}, and {constant:+.3f} was added"
