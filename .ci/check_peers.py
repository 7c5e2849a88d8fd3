"""Checks what `.ci/peers` left in a folder: the figures' shape, who took part, and the chapter made of them; never how long something took."""

import base64
import json
import math
import re
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

work = Path(sys.argv[1])
rows = json.loads((work / "vs_peers.json").read_text(), parse_constant=lambda name: sys.exit(f"{name} is no figure"))
about = json.loads((work / "vs_peers_about.json").read_text())

FIRST = ["op", "n", "impl", "allocator", "ns", "ratio_to_best_peer"]
ALLOCATORS = ["glibc", "jemalloc", "mimalloc"]
OPS = {
    "clone", "slice", "split_to", "clone_old", "clone_elsewhere", "chain", "alloc_64", "alloc_full", "large_slabs", "request",
    "fifo_64", "fifo_full", "random_64", "random_full", "cross_64", "cross_full", "two_threads",
}
# What the advice has in code, and is no row.
WORDS = {"stats", "BytesMut"}
US = {"bufslab", "bufslab, counters", "bufslab, off"}

for row in rows:
    assert list(row)[: len(FIRST)] == FIRST, row
    assert set(row) == {*FIRST, "min", "max", "passes", "peer"}, row
    for name in ("ns", "ratio_to_best_peer", "min", "max"):
        figure = row[name]
        assert isinstance(figure, (int, float)) and math.isfinite(figure) and figure > 0, (name, row)
    assert row["min"] <= row["ns"] <= row["max"] and row["passes"] >= 1 and row["n"] > 0, row
    assert isinstance(row["peer"], bool) and not (row["peer"] and row["impl"].startswith(("bufslab", "machine", "opool"))), row

keys = [(row["op"], row["impl"], row["allocator"]) for row in rows]
assert len(keys) == len(set(keys)), "a row twice"
assert {op for op, _, _ in keys} == OPS, OPS ^ {op for op, _, _ in keys}
for op in OPS:
    by = {name: {row["impl"]: row for row in rows if (row["op"], row["allocator"]) == (op, name)} for name in ALLOCATORS}
    assert by["glibc"].keys() == by["jemalloc"].keys() == by["mimalloc"].keys(), op
    who = by["glibc"]
    assert US <= who.keys(), (op, US - who.keys())
    assert sum(row["peer"] for row in who.values()) >= 2, op
    assert any(name.startswith("machine: ") for name in who), op
    # The ratio is to the best of the peers, whatever the allocator.
    best = min(row["ns"] for each in by.values() for row in each.values() if row["peer"])
    for row in (row for each in by.values() for row in each.values()):
        assert math.isclose(row["ratio_to_best_peer"], row["ns"] / best, rel_tol=0.01, abs_tol=0.001), (best, row)

assert about["quick"] is True and len(about["allocators"]) == 3 and len(about["peers"]) >= 5, about
for load in about["footprint"]:
    assert 0 < load["ledger_bytes"] and math.isclose(load["percent"], load["ledger_bytes"] / load["slab_bytes"] * 100), load

# The chapter has a line for each target and a table for each operation, and says what its figures are worth.
chapter = (work / "docs/performance.md").read_text()
targets = chapter.split("<!-- vs_peers: begin targets -->")[1].split("<!-- vs_peers: end -->")[0]
lines = [line for line in targets.splitlines() if line.startswith("| ")][1:]
assert len(lines) == 20 and all(("met" in line) or "| none |" in line for line in lines), lines
# Of what tracking costs in a window no least is measured.
without_floor = re.compile("ledger|^. tracking, for a read of 64 bytes, .* of 1,024 goes")
for line in lines:
    assert "**not met**" not in line or without_floor.search(line) or not line.rstrip().endswith("| – |"), line
assert all(f"\n`{op}`: " in chapter for op in OPS)


def slower(others):
    """Of bufslab with its defaults, each operation and allocator in which one of the others is faster, the worst ratio first."""
    found = []
    for row in rows:
        rivals = [other["ns"] for other in rows if other["op"] == row["op"] and others(other)]
        if row["impl"] == "bufslab" and rivals and row["ns"] > min(rivals):
            found.append((row["op"], row["allocator"], row["ns"] / min(rivals)))
    return sorted(found, key=lambda one: -one[2])


# Each weakness is in the chapter, and no other: first beside the peers, then beside those that do not rank.
faster = chapter.split("<!-- vs_peers: begin faster -->")[1].split("<!-- vs_peers: end -->")[0]
assert "* The worst ratio: **" in faster and "* The best ratio: **" in faster, faster
shown = {"the fastest peer": [], "the fastest of them": []}
for line in faster.splitlines():
    cells = [cell.strip(" `") for cell in line.split("|")][1:-1]
    if line.startswith("| operation |"):
        table = shown[cells[5]]
    elif line.startswith("| "):
        table.append((cells[1], cells[2], float(cells[3])))
        ours, theirs, difference = (float(cells[at].removesuffix(" ns")) for at in (4, 7, 8))
        assert difference >= 0 and math.isclose(ours - theirs, difference, abs_tol=0.151), line
        assert any((row["op"], row["impl"], row["allocator"]) == (cells[1], cells[5], cells[6]) for row in rows), line
for title, others in [
    ("the fastest peer", lambda row: row["peer"]),
    ("the fastest of them", lambda row: not row["peer"] and not row["impl"].startswith(("bufslab", "machine: "))),
]:
    wanted = slower(others)
    assert {one[:2] for one in shown[title]} == {one[:2] for one in wanted} and len(shown[title]) == len(wanted), title
    for (*_, told), (*_, ratio) in zip(shown[title], wanted):
        assert math.isclose(told, ratio, abs_tol=0.0051), (title, told, ratio)

assert "mean nothing" in chapter and "NaN" not in chapter and "inf" not in chapter.replace("info", "").replace("kinf", "")

embedded = (work / "docs/pictures/vs_peers.md").read_text().split()
pictures = dict(zip(embedded[::2], (part.split("base64,")[1] for part in embedded[1::2])))
for name in ("vs_peers_ratios", "vs_peers_times"):
    svg = (work / f"docs/pictures/{name}.svg").read_text()
    assert base64.b64decode(pictures[f"[{name}]:"]).decode() == svg, name
    texts = [text.text.strip() for text in xml.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert len(texts) > 4 * len(OPS) and not any("NaN" in text for text in texts), name

# What is written by hand on when not to use the crate has no figures of its own: it names rows, and these are there.
advice = chapter.split("\n## When not to use this crate\n")[1].split("\n## ")[0]
tables = "".join(Path(f"src/docs/{name}.md").read_text() for name in ("scaling", "contention", "servers")) + chapter
names = re.findall(r"`([^`]+)`", re.sub(r"\[`[^`]+`\]", "", advice))
assert len(names) > 20 and advice.count("\n") < 40
for name in names:
    assert name in OPS or f"\n| {name} |" in tables or name in WORDS, f"{name}: no row has that name"

# The chapter as it is committed is not that of a quick run.
committed = Path("src/docs/performance.md").read_text()
assert all(f"\n`{op}`: " in committed for op in OPS) and "mean nothing" not in committed
print(f"{len(rows)} figures of {len(OPS)} operations: the files are whole")
