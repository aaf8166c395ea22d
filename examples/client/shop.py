"""A customer of a running `xcat serve`, in Python: `python examples/client/shop.py http://127.0.0.1:8000 ITEM`.

The environment variable XCAT_API_KEY has the key of the service, if it needs one.
"""

from __future__ import annotations

import os
import sys

from xcat_rec import XCatClient

url, item = sys.argv[1:3]
with XCatClient(url, api_key=os.environ.get("XCAT_API_KEY")) as client:
    client.add_event("anna", item)
    shown = client.recommend("anna", k=3)
    for place, found in enumerate(shown, start=1):
        reasons = ", ".join(reason.title for reason in found.because)
        print(f"{place}. {found.title} (because of {reasons or 'nothing'})")
    client.add_event("anna", shown[0].item_id, event_type="click", impression_id=shown.impression_id)
    print("next:", client.recommend("anna", k=3).item_ids)
    client.delete_user("anna")
