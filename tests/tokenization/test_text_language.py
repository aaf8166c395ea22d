"""Language of many texts."""

from __future__ import annotations

import pytest

from xcat_rec.tokenization.text_language import CHINESE, ENGLISH, MULTILINGUAL, common_language, find_language

TEXTS = {
    ENGLISH: [
        ["Crème Brûlée torch with safety lock", "L'Oréal shampoo for dry hair", "NIKE AIR MAX 90", "Café mug, 12 oz"],
        ["FRZN BRKFST SNDWCH", "SOFT DRINKS 12/18&15PK CAN CAR", "BEERALEMALT LIQUORS"],
        ["Anker 735 GaN 65W", "Das Boot [Blu-ray]", "Sony WH-1000XM4", "USB-C to HDMI adapter", "Tent for 4"],
        [*["Waterproof tent for four"] * 9, "户外帐篷"],
    ],
    CHINESE: [
        ["户外双人防雨帐篷", "Nike运动鞋", "Sony WH-1000XM4 降噪耳机", "茉莉花茶500g", "华为手机"],
        ["繁體中文書籍", "臺灣高山茶"],
        [*["明前龙井绿茶"] * 9, "iPhone 15 Pro"],
    ],
    MULTILINGUAL: [
        ["Zelt für zwei Personen", "Rucksack mit Regenschutz", "Kochtopf aus Edelstahl"],
        ["Tente pour deux personnes", "Théière en fonte avec infuseur", "Sac à dos étanche"],
        ["Tienda de campaña para dos", "Mochila con funda", "Olla de acero sin tapa"],
        ["Namiot turystyczny dla dwóch osób", "Plecak na laptop", "Garnek ze stali"],
        ["テントふたり用", "日本の緑茶", "折りたたみ椅子"],
        ["이인용 텐트", "보온병"],
        ["Палатка для двоих", "Рюкзак"],
        ["خيمة لشخصين", "حقيبة"],
        ["Tent for two", "双人帐篷", "Boots", "登山靴"],
    ],
}


@pytest.mark.parametrize(("language", "texts"), [(name, texts) for name, groups in TEXTS.items() for texts in groups])
def test_language(language: str, texts: list[str]) -> None:
    found = find_language(texts)
    assert found is not None
    assert found.name == language, found.reason


def test_items_and_users_of_two_languages_are_mixed_and_no_letters_count_as_english() -> None:
    english, chinese = ["Tent for two"], ["双人帐篷"]
    assert common_language(english, chinese).name == MULTILINGUAL
    assert common_language(english, []).name == common_language([], ["12", ""]).name == ENGLISH
    assert common_language(chinese, chinese).name == CHINESE
    assert find_language(["12", ""]) is None
