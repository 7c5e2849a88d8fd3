#!/usr/bin/env python3
"""Checks what `upgrade_leak` wrote: the schema, and the shape of the published curves."""

import csv
import gzip
import json
import pathlib
import sys

MB = 1e6
FIELDS = {
    "scenario", "mode", "slab_size", "virtual_seconds", "connections", "uploads", "bytes_uploaded", "samples",
    "pinned_slope_bytes_per_s", "uploads_per_s",
}
SAMPLE = {"t", "pinned_bytes", "live_bytes", "rss_bytes"}


def snapshot(path: pathlib.Path) -> tuple[int, set[str]]:
    """The bytes that a heap snapshot's nodes have themselves, and all its names."""
    document = json.loads(path.read_text())
    fields = document["snapshot"]["meta"]["node_fields"]
    nodes = document["nodes"]
    assert nodes and len(nodes) == document["snapshot"]["node_count"] * len(fields), path
    return sum(nodes[fields.index("self_size") :: len(fields)]), set(document["strings"])


def check_viewable(out: pathlib.Path) -> None:
    """What is written for viewers is there, can be read, and says who."""
    base, _ = snapshot(out / "pins-base.heapsnapshot")
    target, names = snapshot(out / "pins.heapsnapshot")
    print(f"heap snapshots: {base / MB:.1f} MB after a third, {target / MB:.1f} MB at the end")
    assert 1.5 * base < target, "the snapshot to compare is not of a growing run"
    for name in ("req.head", "ws_session"):
        assert any(name in string for string in names), f"pins.heapsnapshot does not name {name}"
    page = (out / "pins.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>") and "req.head" in page
    profile = gzip.decompress((out / "pins.pb.gz").read_bytes())
    assert b"req.head" in profile and b"ws_session" in profile


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    summary = json.loads((out / "summary.json").read_text())
    assert summary["schema"] == 1, summary["schema"]
    runs = {(run["scenario"], run["mode"], run["slab_size"]): run for run in summary["runs"]}
    for key, run in runs.items():
        assert FIELDS <= run.keys(), f"{key}: missing {FIELDS - run.keys()}"
        assert all(SAMPLE <= sample.keys() for sample in run["samples"]), key
        assert len(run["samples"]) >= 100, f"{key}: {len(run['samples'])} samples"
        assert run["uploads_per_s"] > 0, key
    big, small = 10 * 1024 * 1024, 100 * 1024

    def slope(scenario: str, mode: str, size: int) -> float:
        return runs[scenario, mode, size]["pinned_slope_bytes_per_s"]

    hold = slope("both", "hold", big)
    print("slope of pinned bytes, both/hold at 10 MiB: %.2f MB/s" % (hold / MB))
    assert 0.8 * 2.2 * MB <= hold <= 1.2 * 2.2 * MB, f"the published curve grows by 2.2 MB/s, this one by {hold / MB:.2f}"
    for scenario, mode, size in [
        ("uploads", "hold", big), ("websockets", "hold", big), ("both", "retain", big), ("both", "release", big),
        ("both", "around", big), ("both", "park", big),
        ("both", "retain", small),
    ]:
        flat = slope(scenario, mode, size)
        print(f"slope of pinned bytes, {scenario}/{mode} at {size}: {flat / MB:.4f} MB/s")
        limit = 0.01 if mode != "hold" else 0.05
        assert abs(flat) < limit * hold, f"{scenario}/{mode} at {size} is not flat: {flat}"
    park = runs["both", "park", big]
    print("park: %d heads moved, %d bytes copied, %d outlived their slab" % (park["moved"], park["copied_bytes"], park["outlived_bytes"]))
    assert 0 < park["copied_bytes"] <= park["outlived_bytes"], "more was copied than outlived its slab"
    punch = runs["both", "punch", big]
    assert 0.8 * hold <= punch["pinned_slope_bytes_per_s"], "punching unpins nothing"
    last = punch["samples"][-1]
    print("punch: %.1f MB pinned, %.2f MB resident" % (last["pinned_bytes"] / MB, last["resident_bytes"] / MB))
    # The slabs of the end are being filled; all others keep a page or two for each head.
    assert last["resident_bytes"] < 4 * big < last["pinned_bytes"], "pinned slabs are resident"
    assert punch["given_back_bytes"] > last["pinned_bytes"] / 2
    assert ("both", "hold", small) in runs, "the remedy that was never measured is missing"
    report = json.loads((out / "report.json").read_text())
    assert report["schema"] == "bufslab.pin_report", report["schema"]
    assert report["by_scope_kind"][0]["holder"] == {"kind": "scope_kind", "scope_kind": "ws_session"}
    assert "req.head" in (out / "report.txt").read_text()
    check_viewable(out)
    assert (out / "memory.svg").read_text().lstrip().startswith(("<svg", "<?xml"))
    with (out / "memory.csv").open() as table:
        assert len(list(csv.reader(table))) > 100
    print("summary holds")


main()
