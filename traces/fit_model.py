#!/usr/bin/env python3
"""Fits the model of `src/adapt/cost.rs` to timed replays of the shipped traces on this machine, and prints it beside its constants.

    cargo build --release --features cli && python3 traces/fit_model.py

Each setup of each trace is an equation: counts from the simulation, times what each of them costs, is what the replay took. The
costs are those with the least relative error that are not negative (coordinate descent on the normal equations).
"""

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COSTS = {
    "REQUEST": lambda trace, _: trace["allocations"],
    "STEP": lambda trace, _: trace["steps"] - trace["allocations"],
    "IN_PLACE": lambda _, run: run["slabs_reused_in_place"],
    "CHANGE": lambda _, run: run["slab_changes"],
    "TAKEN": lambda _, run: run["slabs_taken"],
    "FRESH_BYTE": lambda _, run: run["fresh_bytes"],
    "COLD_BYTE": lambda _, run: run["cold_bytes"],
    "GUEST": lambda _, run: run["guest_ops"],
}
# Below this, a difference is noise.
LEAST_NS = 30


def equations():
    for path in sorted((ROOT / "traces").glob("*.slabtrace")):
        command = [ROOT / "target/release/bufslab", "tune", path, "--json", "-", "--reuse", "around", "--reuse", "whole"]
        study = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        trace = study["trace"]
        for setup in study["setups"]:
            counts = [count(trace, setup["simulated"]) / trace["allocations"] for count in COSTS.values()]
            time = setup["replayed"]["ns_per_alloc"]
            yield counts, time, f'{path.stem:14}{setup["slab_size"] >> 10:>7} KiB {setup["reuse"]:15}'


def fitted(rows):
    weighted = [([x / max(time, LEAST_NS) for x in counts], time / max(time, LEAST_NS)) for counts, time, _ in rows]
    size = range(len(COSTS))
    square = [[sum(counts[i] * counts[j] for counts, _ in weighted) for j in size] for i in size]
    right = [sum(counts[i] * time for counts, time in weighted) for i in size]
    costs = [0.0] * len(COSTS)
    for _ in range(20_000):
        for i in size:
            rest = right[i] - sum(square[i][j] * costs[j] for j in size if j != i)
            costs[i] = max(rest / square[i][i], 0.0) if square[i][i] > 0 else 0.0
    return costs


def main():
    rows = list(equations())
    costs = fitted(rows)
    source = (ROOT / "src/adapt/cost.rs").read_text()
    constants = [float(re.search(rf"const {name}: f64 = ([\d_.]+);", source)[1].replace("_", "")) for name in COSTS]
    print(f'{"":12}{"fitted":>10}{"constant":>10}')
    for name, cost, constant in zip(COSTS, costs, constants):
        print(f"{name:12}{cost:10.3f}{constant:10.3f}")
    print(f'\n{"ns an allocation":42}{"replayed":>10}{"fitted":>10}{"constants":>10}')
    for counts, time, name in rows:
        fit, model = (sum(map(lambda x, y: x * y, counts, by)) for by in (costs, constants))
        print(f"{name:42}{time:10.0f}{fit:10.0f}{model:10.0f}")


main()
