"""Checks what `bufslab tune` wrote for a trace: that it is well formed, says the same in each form, and that a browser shows it."""

import json
import sys
import xml.etree.ElementTree as xml
from html.parser import HTMLParser
from pathlib import Path

work, name = Path(sys.argv[1]), sys.argv[2]
study = json.loads((work / f"{name}.json").read_text())
assert study["schema"] == "bufslab.tune" and study["version"] == 1 and study["measured"] is True
setups = study["setups"]
# Seven powers of two and 100 KiB, with two policies and two kinds of reuse.
assert len(setups) == 8 * 2 * 2, len(setups)
best = setups[study["recommended"]["setup"]]
assert best["is_recommended"] and [setup["is_recommended"] for setup in setups].count(True) == 1
assert any(setup["is_on_front"] for setup in setups)
# What is left without the empty loop may be nothing, of two passes on a busy machine.
assert all(setup["replayed"]["ns_per_alloc"] >= 0 and setup["replayed"]["gross_ns_per_step"] > 0 for setup in setups)
assert all(setup["replayed"]["passes"] == 2 for setup in setups)
assert all(setup["simulated"]["peak_pinned_bytes"] >= setup["simulated"]["mean_pinned_bytes"] for setup in setups)

text = (work / f"{name}.txt").read_text()
assert max(map(len, text.splitlines())) <= 100, text
assert study["recommended"]["env"] in text and study["recommended"]["builder"].split(".retain")[0] in text
assert text.count("\n>") == 1, text

chart = xml.parse(work / f"{name}.svg").getroot()
assert chart.tag == "{http://www.w3.org/2000/svg}svg"
words = " ".join(chart.itertext())
assert "recommended" in words and "64 KiB" in words, words


class Rows(HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows = self.charts = 0

    def handle_starttag(self, tag, attrs):
        self.rows += tag == "tr"
        self.charts += tag == "svg"


page = Rows()
page.feed((work / f"{name}.html.dom").read_text())
assert page.rows == len(setups) + 1 and page.charts >= 2, (page.rows, page.charts)
assert study["recommended"]["env"] in (work / f"{name}.html.dom").read_text()
assert "<svg" in (work / f"{name}.svg.dom").read_text()
assert "http://" not in (work / f"{name}.html").read_text().replace("http://www.w3.org/", "")
