#!/usr/bin/env python3
"""The expressions of the Grafana dashboard and of the chapter on fleets, as a file of rules that promtool can check.

As a module: where `prometheus_fleet.py` gets them from.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHAPTER = (ROOT / "src/docs/fleet.md").read_text()
# As Grafana fills them in for "All".
VARIABLES = {"$job": ".*", "$instance": ".*", "$pool": ".*", "$__rate_interval": "1m"}


def filled_in(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"a variable that is not known: {expression}"
    return expression


def of_dashboard() -> list[tuple[str, str]]:
    dashboard = json.loads((ROOT / "dashboards/bufslab-grafana.json").read_text())
    found = []
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            found.append((f"panel {panel['title']}, {target['refId']}", filled_in(target["expr"])))
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            query = variable["query"]["query"]
            call = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
            assert call and query == variable["definition"], query
            found.append((f"variable {variable['name']}", f"group by ({call[2]}) ({filled_in(call[1])})"))
    assert len(found) > 30, found
    return found


def of_chapter() -> list[tuple[str, str]]:
    found = re.findall(r"^\| ([^|]*\?) \| `([^`]*)` \|$", CHAPTER, re.MULTILINE)
    assert len(found) == 9, found
    return found


def block(language: str, holds: str) -> str:
    """The first code block of the chapter in that language that holds a text."""
    for text in re.findall(rf"^```{language}\n(.*?)^```$", CHAPTER, re.MULTILINE | re.DOTALL):
        if holds in text:
            return text
    raise AssertionError(f"the chapter has no {language} with {holds}")


def main() -> None:
    rules = []
    for number, (name, expression) in enumerate(of_dashboard() + of_chapter()):
        rules.append({"record": f"expression:number:{number}", "expr": expression, "labels": {"of": name}})
    json.dump({"groups": [{"name": "expressions", "rules": rules}]}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
