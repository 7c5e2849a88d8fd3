"""Checks what benches/scaling wrote: that every series is there and whole, and that its charts and chapters can be read."""

import json
import math
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

work = Path(sys.argv[1])
expected = (work / "list").read_text().split("\n")[:-1]
assert len(expected) == len(set(expected)) > 30, expected

points = json.loads((work / "out/scaling.json").read_text())
series = {}
for point in points:
    series.setdefault(point["series"], []).append(point)
assert list(series) == expected, set(expected) ^ set(series)
units = set()
for name, rows in series.items():
    xs = [row["x"] for row in rows]
    assert xs == sorted(set(xs)) and xs[0] >= 1, (name, xs)
    assert len({row["unit"] for row in rows}) == 1 and len({row["operation"] for row in rows}) == 1, name
    units.add(rows[0]["unit"])
    for row in rows:
        figures = [row["ns_min"], row["ns"], row["ns_max"]]
        assert all(math.isfinite(ns) and ns > 0 for ns in figures) and figures == sorted(figures), row
        assert row["operation"] and row["unit"], row
        if name.startswith("threads/"):
            assert row["unit"] == "threads" and row["wall_ns"] > 0 and row["ops_per_s"] > 0, row
            assert math.isclose(row["ops_per_cpu_s"] * row["ns"], 1e9), row
    # A decade at least, but for threads, of which there are as many as the machine has cores and four times as many.
    if name.startswith("threads/"):
        assert rows[-1]["oversubscribed"] and not rows[0]["oversubscribed"] and len(rows) >= 2, name
    else:
        assert xs[-1] >= 10 * xs[0], (name, xs)
assert len(units) == 8, units

table = (work / "table").read_text()
growth = table.split("\nGrowth\n")[1]
for name in expected:
    assert table.count(f"\n{name} ") >= 2 and f"\n{name} " in growth, name

charts = ["threads", "slices", "populations"]
for folder in ["out", "docs/pictures"]:
    for chart in charts:
        root = xml.parse(work / folder / f"scaling_{chart}.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        words = " ".join(root.itertext())
        # Only those of rustdoc's own width fit beside each other.
        assert "processor time" in words and len(list(root)) > 200, chart
embedded = (work / "docs/pictures/scaling.md").read_text()
chapter = (work / "docs/scaling.md").read_text()
for chart in charts:
    assert f"[scaling_{chart}]: data:image/svg+xml;base64," in embedded, chart
    assert f"][scaling_{chart}]" in chapter, chart
for name in expected:
    assert chapter.count(f"| {name} |") >= 3, f"{name}: what it is, its times, and how it grows"
assert "a quick run that is not for figures" in chapter

found = json.loads((work / "out/contention.json").read_text())
assert len(found["checks"]) >= 9 and all(check["holds"] for check in found["checks"]), found["checks"]
assert all(check["least"] - 1e-9 <= check["counted"] <= check["most"] + 1e-9 for check in found["checks"])
# These write nothing that more than two threads share.
quiet = {"hot", "random, pool each", "handed over, pool each", "retain"}
assert quiet == {load["load"] for load in found["loads"] if not load["lines"]}, found["loads"]
for load in found["loads"]:
    busy = [line["ns_a_request"] for line in load["lines"]]
    assert busy == sorted(busy, reverse=True) and min(busy, default=1) > 0, load
    for line in load["lines"]:
        assert math.isclose(line["cores"] * line["ns_a_request"] * found["rate"], 1e9), line
model = (work / "model").read_text()
chapter = (work / "docs/contention.md").read_text()
for name in {load["load"] for load in found["loads"]}:
    assert f"\n{name} " in model and f"| {name} |" in chapter, name
assert "DOES NOT HOLD" not in model + chapter
print(f"{len(series)} series with {len(points)} points, {len(found['checks'])} counts that the model has right")
