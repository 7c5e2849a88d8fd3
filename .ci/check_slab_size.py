"""Checks what `.ci/tune_slab_size` left in a folder: files, rows and figures that must be there, and their kind; never how long something took."""

import base64
import csv
import json
import re
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

work = Path(sys.argv[1])
results = json.loads((work / "out/results.json").read_text())
assert results["schema"] == "bufslab-tune-slab-size-1" and results["quick"] is True

SIZES = [16384, 65536, 1048576]
cases = ["vec"] + [f"{size}/{reuse}" for size in SIZES + ["auto"] for reuse in ("whole_slab", "around_the_pin")]
assert [row["case"] for row in results["servers"]] == cases
assert [row["slab_size"] for row in results["allocations"]] == SIZES + [None]

ALWAYS = {"requests_per_s", "bytes_per_s", "small_p50_us", "small_p99_us", "upload_p50_us", "upload_p99_us"}
PINS = {"pinned_peak_bytes", "pinned_end_bytes"}
SLABS = {"slabs_taken", "slab_size_end_bytes"}
LINUX = {"requests_per_cpu_s", "cpu_us_per_request", "faults_per_request", "resident_end_bytes", "resident_peak_bytes"}
for row in results["servers"]:
    case, figures = row["case"], row["figures"]
    wanted = ALWAYS | PINS | LINUX | (set() if case == "vec" else SLABS)
    assert wanted <= set(figures), (case, wanted - set(figures))
    assert set(figures) & SLABS == (set() if case == "vec" else SLABS), case
    for name, spread in figures.items():
        assert 0 <= spread["min"] <= spread["median"] <= spread["max"], (case, name, spread)
        assert spread["median"] > 0 or name in {"slabs_taken", "faults_per_request"}, (case, name, spread)
    # Each session's head pins something; and no more than a slab, with some room for those that are just being opened and closed.
    pinned = figures["pinned_end_bytes"]["median"]
    assert pinned >= 20 * results["sessions"] if case == "vec" else row["auto"] or pinned >= row["slab_size"]
    if row["slab_size"]:
        assert figures["slab_size_end_bytes"]["median"] == row["slab_size"], case
        assert pinned <= (results["sessions"] + 2 * results["clients"] + 2) * row["slab_size"], (case, pinned)
        assert pinned % row["slab_size"] == 0, (case, pinned)
for row in results["allocations"]:
    wanted = {"hot_ns", "streamed_ns", "fresh_ns"} if row["slab_size"] else {"hot_ns", "copy_ns"}
    assert set(row["figures"]) == wanted and all(figure["min"] > 0 for figure in row["figures"].values()), row

# The CSV says the same, a line for each figure.
with open(work / "out/results.csv", newline="") as file:
    lines = list(csv.DictReader(file))
assert len(lines) == sum(len(row["figures"]) for part in ("servers", "allocations") for row in results[part])
for line in lines:
    assert float(line["min"]) <= float(line["median"]) <= float(line["max"]), line

# The chart has its four panels, and nothing in it is no number.
svg = (work / "out/slab_size.svg").read_text()
texts = [text.text.strip() for text in xml.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
for title in ("Requests a second", "99th percentile of little requests", "The server's memory, peak", "Alone: one read of 1,500 bytes"):
    assert title in texts, (title, texts)
assert "NaN" not in svg and "inf" not in svg.replace("info", "")

# The terminal's tables are the chapter's, row by row.
def rows(text):
    return [line for line in text.splitlines() if line.startswith("| ")]

table = (work / "table").read_text()
assert len(rows(table)) == len(cases) + 1 + len(SIZES) + 2, table
chapter = (work / "docs/slab_size.md").read_text()
assert rows(table) == rows(chapter)
assert "mean nothing" in table and "mean nothing" in chapter
assert "MB are resident, against" in chapter
markers = re.findall(r"<!-- slab_size: (\w+) -->\n\n(.+?)\n\n<!-- slab_size: end -->", chapter, re.S)
assert [name for name, _ in markers] == ["answer", "made", "servers", "allocations"], markers
embedded = (work / "docs/pictures/slab_size.md").read_text()
assert base64.b64decode(embedded.split("base64,")[1]).decode() == (work / "docs/pictures/slab_size.svg").read_text() == svg

# The chapter as it is committed has figures, and not those of a quick run.
committed = Path("src/docs/slab_size.md").read_text()
assert len(rows(committed)) > len(rows(chapter)) and "mean nothing" not in committed
print(f"{len(cases)} servers, {len(SIZES)} slab sizes: the files are whole")
