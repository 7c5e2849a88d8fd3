#!/usr/bin/env python3
"""A Prometheus server that scrapes a fleet, set up as the chapter on fleets says, finds what was planted.

    prometheus_fleet.py FOLDER LIVE_CONSOLE METRICS_EXPORTERS

Three instances of one example leak; one instance of the other shows the same pools through the libraries. All listen on
loopback, on ports that the system gives, and are ended by the process that started them.
"""

import gzip
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import prometheus_expressions as expressions

INSTANCES = 3
SECONDS = 150
TAG, KIND = "req.head", "ws_session"
# The pages of `metrics_exporters`: the same pools in three ways.
EXPORTERS = {"library": "/metrics", "facade": "/facade", "text": "/text"}
# Two tags of `metrics_exporters`, as its series show them.
ODD = {'say "hi" to C:\\temp', '"bell\\u{7}"'}
# Loopback is never asked through a proxy.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
started: list[subprocess.Popen] = []


def get(url: str) -> bytes:
    with OPENER.open(url, timeout=10) as answer:
        return answer.read()


def start(command: list[str], **more) -> subprocess.Popen:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True, **more)
    started.append(process)
    return process


def instance(program: str) -> str:
    """Starts an example, and returns the address that its first line names."""
    process = start([program, "--listen", "127.0.0.1:0", "--seconds", str(SECONDS)], stdout=subprocess.PIPE)
    line = process.stdout.readline()
    found = re.fullmatch(r"listening on http://(127\.0\.0\.1:\d+)/?\n", line)
    assert found, f"{program} says {line!r}"
    return found[1]


def until(what: str, condition, seconds: float = 60):
    """Asks again until the answer is yes."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = condition()
        except (urllib.error.URLError, ConnectionError) as error:
            found, what = None, f"{what} ({error})"
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.3)


def lint(address: str, path: str) -> str:
    page = get(f"http://{address}{path}")
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True)
    told = (done.stdout + done.stderr).decode()
    assert done.returncode == 0 and not told.strip(), f"promtool on {path}: {told}"
    return page.decode()


class Server:
    """The Prometheus server."""

    def __init__(self, folder: pathlib.Path):
        self.log = folder / "prometheus.log"
        command = [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            "--web.listen-address=127.0.0.1:0",
        ]
        with self.log.open("w") as log:
            self.process = start(command, stdout=log, stderr=subprocess.STDOUT)
        self.address = until("the server listens", self.listens)

    def listens(self) -> str | None:
        assert self.process.poll() is None, self.log.read_text()
        found = re.search(r'msg="Listening on" address=(127\.0\.0\.1:\d+)', self.log.read_text())
        return found and found[1]

    def api(self, path: str, **parameters: str):
        query = urllib.parse.urlencode(parameters)
        try:
            answer = json.loads(get(f"http://{self.address}/api/v1/{path}?{query}"))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error
        assert answer["status"] == "success" and not answer.get("warnings"), answer
        return answer["data"]

    def query(self, expression: str) -> list[tuple[dict, float]]:
        found = self.api("query", query=expression)["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def troubles(self) -> list[str]:
        lines = self.log.read_text().splitlines()
        return [line for line in lines if re.search(r"level=(warn|error)", line)]


def configure(folder: pathlib.Path, fleet: list[str], exporters: str) -> None:
    """The files of the chapter, with our addresses and a shorter interval."""
    config = expressions.block("yaml", "file_sd_configs")
    hurried = config.replace("scrape_interval: 15s", "scrape_interval: 1s\n  evaluation_interval: 1s")
    assert hurried != config
    for job, path in EXPORTERS.items():
        hurried += f"  - job_name: {job}\n    metrics_path: {path}\n"
        hurried += f"    static_configs:\n      - targets: ['{exporters}']\n"
    (folder / "prometheus.yml").write_text(hurried)
    targets = json.loads(expressions.block("json", "targets"))
    targets[0]["targets"] = fleet
    (folder / "bufslab-targets.json").write_text(json.dumps(targets))
    shutil.copy(expressions.ROOT / "dashboards/bufslab-alerts.yml", folder)
    subprocess.run(["promtool", "check", "config", folder / "prometheus.yml"], check=True)


def share(page: str, tag: str) -> float:
    """What an instance says itself, over its pools."""
    shares = re.findall(rf'^bufslab_tag_pinned_bytes\{{pool="[^"]*",tag="{re.escape(tag)}"\}} (\S+)$', page, re.MULTILINE)
    assert shares, f"no share of {tag} in\n{page}"
    return sum(map(float, shares))


def check_targets(server: Server, count: int) -> None:
    def all_up():
        targets = server.api("targets", state="active")["activeTargets"]
        return len(targets) == count and all((target["health"], target["lastError"]) == ("up", "") for target in targets)

    until("every target is up", all_up)
    # Only OpenMetrics tells units: the library's page was read as that.
    for about in server.api("targets/metadata", match_target='{job="library"}', metric="bufslab_pinned_bytes"):
        assert (about["type"], about["unit"]) == ("gauge", "bytes"), about
    print(f"{count} targets are up, one of them read as OpenMetrics")
    for job in EXPORTERS:
        shares = server.query(f'bufslab_tag_pinned_bytes{{job="{job}",pool="replies"}}')
        tags = {labels["tag"] for labels, value in shares if value > 0}
        assert ODD <= tags, f"{job} shows {tags}"
        names = {labels["__name__"] for labels, _ in server.query(f'{{job="{job}",__name__=~"bufslab_.*"}}')}
        assert len(names) > 30, f"{job} has {names}"
    print("odd names arrive whole, by text, library and facade alike")


def check_leak(server: Server, fleet: list[str]) -> None:
    """What the server knows lies between what each instance said before and after."""
    before = {address: share(get(f"http://{address}/metrics").decode(), TAG) for address in fleet}

    def scraped_since():
        by_instance = server.query(f'sum by (instance) (bufslab_tag_pinned_bytes{{job="bufslab",tag="{TAG}"}})')
        found = {labels["instance"]: value for labels, value in by_instance}
        assert found.keys() == set(fleet), found
        return found if all(found[address] > before[address] > 0 for address in fleet) else None

    found = until("the server knows more than the instances said", scraped_since)
    after = {address: share(get(f"http://{address}/metrics").decode(), TAG) for address in fleet}
    for address in fleet:
        assert found[address] <= after[address], (before, found, after)
        print(f"{address}: {found[address]:.0f} bytes by {TAG}, and growing")


def check_questions(server: Server) -> None:
    """The chapter's queries, and what they are to find."""
    asked = {question: server.query(query) for question, query in expressions.of_chapter()}
    for question, found in asked.items():
        assert found, f"no answer to: {question}"
    labels, value = asked["Which tag keeps most, over all instances?"][0]
    assert labels["tag"] == TAG and value > 0, labels
    labels, value = asked["Which kind of owner?"][0]
    assert labels["scope_kind"] == KIND and value > 0, labels
    labels, value = asked["Who grows, by how much a second?"][0]
    assert labels["tag"] == TAG and value > 0, labels
    assert all(value == 0 for _, value in asked["Do the shares add up?"]), asked["Do the shares add up?"]
    print(f"{len(asked)} questions of the chapter name {TAG} and {KIND}")


def check_dashboard(server: Server) -> None:
    found = expressions.of_dashboard()
    for name, expression in found:
        # Of memory from the heap nobody knows what is resident.
        known = "bufslab_resident_bytes" not in expression
        assert server.query(expression) or not known, f"{name} shows nothing: {expression}"
    print(f"{len(found)} expressions of the dashboard have an answer")


def check_rules(server: Server) -> None:
    def evaluated():
        rules = [rule for group in server.api("rules")["groups"] for rule in group["rules"]]
        assert all(rule["health"] != "err" for rule in rules), rules
        return rules if all(rule["health"] == "ok" for rule in rules) else None

    rules = until("rules are evaluated", evaluated)
    assert len(rules) == 6, rules
    print(f"{len(rules)} alerts are evaluated")


def check_profiles(fleet: list[str]) -> None:
    """What a continuous profiler pulls, as far as can be told without one: the profile names the culprit."""
    for address in fleet:
        with OPENER.open(f"http://{address}/debug/pprof/slabs", timeout=10) as answer:
            assert answer.status == 200, answer.status
            profile = gzip.decompress(answer.read())
        assert TAG.encode() in profile and KIND.encode() in profile, f"{address}: {len(profile)} bytes"
    print(f"{len(fleet)} instances answer the pull of a profiler")


def main() -> None:
    folder, console, exporters = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    fleet = [instance(console) for _ in range(INSTANCES)]
    beside = instance(exporters)
    for address, path in [(fleet[0], "/metrics"), (beside, "/text"), (beside, "/facade")]:
        until(f"a leak on {path}", lambda address=address, path=path: TAG in get(f"http://{address}{path}").decode())
        lint(address, path)
        print(f"promtool check metrics has nothing to say of {path} on {address}")
    configure(folder, fleet, beside)
    server = Server(folder)
    check_targets(server, INSTANCES + len(EXPORTERS))
    check_leak(server, fleet)
    check_questions(server)
    check_dashboard(server)
    check_rules(server)
    check_profiles(fleet)
    assert not server.troubles(), "\n".join(server.troubles())
    print("the fleet holds")


try:
    main()
finally:
    for process in reversed(started):
        process.terminate()
    for process in started:
        process.wait()
