"""Makes one mark of an address that was marked in parts: street, flat, town, code, country.

    python join_addresses.py < marked.jsonl > joined.jsonl

Marks of towns and countries that touch no other part stay as they are.
"""

import json
import re
import sys

ADDRESS = {"ADDRESS", "STREET_ADDRESS"}
PLACE = {"LOCATION", "GPE", "ZIP_CODE"}
BETWEEN = re.compile(r"[\s,.>?]*")

for line in sys.stdin:
    row = json.loads(line)
    joined = []
    for span in sorted(row.get("spans", []), key=lambda span: span["start"]):
        kind = "ADDRESS" if span["type"] in ADDRESS else span["type"]
        before = joined[-1] if joined else None
        if (
            before
            and {before["type"], kind} <= ADDRESS | PLACE
            and "ADDRESS" in (before["type"], kind)
            and BETWEEN.fullmatch(row["text"][before["end"] : span["start"]])
        ):
            before.update(end=span["end"], type="ADDRESS")
        else:
            joined.append({"start": span["start"], "end": span["end"], "type": kind})
    print(json.dumps({"text": row["text"], "spans": joined}, ensure_ascii=False))
