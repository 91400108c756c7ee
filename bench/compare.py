#!/usr/bin/env python3
"""Runs the candidates in turn (A B C A B C ...) and prints medians, with ratios to the floor `bare`.

usage: compare.py WORK BINARY [--rounds N] [--seconds S] [--only NAME,NAME] [--output text|json]"""

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CONNECTIONS = (1, 16, 64)
MODERN = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call"}
# JWT, a server for each principal, a rate limit, an audit file and metrics: crates/engine/examples/full.rs.
SECRET = "a secret of the comparison, of more than 32 bytes"
FULL = f"FULL_SECRET='{SECRET}' exec bin/full hotels.yaml --listen 127.0.0.1:7105 audit.jsonl"
TOOLBOX = (
    "exec peers/node_modules/@toolbox-sdk/server-linux-x64/bin/toolbox --config tools.yaml --port 7102 "
    "--disable-version-check --log-level WARN"
)


def token():
    """A JWT (HS256) for the candidate that has everything on."""
    encode = lambda part: base64.urlsafe_b64encode(part).rstrip(b"=")
    claims = {"iss": "https://issuer.example.com", "aud": "bench", "sub": "alice", "exp": int(time.time()) + 86400}
    signed = b".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return b".".join((signed, encode(hmac.digest(SECRET.encode(), signed, hashlib.sha256)))).decode()


TOKEN = token()


def candidates(binary):
    """Name, command, port, path, whether the call is of 2026-07-28, whether it has a slow tool."""
    ours = f"exec {binary} serve hotels.yaml --listen 127.0.0.1:7104 --log-level error"
    rows = [
        ("bare", "exec bin/bare 7101 hotels.db", 7101, "/mcp", False, False),
        ("bare off the reactor", "exec bin/bare 7101 hotels.db", 7101, "/fair", False, False),
        ("mcp-factory", ours, 7104, "/mcp", False, True),
        ("mcp-factory 2026-07-28", ours, 7104, "/mcp", True, True),
        ("mcp-factory full", FULL, 7105, "/mcp", False, True),
        ("mcp-factory full 2026-07-28", FULL, 7105, "/mcp", True, True),
        ("toolbox", TOOLBOX, 7102, "/mcp", False, True),
        ("toolbox 2026-07-28", TOOLBOX, 7102, "/mcp", True, True),
        ("fastmcp", "exec peers/fastmcp/bin/python fastmcp_server.py 7103 hotels.db", 7103, "/mcp", False, True),
    ]
    keys = ("name", "command", "port", "path", "modern", "has_slow")
    return [dict(zip(keys, row)) for row in rows]


def body(candidate, tool):
    era = "2026-07-28" if candidate["modern"] else "old-era"
    return os.path.join(HERE, "bodies", f"{'slow-' if tool == 'slow' else ''}{era}.json")


def headers(candidate, tool):
    named = {**MODERN, "Mcp-Name": tool} if candidate["modern"] else {}
    return named | ({"Authorization": f"Bearer {TOKEN}"} if candidate["port"] == 7105 else {})


def resident_mb(pid):
    """Resident memory of a process and its children, in MB."""
    total, queue = 0, [pid]
    while queue:
        process = queue.pop()
        try:
            with open(f"/proc/{process}/status") as status:
                total += int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))
            with open(f"/proc/{process}/task/{process}/children") as children:
                queue += [int(child) for child in children.read().split()]
        except (OSError, AttributeError):
            pass
    return total / 1024


def call(candidate, tool, timeout):
    connection = http.client.HTTPConnection("127.0.0.1", candidate["port"], timeout=timeout)
    sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"} | headers(candidate, tool)
    with open(body(candidate, tool)) as text:
        connection.request("POST", candidate["path"], text.read(), sent)
    reply = connection.getresponse()
    content = reply.read()
    size = len(f"HTTP/1.1 {reply.status} {reply.reason}\r\n\r\n") + sum(len(n) + len(v) + 4 for n, v in reply.getheaders())
    return reply.status, content.decode(errors="replace"), size + len(content)


def first_answer(candidate, deadline=60):
    """Seconds until the first right answer."""
    start, last = time.perf_counter(), "no connection"
    while time.perf_counter() - start < deadline:
        try:
            status, text, size = call(candidate, "get_hotel", 5)
            if status == 200 and "Hotel number 7" in text:
                candidate["size"] = size
                return time.perf_counter() - start
            last = f"{status} {text[:200]}"
        except OSError as error:
            last = error
        time.sleep(0.001)
    raise RuntimeError(f"{candidate['name']}: no right answer: {last}")


def load(candidate, connections, seconds):
    environment = {
        **os.environ,
        "BODY_FILE": body(candidate, "get_hotel"),
        "HEADERS": ";".join(f"{name}={value}" for name, value in headers(candidate, "get_hotel").items()),
    }
    url = f"http://127.0.0.1:{candidate['port']}{candidate['path']}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", os.path.join(HERE, "load.lua"), url]
    out = subprocess.run(command, env=environment, capture_output=True, text=True).stdout
    figures = json.loads(out.strip().splitlines()[-1].replace("-nan", "NaN").replace("nan", "NaN"))
    if not figures["rps"]:  # nobody was answered for as long as it took
        return figures | {"p50_ms": seconds * 1000, "p99_ms": seconds * 1000}
    if figures["bad"]:
        print(f"{candidate['name']}: {figures['bad']} failed requests at {connections} connections", file=sys.stderr)
    if abs(figures["bytes"] - candidate["size"]) > 8:  # a refusal has another size than the right answer
        print(f"{candidate['name']}: answers of {figures['bytes']} bytes, the right one has {candidate['size']}", file=sys.stderr)
    return figures


def neighbour(candidate, seconds):
    """p99 of one caller alone, and of one beside somebody whose query takes seconds, in ms."""
    alone = load(candidate, 1, seconds)["p99_ms"]
    answers = []
    slow = threading.Thread(target=lambda: answers.append(call(candidate, "slow", 120)))
    slow.start()
    time.sleep(0.2)
    beside = load(candidate, 1, seconds)["p99_ms"]
    still_running = slow.is_alive()
    slow.join()
    if not still_running:
        print(f"{candidate['name']}: the slow query ended before the measurement", file=sys.stderr)
    if answers[0][0] != 200 or "40000000" not in answers[0][1]:
        print(f"{candidate['name']}: the slow query failed: {answers[0]}", file=sys.stderr)
    return alone, beside


def run(candidate, work, seconds):
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(candidate["command"], shell=True, stdout=log, stderr=log, start_new_session=True, cwd=work)
        try:
            row = {"startup_ms": first_answer(candidate) * 1000, "idle_mb": resident_mb(process.pid)}
            load(candidate, 8, 2)  # a warm-up
            for connections in CONNECTIONS:
                figures = load(candidate, connections, seconds)
                row[f"rps{connections}"], row[f"p99_{connections}"] = figures["rps"], figures["p99_ms"]
            row["loaded_mb"] = resident_mb(process.pid)
            if candidate["has_slow"]:
                row["p99_alone"], row["p99_beside"] = neighbour(candidate, 2)
            return row
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def table(medians):
    keys = ["startup_ms", "idle_mb", "loaded_mb", "rps1", "rps16", "rps64", "p99_64", "p99_alone", "p99_beside"]
    lines = [f"{'candidate':28}" + "".join(f"{key:>11}" for key in keys) + f"{'rps64/bare':>12}"]
    floor = medians.get("bare", {}).get("rps64")
    for name, figures in medians.items():
        cells = "".join(f"{figures[key]:11.2f}" if key in figures else f"{'-':>11}" for key in keys)
        lines.append(f"{name:28}" + cells + (f"{figures['rps64'] / floor:12.2f}" if floor else ""))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="bench/run")
    parser.add_argument("work")
    parser.add_argument("binary")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", default="")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    arguments = parser.parse_args()
    only = set(filter(None, arguments.only.split(",")))
    chosen = [c for c in candidates(arguments.binary) if not only or c["name"] in only]
    if only - {c["name"] for c in chosen}:
        parser.error("--only knows " + ", ".join(f"`{c['name']}`" for c in candidates(arguments.binary)))
    rows = {candidate["name"]: [] for candidate in chosen}
    for number in range(arguments.rounds):
        for candidate in chosen:
            print(f"round {number + 1}/{arguments.rounds}: {candidate['name']}", file=sys.stderr)
            try:
                rows[candidate["name"]].append(run(candidate, arguments.work, arguments.seconds))
            except RuntimeError as error:
                print(error, file=sys.stderr)
    medians = {name: {key: statistics.median(r[key] for r in rs) for key in rs[0]} for name, rs in rows.items() if rs}
    print(json.dumps(medians) if arguments.output == "json" else table(medians))


main()
