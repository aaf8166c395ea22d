"""Columns whose names suggest a person or contact details; their values are never fields of items."""

from __future__ import annotations

import re
import unicodedata

_PERSONS = (
    "customer|client|buyer|purchaser|recipient|receiver|consignee|addressee|reviewer|member|user|shopper|guest|patron"
    "|subscriber|card ?holder|account holder|payer|household|visitor|attention|attn|cashier|employee|sales ?person"
    "|commenter|person|people|patient|passenger|student"
    "|kunde|kunden|kundin|kaufer|kaeufer|empfanger|empfaenger|besteller|benutzer|nutzer|mitglied"
    "|acheteur|destinataire|utilisateur|cliente|comprador|compradora|destinatario|usuario|acquirente|utente|klant|koper"
)
_NAMES = (
    "first ?name|last ?name|full ?name|middle ?name|given name|family name|real name|legal name|maiden name|forename"
    "|surname|nick|nick ?name|user ?name|screen name|fname|lname|birth ?day|birth ?date|date of birth|dob"
    "|contact name|contact person|(?:purchased|ordered|reviewed) by|(?:gift|order) (?:message|notes?)"
    "|vorname|nachname|prenom|nom de famille|apellidos?|cognome|sobrenome|voornaam|achternaam"
)
_CONTACTS = (
    "contact|address|street|phone|telephone|mobile|fax|e ?mail|mail|zip|zip ?code|post ?code|postal code"
    "|anschrift|adresse|strasse|telefon|handy|plz|telefono|direccion|indirizzo|endereco|adres"
)
_ROLES = "billing|shipping|ship|bill|delivery|deliver|invoice|payment|sold|mailing"
_PARTS = (
    "to|name|first|last|company|address|address1|address2|street|city|town|zip|postcode|postal|state|province|county"
    "|country|region|phone|e ?mail|recipient|attention|notes?|message|instructions"
)
_THINGS = "product|item|line ?item|article|goods|sku|part|brand|category|manufacturer|style|model"
_OF_THINGS = f"{_THINGS}|price|cost|amount|guide|manual"
_PERSON = re.compile(
    rf"\b(?:{_PERSONS})(?:s|name)?\b|\b(?:kunden|kaufer|empfanger|besteller|rechnungs|liefer)\w*name\b"
    rf"|\b(?:{_ROLES}) ?(?:\w+ )?(?:{_PARTS})\b|\b(?:rechnungs|liefer)(?:adresse|anschrift)\b"
    rf"|\b(?:{_CONTACTS})(?: (?:{_ROLES}|livraison|facturation))?$"
    r"|\b(?:покупател|клиент|получател|пользовател|фамили|телефон|адрес|отчество)\w*|^имя$"
)
_PERSON_NAME, _THING = re.compile(rf"\b(?:{_NAMES})\b"), re.compile(rf"\b(?:{_THINGS})\b")
_NAME_OF_THING = re.compile(rf"\b(?:{_OF_THINGS})(?: number| code| name)?$")
_ASIAN_PERSON = re.compile(
    r"姓名|名字|昵称|暱稱|收[件货貨]|[买買]家|[顾顧]客|客[户戶]|[用账賬帳][户戶]|[会會][员員]|[购購][买買][人者]|下[单單]人"
    r"|付款人|[订訂][购購]人|[联聯][系絡繫]|手[机機]号|手[机機]號|手[机機]$|[电電][话話]|地址|[邮郵]箱|[邮郵][编編]|身份[证證]"
    r"|微信|旺旺|[评評][论論价價][人者]|持卡人|留言|[订訂][单單][备備][注註]"
    r"|氏名|お名前|顧客|購入者|注文者|投稿者|お客様|会員|住所|届け先|送付先|配送先"
    r"|고객|구매자|수령인|수취인|이름|성함|회원|주소|전화|연락처"
)
_ASIAN_THING = re.compile(
    r"[价價]$|[价價]格$|金[额額]$|(?:[商产產货貨]品|[料货貨][号號])(?:名|名[称稱]|[编編][号號码碼])?$"
)


def spelled(column: str) -> str:
    """The words of a column name in lower case, parted by spaces, without accents.

    Example:
        >>> spelled("billingFirst_Name"), spelled("Prénom (livraison)")
        ('billing first name', 'prenom livraison')
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\W_]+", " ", column)
    bare = "".join(mark for mark in unicodedata.normalize("NFKD", parted) if not unicodedata.combining(mark))
    return " ".join(bare.lower().replace("ß", "ss").split())


def names_person(column: str) -> bool:
    """Whether a column name suggests a person, such as a customer's name, or contact details.

    The names of makers, sellers and authors are public and do not count, nor do names of products.

    Args:
        column: Name of a column.

    Example:
        >>> [names_person(name) for name in ("Billing Name", "recipient-name", "Full Name", "buyer", "买家昵称")]
        [True, True, True, True, True]
        >>> [names_person(name) for name in ("Lineitem name", "Customer Price", "Author", "Vendor", "Shipping class")]
        [False, False, False, False, False]
    """
    if _ASIAN_PERSON.search(column):
        return not _ASIAN_THING.search(column)
    words = re.sub(r" (?:\d+|line|nr|no|number|id)\b", "", spelled(column))
    if _NAME_OF_THING.search(words):
        return False
    if _PERSON.search(words):
        return True
    return _PERSON_NAME.search(words) is not None and _THING.search(words) is None
