"""A mask in blocks, for chosen items and by user is one filter."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_xcat.item_mask_xcat import ItemMask


def _bits(number: torch.Tensor) -> list[int]:
    return [bit for bit in range(3) if int(number) & (1 << bit)]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 9999), st.integers(1, 4), st.integers(1, 30), st.floats(0, 1), st.booleans(), st.booleans())
def test_every_view_is_the_same(
    seed: int, users: int, rows: int, share: float, by_user: bool, sensitive: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    allowed = torch.rand(rows, generator=generator) < share
    codes = torch.randint(-1, 3, (rows,), generator=generator)
    known = torch.rand(users, 4, generator=generator) < 0.5
    known[:, -1] = False
    bits = torch.randint(0, 8, (rows,), generator=generator) if sensitive else None
    opted = torch.randint(0, 8, (users,), generator=generator) if sensitive else None
    mask = ItemMask(allowed, codes, known if by_user else None, bits, opted)
    expected = torch.tensor(
        [
            [
                bool(allowed[row])
                and not (by_user and codes[row] >= 0 and known[user, codes[row]])
                and not (sensitive and set(_bits(bits[row])) - set(_bits(opted[user])))
                for row in range(rows)
            ]
            for user in range(users)
        ]
    )
    every = torch.arange(rows).expand(users, rows)
    for start in range(0, rows, 7):
        scores = torch.zeros(users, min(7, rows - start))
        mask(scores, start)
        assert torch.equal(scores == 0, expected[:, start : start + 7])
    assert torch.equal(mask.keeps(every), expected)
    assert all(torch.equal(mask.of_user(user), expected[user]) for user in range(users))
    assert abs(mask.least_share - float(expected.double().mean(1).min())) < 1e-6
    some = torch.randint(rows, (2,), generator=generator)
    only = mask.only(some).keeps(every)
    assert torch.equal(only, expected & torch.isin(every, some))
    assert torch.equal(mask.of_users(torch.tensor([users - 1])).keeps(every[:1]), expected[-1:])
