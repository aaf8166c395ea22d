"""Texts as rules read them: as they are written, and without what hides a word."""

from __future__ import annotations

import re
import unicodedata
from itertools import product

from ..text.hidden_characters import HAN, WORD, latin_letters, unboxed, without_invisible

_SIGNS = str.maketrans("0134578@$!|€+", "oieastbasiiet")
_SIGNS_L = str.maketrans("0134578@$!|€+", "oleastbaslliet"[:13])
_SIGNED = re.compile(r"(?<![\w@$!|€+])(?=[\w@$!|€+]*[a-z])(?=[\w@$!|€+]*[0134578@$!|€+])[a-z0-9@$!|€+]{3,}")
_SEPARATOR = r"[.*_~|·•+^\-/\\,:;'\"\u3000-\u3003\uff5e]"
_SPREAD = re.compile(rf"(?<![^\W_])[^\W_{HAN}]({_SEPARATOR}|\s)[^\W_{HAN}](?![^\W_])(?:\1[^\W_{HAN}](?![^\W_]))+")
"""Single letters with the same sign between: w i n e, w.i.n.e."""
_BROKEN = re.compile(rf"(?<![^\W\d_{HAN}])[^\W\d_{HAN}]+(?:[.*_~|·•+^\-][^\W\d_{HAN}]+)+")
"""Parts of a word with a sign between: vod*ka, wh-isky. It begins at the start of a word, so its time is linear."""
_HAN_SPREAD = re.compile(
    rf"[{HAN}a-z](?:[^\w\s，。、；：！？,;:!?()（）《》“”'&%$@#=]{{1,3}}[{HAN}a-z](?![a-z]))+|[{HAN}](?:\s[{HAN}](?![{HAN}])){{2,}}"
)
"""Single Han characters with an unusual sign or a blank between."""
_REPEATED = re.compile(r"([^\W\d_])\1{2,}")
_MASKED = re.compile(r"(?<![\w*#])[a-z]+(?:[*#_]+[a-z]+)+(?![\w*#])|(?<![\w*#])[a-z]+[*#]{2,}(?![\w*#])")
_TRADITIONAL = dict(
    zip(
        "煙藥槍彈葯強裸壯勞膠囊鎮嗎啡島氫鹽體體腸溶療癒腎墮產宮嬰夭喪獨懷試喚納粹衛軍種劣鬥無視優薦復刻領賺單貸發賭彩網鏈點擊劍弩電擊"
        "彈鋼騎塵萬寶黃鶴樓號場氣泡馬賽蘭龍捲絲餅鏡雙棍狙獵戰遺憶悼輓歲殺絕滾猶穆異變臉緊縛調慾愛姦業",
        "烟药枪弹药强裸壮劳胶囊镇吗啡岛氢盐体体肠溶疗愈肾堕产宫婴夭丧独怀试唤纳粹卫军种劣斗无视优荐复刻领赚单贷发赌彩网链点击剑弩电击"
        "弹钢骑尘万宝黄鹤楼号场气泡马赛兰龙卷丝饼镜双棍狙猎战遗忆悼挽岁杀绝滚犹穆异变脸紧缚调欲爱奸业",
        strict=True,
    )
)
"""Traditional characters of words in the lists."""


def plain_text(text: str) -> str:
    """A text without case, accents and compatibility forms (NFKC), in simplified characters.

    Example:
        >>> plain_text("ＶＯＤＫＡ Rosé"), plain_text("香煙")
        ('vodka rose', '香烟')
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():
        return folded
    marks = unicodedata.normalize("NFD", folded)
    folded = unicodedata.normalize(
        "NFC", "".join(one for one in marks if unicodedata.category(one) not in ("Mn", "Me"))
    )
    return "".join(_TRADITIONAL.get(one, one) for one in folded)


def words_of(text: str) -> list[str]:
    """Words of a folded text without its Han characters.

    Example:
        >>> words_of("red wine-glass 2x, 白酒")
        ['red', 'wine', 'glass', '2x']
    """
    return WORD.findall(text)


def revealed_texts(text: str) -> list[str]:
    """Readings of a text with hidden words made plain; empty if nothing in it can hide a word.

    Characters without width are removed and lookalikes become Latin letters. Then spread or broken words are joined,
    digits and signs become letters, and repeated letters become one or two.

    Args:
        text: The text as it is written.

    Example:
        >>> revealed_texts("w h i s k y"), revealed_texts("v0dkа"), revealed_texts("red wine")
        (['whisky'], ['v0dka', 'vodka'], [])
    """
    before = plain_text(text)
    visible = latin_letters(plain_text(unboxed(without_invisible(text))))
    joined = _HAN_SPREAD.sub(_without_signs, _joined(visible))
    signed = [joined]
    if _SIGNED.search(joined):
        signed += [_SIGNED.sub(read, joined) for read in (_as_letters, _as_letters_with_l)]
    found = dict.fromkeys([visible, *signed])
    for one, times in product(list(found), (r"\1", r"\1\1")):
        if _REPEATED.search(one):
            found[_REPEATED.sub(times, one)] = None
    return [one for one in found if one != before]


def masked_words(text: str) -> list[str]:
    """Words with letters replaced by `*`, `#` or `_`, such as "wh*sky", with `?` for each of them.

    Example:
        >>> masked_words("Scotch wh*sky, 4*6 prints")
        ['wh?sky']
    """
    return [re.sub(r"[*#_]", "?", found) for found in _MASKED.findall(plain_text(text))]


def spread_runs(text: str) -> list[str]:
    """Runs of at least six spread letters, in which words may stand without a gap, joined.

    Example:
        >>> spread_runs("r e d w i n e")
        ['redwine']
    """
    visible = latin_letters(plain_text(unboxed(without_invisible(text))))
    runs = (words_joined(found[0]) for found in _SPREAD.finditer(visible))
    return [run for run in runs if len(run) >= 6]


def words_joined(text: str) -> str:
    """The letters and digits of a text.

    Example:
        >>> words_joined("w.i n-e")
        'wine'
    """
    return "".join(re.findall(r"[^\W_]", text))


def _as_letters(found: re.Match[str]) -> str:
    return found[0].translate(_SIGNS)


def _as_letters_with_l(found: re.Match[str]) -> str:
    return found[0].translate(_SIGNS_L)


def _without_signs(found: re.Match[str]) -> str:
    return words_joined(found[0])


def _joined(text: str) -> str:
    """A text with spread and broken words joined; two blanks end a spread word."""
    return _BROKEN.sub(_without_signs, _SPREAD.sub(_without_signs, text))
