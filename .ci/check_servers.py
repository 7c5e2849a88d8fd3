"""Checks examples/servers for `.ci/servers`: `answers PROGRAM DIR` asks its servers, `results DIR` reads what a quick run left."""

import base64
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import xml.etree.ElementTree as xml
from contextlib import contextmanager
from pathlib import Path

KINDS = ["vec", "bytes", "slab"]


@contextmanager
def server(program, kind, protocol):
    """A server on a port of its own; gives the port, and a function that asks for its figures."""
    process = subprocess.Popen(
        [program, "--serve", kind, "--protocol", protocol],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def figures():
        process.stdin.write("figures\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    try:
        yield int(json.loads(process.stdout.readline())["address"].rsplit(":", 1)[1]), figures
        assert process.poll() is None, f"{protocol} on {kind} has ended"
    finally:
        process.stdin.close()
        process.wait(10)


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        assert part, f"the server closed the connection after {data!r}"
        data += part
    return data


def expect(connection, wanted):
    got = read(connection, len(wanted))
    assert got == wanted, (got[:200], wanted[:200])


def read_to_end(connection):
    data = b""
    try:
        while part := connection.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    return data


def in_pieces(connection, data, size):
    for at in range(0, len(data), size):
        connection.sendall(data[at : at + size])


def check_echo(port):
    frame = lambda payload: len(payload).to_bytes(4, "big") + payload
    with connect(port) as connection:
        for size in (0, 1, 64, 8192, 16384, 65532, 65533, 300_000, 1 << 20):
            payload = os.urandom(size)
            connection.sendall(frame(payload))
            expect(connection, frame(payload))
        in_pieces(connection, frame(b"split") * 3, 1)
        expect(connection, frame(b"split") * 3)
        # More at once than is written at once, and than a read holds.
        many = b"".join(frame(os.urandom(at % 3000)) for at in range(400))
        sender = os.fork()
        if sender == 0:
            connection.sendall(many)
            os._exit(0)
        expect(connection, many)
        os.waitpid(sender, 0)
    with connect(port) as connection:
        connection.sendall(frame(b"before") + b"\xff\xff\xff\xff garbage")
        # What came before it may be answered or not; nothing else comes.
        assert read_to_end(connection) in (b"", frame(b"before"))


def command(*arguments):
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        parts.append(b"$%d\r\n%s\r\n" % (len(argument), argument))
    return b"".join(parts)


def bulk(value):
    return b"$%d\r\n%s\r\n" % (len(value), value)


def check_resp(port, work):
    def cli(*arguments, stdin=None):
        said = subprocess.run(["redis-cli", "-p", str(port), *arguments], input=stdin, capture_output=True, timeout=30)
        assert said.returncode == 0, said
        return said.stdout

    binary = bytes(range(256)) * 40 + b"\r\n$3\r\n"
    assert cli("-x", "SET", "binary", stdin=binary) == b"OK\n"
    assert cli("GET", "binary") == binary + b"\n"
    assert cli("SET", "n", "41") == b"OK\n" and cli("INCR", "n") == b"42\n" and cli("GET", "n") == b"42\n"
    assert cli("INCR", "fresh") == b"1\n"
    assert b"not an integer" in cli("INCR", "binary")
    assert cli("PING") == b"PONG\n" and cli("PING", "hello") == b"hello\n"
    assert cli("GET", "nothing") == b"\n"
    assert cli("SET", "n", "7") == b"OK\n" and cli("DEL", "n", "fresh", "nothing") == b"2\n" and cli("GET", "n") == b"\n"
    assert cli("CONFIG", "GET", "save") == b"save\n\n"
    assert b"keys=1" in cli("INFO") and b"unknown command" in cli("FLUSHALL") and b"syntax" in cli("SET", "a", "b", "EX", "1")

    with connect(port) as connection:
        value = os.urandom(20_000)
        talk = command(b"SET", b"split", value) + command(b"get", b"split") + command(b"PING")
        in_pieces(connection, talk, 7)
        expect(connection, b"+OK\r\n" + bulk(value) + b"+PONG\r\n")
        # In one go, with a large one in the middle; a value replaces another, and each is the last that was set.
        keys = [b"key:%d" % (at % 17) for at in range(500)]
        values = [os.urandom(at * 7 % 5000) for at in range(500)]
        values[250] = os.urandom(1 << 20)
        connection.sendall(b"".join(command(b"SET", *pair) for pair in zip(keys, values)))
        expect(connection, b"+OK\r\n" * 500)
        last = dict(zip(keys, values))
        connection.sendall(b"".join(command(b"GET", key) for key in last))
        expect(connection, b"".join(bulk(value) for value in last.values()))
        # What stays is not touched by what is read later.
        connection.sendall(command(b"GET", b"binary"))
        expect(connection, bulk(binary))
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"*1\r\n:3\r\n", b"*x\r\n", b"*1\r\n$99999999999999999999", b"*1\r\n$3\r\nabcdefgh"):
        with connect(port) as connection:
            connection.sendall(command(b"PING") + garbage)
            said = read_to_end(connection)
            assert re.fullmatch(rb"\+PONG\r\n-ERR Protocol error: [^\r\n]+\r\n", said), (garbage, said)


def check_http(port, work):
    def curl(path, *options):
        said = subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", "30", "--write-out", "%{http_code}", *options]
            + [f"http://127.0.0.1:{port}{path}"],
            capture_output=True,
        )
        return said.stdout.decode()

    body = os.urandom(1 << 20)
    file = work / "upload"
    file.write_bytes(body)
    data = f"@{file}"
    digest = hashlib.sha256(body).hexdigest()
    assert curl("/") == "hello\n200"
    assert curl("/upload", "--data-binary", data) == f"{len(body)}\n200"
    assert curl("/sha256", "--data-binary", data) == f"{digest}\n200"
    # With and without a question first whether the body is wanted, and with another version.
    assert curl("/sha256", "--data-binary", data, "--header", "Expect: 100-continue") == f"{digest}\n200"
    assert curl("/sha256", "--data-binary", data, "--header", "Expect:") == f"{digest}\n200"
    assert curl("/sha256", "--data-binary", data, "--http1.0") == f"{digest}\n200"
    assert curl("/upload", "--data-binary", "") == "0\n200"
    assert curl("/", "--request", "DELETE") == "405"
    assert curl("/upload", "--data-binary", data, "--header", "Transfer-Encoding: chunked") == "501"

    small = os.urandom(3000)
    head = b"POST /sha256 HTTP/1.1\r\nHost: a\r\nX-Request-Id: 1\r\nUser-Agent: b\r\nContent-Length: 3000\r\n\r\n"
    get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = lambda text: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
    wanted = answer(hashlib.sha256(small).hexdigest().encode() + b"\n") + answer(b"hello\n")
    with connect(port) as connection:
        in_pieces(connection, head + small + get, 3)
        expect(connection, wanted)
        connection.sendall((head + small + get) * 20)
        expect(connection, wanted * 20)
    for garbage, status in (
        (b"\x16\x03\x01 garbage\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000, b"431"),
    ):
        with connect(port) as connection:
            connection.sendall(get + garbage)
            said = read_to_end(connection)
            start = answer(b"hello\n") + b"HTTP/1.1 " + status
            # What it has not read when it closes may take the answer along.
            assert said.startswith(start) and said.count(b"HTTP/1.1") == 2 or len(garbage) > 8192, (garbage[:50], said)


def answers(program, work):
    for kind in KINDS:
        with server(program, kind, "echo") as (port, figures):
            check_echo(port)
            assert figures()["refused"] == 1
        with server(program, kind, "resp") as (port, figures):
            check_resp(port, work)
            assert figures()["refused"] == 5
        with server(program, kind, "http") as (port, figures):
            check_http(port, work)
            assert figures()["refused"] == 5
        print(f"{kind}: echo, RESP and HTTP answer as they should")


def results(work):
    results = json.loads((work / "out/servers.json").read_text())
    assert results["schema"] == "bufslab-servers-1" and results["quick"] is True
    assert any(tool.startswith("wrk") for tool in results["tools"]) and len(results["tools"]) == 2, results["tools"]
    sizes = ["64 B", "1 KiB", "16 KiB"]
    rows = [f"echo, {size}" for size in sizes]
    rows += ["HTTP, GET", "HTTP, POST 1 KiB", "HTTP, POST 16 KiB", "HTTP, POST 256 KiB"]
    rows += [f"RESP, {name} {size}{depth}" for size in sizes for depth in ("", ", 16 at once") for name in ("SET", "GET")]
    assert [(row["row"], row["buffer"]) for row in results["rows"]] == [(row, kind) for row in rows for kind in KINDS]

    figures = {(row["row"], row["buffer"]): row["figures"] for row in results["rows"]}
    positive = {"requests_per_s", "p50_us", "p99_us", "p999_us", "requests", "cpu_us_per_request", "reads_per_request"}
    positive |= {"writes_per_request", "resident_load_bytes", "resident_after_bytes", "resident_peak_bytes"}
    positive |= {"allocations", "allocations_per_request", "allocated_bytes_per_request", "syscalls_per_request"}
    for row, seen in figures.items():
        assert positive | {"errors", "refused", "kept", "kept_bytes"} <= set(seen), (row, set(seen))
        for name, spread in seen.items():
            assert 0 <= spread["min"] <= spread["median"] <= spread["max"], (row, name, spread)
            assert spread["median"] > 0 or name not in positive, (row, name)
        # What the tools count: answers other than 2xx, errors of sockets, and what took too long.
        assert seen["errors"]["max"] == 0 and seen["refused"]["max"] == 0, (row, seen["errors"], seen["refused"])
        assert seen["p50_us"]["median"] <= seen["p99_us"]["median"] <= seen["p999_us"]["median"], row
        calls = sum(spread["median"] for name, spread in seen.items() if name.startswith("syscall_"))
        assert abs(calls - seen["syscalls_per_request"]["median"]) < 1e-3, row
        assert seen["kept"]["median"] > 0 or row[0].startswith("echo"), row
    # The echo keeps nothing: what is left is what connections cost when they begin, and there it is less too.
    for size in sizes:
        ours = figures[f"echo, {size}", "slab"]
        for other in ("vec", "bytes"):
            theirs = figures[f"echo, {size}", other]
            assert ours["allocations"]["max"] < theirs["allocations"]["min"], (size, other, ours["allocations"], theirs["allocations"])
        assert ours["allocations_per_request"]["max"] < 1, (size, ours["allocations_per_request"])

    svg = (work / "out/servers.svg").read_text()
    texts = [text.text.strip() for text in xml.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    for text in ["Processor time a request, by powers of ten", "Resident under load, by powers of ten", *rows]:
        assert text in texts, (text, texts)
    assert "NaN" not in svg and "inf" not in svg

    # The terminal's table is the chapter's, row by row.
    lines = lambda text: [line for line in text.splitlines() if line.startswith(("| ", "* **"))]
    table = (work / "table").read_text()
    assert len(lines(table)) == 1 + 3 * len(rows) + len(rows), table
    chapter = (work / "docs/servers.md").read_text()
    between = chapter.split("<!-- servers: begin -->")[1].split("<!-- servers: end -->")[0]
    assert lines(table) == lines(between) and "mean nothing" in between
    embedded = (work / "docs/pictures/servers.md").read_text()
    assert base64.b64decode(embedded.split("base64,")[1]).decode() == (work / "docs/pictures/servers.svg").read_text() == svg

    # The chapter as it is committed has no figures of a quick run.
    assert "mean nothing" not in Path("src/docs/servers.md").read_text()
    print(f"{len(rows)} rows, {len(KINDS)} kinds of buffers: the files are whole, and nobody saw an error")


if sys.argv[1] == "answers":
    answers(sys.argv[2], Path(sys.argv[3]))
else:
    results(Path(sys.argv[2]))
