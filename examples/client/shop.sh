#!/bin/sh
# A customer of a running `xcat serve`, with curl: sh examples/client/shop.sh http://127.0.0.1:8000 ITEM
# --retry sends a request again after 408, 429, 502, 503 and 504, and waits as Retry-After says.
set -eu
url=$1
item=$2
key="X-API-Key: ${XCAT_API_KEY:-}"
post() {
  curl -sS --fail-with-body --retry 4 --retry-connrefused -H "$key" -H 'content-type: application/json' "$url$1" -d "$2"
  echo
}

post /events "{\"user_id\": \"cora\", \"item_id\": \"$item\", \"event_id\": \"order-1\"}"
post /recommend '{"user_id": "cora", "k": 3, "explain": false}'
post /similar "{\"item_id\": \"$item\", \"k\": 3}"
curl -sS -X DELETE -H "$key" "$url/users/cora"
