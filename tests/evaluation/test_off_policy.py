"""Off-policy estimates: hand computations, and simulated logs whose true value is known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from xcat_rec.evaluation.off_policy import LoggedRounds, TooFewRoundsError, off_policy_estimate

ITEMS, PLACES, CONTEXTS = 5, 2, 3


def softmax(values: np.ndarray) -> np.ndarray:
    odds = np.exp(values)
    return odds / odds.sum(-1, keepdims=True)


class Simulation:
    """Lists of two of five items from Plackett-Luce policies; a click depends on context, item and place."""

    def __init__(self, seed: int = 0) -> None:
        draw = np.random.default_rng(seed)
        self.logging = draw.normal(size=(CONTEXTS, ITEMS)) * 0.7
        self.clicks = draw.uniform(0.05, 0.5, size=(CONTEXTS, ITEMS, 1)) * np.array([1.0, 0.6])
        self.target = self.logging + 2 * self.clicks[:, :, 0]

    def chances(self, utilities: np.ndarray, items: np.ndarray) -> np.ndarray:
        """(rounds, places) probability of each item, given those above it, from (rounds, items) utilities."""
        found, open_ = np.empty(items.shape), np.ones(utilities.shape, bool)
        for place in range(items.shape[1]):
            odds = np.where(open_, np.exp(utilities), 0.0)
            rows = np.arange(len(items))
            found[:, place] = odds[rows, items[:, place]] / odds.sum(1)
            open_[rows, items[:, place]] = False
        return found

    def value(self, policy: np.ndarray) -> float:
        """The true mean reward per list, summed over all lists."""
        total = 0.0
        for context in range(CONTEXTS):
            for items in permutations(range(ITEMS), PLACES):
                chance = self.chances(policy[[context]], np.array([items]))[0].prod()
                total += chance * sum(self.clicks[context, item, place] for place, item in enumerate(items))
        return total / CONTEXTS

    def log(self, count: int, seed: int, *, model_error: float = 0.1) -> LoggedRounds:
        draw = np.random.default_rng(seed)
        contexts = draw.integers(CONTEXTS, size=count)
        noisy = self.logging[contexts] + draw.gumbel(size=(count, ITEMS))
        items = np.argsort(-noisy, axis=1)[:, :PLACES]
        chance = self.clicks[contexts[:, None], items, np.arange(PLACES)]
        model = self.clicks + model_error * np.sin(np.arange(ITEMS))[None, :, None]
        open_ = np.ones((count, ITEMS), bool)
        expected = np.empty(items.shape)
        for place in range(PLACES):
            odds = np.where(open_, np.exp(self.target[contexts]), 0.0)
            expected[:, place] = (odds / odds.sum(1, keepdims=True) * model[contexts, :, place]).sum(1)
            open_[np.arange(count), items[:, place]] = False
        return LoggedRounds(
            (draw.random(chance.shape) < chance).astype(float),
            self.chances(self.logging[contexts], items),
            self.chances(self.target[contexts], items),
            model[contexts[:, None], items, np.arange(PLACES)],
            expected,
        )


def test_estimates_of_two_places_are_those_computed_by_hand() -> None:
    rewards = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    logged = np.array([[0.5, 0.5], [0.25, 0.5], [0.5, 1.0]])
    target = np.array([[0.25, 1.0], [0.5, 0.25], [0.5, 0.5]])
    # weights: .5, 2, 1 at the first place; times 2, .5, .5 at the second: 1, 1, .5
    predicted, expected = np.full((3, 2), 0.25), np.full((3, 2), 0.5)
    found = off_policy_estimate(LoggedRounds(rewards, logged, target, predicted, expected))
    assert found.estimates["ips"].mean == pytest.approx((0.5 + 1 + 1 + 0.5) / 3, abs=1e-12)
    assert found.estimates["snips"].mean == pytest.approx(1.5 / 3.5 + 1.5 / 2.5, abs=1e-12)
    first = (0.5 * 0.75 + 0.5) + (2 * -0.25 + 0.5) + (1 * 0.75 + 0.5)
    second = (1 * -0.25 + 0.5 * 0.5) + (1 * 0.75 + 2 * 0.5) + (0.5 * 0.75 + 1 * 0.5)
    assert found.estimates["dr"].mean == pytest.approx((first + second) / 3, abs=1e-12)
    assert found.effective_rounds == pytest.approx(3.5**2 / (0.25 + 4 + 1), abs=1e-12)
    assert found.logged_value == pytest.approx(4 / 3)


def test_the_logging_policy_itself_is_worth_its_mean_reward() -> None:
    log = Simulation().log(500, 1)
    same = off_policy_estimate(LoggedRounds(log.rewards, log.logged, log.logged))
    for estimate in same.estimates.values():
        assert estimate.mean == pytest.approx(log.rewards.sum(1).mean(), abs=1e-12)
    assert same.effective_rounds == pytest.approx(500)


def test_the_true_value_is_within_five_percent_at_a_hundred_thousand_rounds() -> None:
    world = Simulation()
    found = off_policy_estimate(world.log(100_000, 2))
    truth = world.value(world.target)
    assert abs(world.value(world.logging) / truth - 1) > 0.05  # the policies differ
    for name in ("ips", "snips", "dr"):
        assert found.estimates[name].mean == pytest.approx(truth, rel=0.05), name


def test_intervals_cover_the_true_value_as_often_as_they_say() -> None:
    world, repeats = Simulation(), 400
    truth = world.value(world.target)
    covered = dict.fromkeys(("ips", "snips", "dr"), 0)
    for seed in range(repeats):
        for name, estimate in off_policy_estimate(world.log(2_000, 100 + seed)).estimates.items():
            covered[name] += estimate.low <= truth <= estimate.high
    assert all(0.93 <= count / repeats <= 0.97 for count in covered.values()), covered


def test_users_with_equal_rounds_widen_the_interval() -> None:
    log = Simulation().log(300, 3)
    twice = LoggedRounds(*(np.repeat(values, 4, axis=0) for values in (log.rewards, log.logged, log.target)))
    grouped = LoggedRounds(twice.rewards, twice.logged, twice.target, users=np.repeat(np.arange(300), 4))
    alone = off_policy_estimate(LoggedRounds(log.rewards, log.logged, log.target)).estimates["snips"]
    wide = off_policy_estimate(grouped).estimates["snips"]
    assert (wide.mean, wide.low, wide.high) == pytest.approx((alone.mean, alone.low, alone.high), rel=1e-3)
    assert off_policy_estimate(twice).estimates["snips"].low > wide.low


def test_lists_of_different_lengths_count_the_places_that_they_have() -> None:
    rewards, logged = np.array([[1.0, 1.0], [1.0, 9.0]]), np.array([[0.5, 0.5], [0.5, 0.0]])
    present = np.array([[True, True], [True, False]])
    found = off_policy_estimate(LoggedRounds(rewards, logged, logged, present=present))
    assert found.logged_value == 1.5
    assert {name: one.mean for name, one in found.estimates.items()} == {"ips": 1.5, "snips": 1.5}


def test_a_difference_of_two_policies_is_paired() -> None:
    world = Simulation()
    log = world.log(4_000, 4)
    a = off_policy_estimate(log)
    b = off_policy_estimate(LoggedRounds(log.rewards, log.logged, log.logged))
    gap = a.difference(b)
    assert gap.mean == pytest.approx(a.estimates["snips"].mean - b.estimates["snips"].mean)
    assert gap.low < world.value(world.target) - world.value(world.logging) < gap.high
    assert a.difference(a).high == 0.0
    with pytest.raises(ValueError, match="both have \\['ips', 'snips'\\]"):
        a.difference(b, "dr")
    with pytest.raises(ValueError, match="different rounds"):
        a.difference(off_policy_estimate(world.log(3_000, 4)))


def test_a_log_that_says_too_little_is_refused() -> None:
    logged = np.full((1_000, 1), 0.001)
    target = np.zeros((1_000, 1))
    target[:5] = 1.0
    with pytest.raises(TooFewRoundsError, match=r"only 5\.0 of 1,000 lists are effective, less than 1 ?%"):
        off_policy_estimate(LoggedRounds(np.ones((1_000, 1)), logged, target))
    with pytest.raises(TooFewRoundsError, match=r"only 0\.0 of"):
        off_policy_estimate(LoggedRounds(np.ones((10, 1)), np.full((10, 1), 0.5), np.zeros((10, 1))))


def test_a_limit_of_the_weights_lowers_them() -> None:
    log = LoggedRounds(np.ones((2, 1)), np.array([[0.1], [1.0]]), np.array([[1.0], [1.0]]))
    assert log.weights().tolist() == [[10.0], [1.0]]
    assert off_policy_estimate(log, clip=3).estimates["ips"].mean == 2.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rewards": np.ones(3)}, "rewards have shape"),
        ({"rewards": np.ones((0, 2))}, "rewards have shape"),
        ({"logged": np.ones((2, 3))}, "logged has shape"),
        ({"logged": np.zeros((2, 2))}, "logged has the probability 0"),
        ({"target": np.full((2, 2), 1.5)}, "target has a probability outside"),
        ({"target": np.full((2, 2), np.nan)}, "target has a value that is not finite"),
        ({"predicted": np.ones((2, 2))}, "both predicted and expected"),
        ({"users": [1]}, "users has 1 entries for 2 rounds"),
        ({"present": np.array([[False, True], [True, True]])}, "empty place above an item"),
        ({"present": np.zeros((2, 2), bool)}, "at least one True"),
    ],
)
def test_wrong_logs_are_named(change: dict[str, object], message: str) -> None:
    right: dict[str, object] = {name: np.full((2, 2), 0.5) for name in ("rewards", "logged", "target")}
    with pytest.raises(ValueError, match=message):
        LoggedRounds(**{**right, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"clip": 0.0}, {"level": 1.0}, {"min_effective_share": 2.0}])
def test_wrong_options_are_named(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} is"):
        off_policy_estimate(Simulation().log(10, 0), **options)  # type: ignore[arg-type]
