"""Makes the sample catalog of data/catalog from the open catalog file: checked row by row, sorted, compressed.

`python tools/make_sample_catalog.py OPEN.jsonl` writes data/catalog/sample.jsonl.gz; the same input gives the same
bytes. Only rows that say their source and licence go in.
"""

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from services.catalog.adapters.open_jsonl import title_of
from services.catalog.validity import settled

OUT = Path(__file__).resolve().parent.parent / "data" / "catalog" / "sample.jsonl.gz"
LICENCE = "CC BY-SA 4.0"


def rows(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if not row.get("source") or LICENCE not in row.get("licence", ""):
                print(f"left out, no source or licence: {row.get('id')}", file=sys.stderr)
                continue
            settled(title_of(row))
            yield json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def main() -> None:
    found = list(rows(Path(sys.argv[1])))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    # No name and no time in the header: equal rows are equal bytes.
    with OUT.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as out:
        out.write(("\n".join(found) + "\n").encode())
    print(f"{len(found):,} titles, {OUT.stat().st_size:,} bytes in {OUT}")


if __name__ == "__main__":
    main()
