"""Words in names of columns, in English and Chinese, by which `guess_columns` finds our fields."""

from __future__ import annotations

ITEM = {
    "item_id": "item id|item|item no|item code|product id|product|product code|stock code|sku|sku id|asin|parent asin"
    "|article|article id|article no|goods id|goods|isbn|ean|gtin|upc|movie id|book id|iid|商品编号|商品编码|商品id"
    "|商品代码|商品|货号|物品编号|物品id|产品编号|产品id|货品编号|listing id|宝贝id|商家编码",
    "title": "title|name|item name|product name|description|product title|label|商品名称|商品名"
    "|名称|标题|品名|产品名称|lineitem name|line item name|宝贝标题|宝贝名称|商品标题",
    "description": "description|details|long description|text|about|描述|商品描述|详情|简介",
    "category": "category|categories|category name|department|department name|product type|type|genre|genres|class"
    "|group|类目|分类|品类|类别|商品类别",
    "brand": "brand|brand name|manufacturer|manufacturer name|maker|vendor|vendor name|品牌|厂商|厂家",
    "price": "price|unit price|list price|cost|amount|价格|单价|售价",
}
EVENT = {
    "user_id": "user id|user|customer id|customer|customer no|client id|client|member id|member|household id|buyer id"
    "|buyer|visitor id|account id|reviewer id|uid|shopper id|客户编号|客户id|客户|用户编号|用户id|用户|会员编号|会员id"
    "|会员号|买家|顾客编号|顾客|email|e mail",
    "item_id": ITEM["item_id"],
    "timestamp": "timestamp|time|date|datetime|date time|invoice date|order date|purchase date|created at|event time"
    "|unix review time|transaction date|ts|day|时间|日期|下单时间|订单日期|购买时间|交易时间|时间戳|创建时间",
    "event_type": "event type|event|action|action type|behavior|behaviour|behavior type|interaction|interaction type"
    "|event name|行为|行为类型|事件|事件类型|动作",
    "rating": "rating|stars|score|overall|grade|评分|打分|星级",
    "basket_id": "basket id|basket|invoice|invoice no|invoice id|invoice number|order id|order no|order number"
    "|transaction id|receipt|receipt id|receipt no|bill no|session id|cart id|发票号|发票|订单号|订单编号|订单id"
    "|小票号|单号|交易号",
    "quantity": "quantity|qty|count|units|number of items|数量|件数|购买数量|销量",
    "clicked": "clicked|is click|is clicked|clk|click label|was clicked|是否点击",
    "query": "query|search query|search term|search text|search words|搜索词|查询词|查询",
}

SHORT = {
    "acct": "account", "amt": "amount", "art": "article", "cat": "category", "categ": "category", "cd": "code",
    "cnt": "count", "cust": "customer", "dept": "department", "desc": "description", "descr": "description",
    "dt": "date", "inv": "invoice", "manuf": "manufacturer", "mbr": "member", "mfg": "manufacturer",
    "mfr": "manufacturer", "nm": "name", "nr": "no", "num": "number", "ord": "order", "prc": "price",
    "prod": "product", "qnty": "quantity", "tm": "time", "trans": "transaction", "trx": "transaction",
    "txn": "transaction", "usr": "user",
}  # fmt: skip
"""Abbreviations in column names."""
ITEM_OF_LOG = {
    "price": "price|unit price|list price|价格|单价|售价",
    "description": "description|item description|描述|商品描述",
}
"""Names of fields of items that are meant among those of events."""
NOT_IDS = (
    "price", "total", "subtotal", "cost", "amount", "quantity", "qty", "count", "discount", "tax", "type", "category",
    "brand", "status", "date", "weight", "url", "image", "link", "size", "color", "colour", "variation", "options",
    "note", "notes", "rating", "review", "text", "价格", "数量", "金额", "类目", "分类", "品牌", "状态",
)  # fmt: skip
"""Last words of column names that contain a word for items or users and are not their ids."""
ORDER_NAMES = ("name", "order", "order name", "order ref", "reference", "number", "id")
"""Names of columns that number orders if their values recur within orders only."""
USER_WORDS = (
    "order status|order type|order total|financial status|account|review|city|country|region|state|gender|age|comment"
    "|payment|shipping|delivery|query|search|评论|评价|支付|配送|搜索|查询"
)
"""Words in names of columns that are about users or orders, beyond `names_person`."""
