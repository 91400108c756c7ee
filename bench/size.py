#!/usr/bin/env python3
"""Fills the example `full` with keys, servers, sessions and users, and prints what each takes.

usage: size.py WORK BINARY [--keys N] [--instances N] [--sessions N] [--output text|json]"""

import argparse
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PORT = 7106
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
CALL = open(os.path.join(HERE, "bodies", "old-era.json")).read()
INITIALIZE = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
    "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "size", "version": "1"}}})
INITIALIZED = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})


def key(number):
    return f"key-{number:08d}-of-the-comparison"


def request(method, number, body="", more=""):
    head = "".join(f"{name}: {value}\r\n" for name, value in JSON.items())
    return (f"{method} /mcp HTTP/1.1\r\nHost: localhost\r\n{head}Authorization: Bearer {key(number)}\r\n{more}"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


class Server:
    def __init__(self, work, binary, keys):
        command = [binary, "hotels.yaml", f"127.0.0.1:{PORT}", "audit-size.jsonl", str(keys)]
        self.process = subprocess.Popen(command, cwd=work, stdout=subprocess.PIPE, text=True)
        self.keys = json.loads(self.process.stdout.readline())
        while True:
            try:
                return socket.create_connection(("127.0.0.1", PORT)).close()
            except ConnectionRefusedError:
                time.sleep(0.01)

    def resident_mb(self):
        """With what the allocator keeps for the next time."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.process.send_signal(signal.SIGINT)
        return json.loads(self.process.stdout.readline())


def call_each(numbers, connections=4):
    """One call of each user, over a few connections."""
    failed = []

    def some(own):
        stream = socket.create_connection(("127.0.0.1", PORT))
        answers = stream.makefile("rb")
        for number in own:
            stream.sendall(request("POST", number, CALL))
            head = list(iter(answers.readline, b"\r\n"))
            length = next(int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-length:"))
            if b" 200 " not in head[0] or b"Hotel number 7" not in answers.read(length):
                failed.append(number)
                break

    threads = [threading.Thread(target=some, args=(numbers[part::connections],)) for part in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(f"the call of user {failed[0]} failed")


def listen(number):
    """A session with a stream that listens; kept open by whoever keeps what is returned."""
    def ask(method, body, session=""):
        stream = socket.create_connection(("127.0.0.1", PORT))
        stream.sendall(request(method, number, body, session))
        reply = http.client.HTTPResponse(stream)
        reply.begin()
        return stream, reply

    stream, reply = ask("POST", INITIALIZE)
    session = reply.getheader("Mcp-Session-Id")
    reply.read()
    stream.close()
    if reply.status != 200 or not session:
        raise SystemExit(f"user {number} gets no session: {reply.status}")
    named = f"Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-11-25\r\n"
    stream, reply = ask("POST", INITIALIZED, named)
    reply.read()
    stream.close()
    stream, reply = ask("GET", "", named)
    if reply.status != 200:
        raise SystemExit(f"user {number} can't listen: {reply.status}")
    return stream, reply


def wait_of_another(seconds=4):
    """p50 and p99 in ms of user 0, who has nothing to do with the others."""
    environment = {**os.environ, "BODY_FILE": os.path.join(HERE, "bodies", "old-era.json"),
                   "HEADERS": f"Authorization=Bearer {key(0)}"}
    command = ["wrk", "-t1", "-c1", f"-d{seconds}s", "-s", os.path.join(HERE, "load.lua"), f"http://127.0.0.1:{PORT}/mcp"]
    out = subprocess.run(command, env=environment, capture_output=True, text=True).stdout
    figures = json.loads(out.strip().splitlines()[-1])
    if figures["bad"]:
        raise SystemExit(f"{figures['bad']} calls of the other caller failed")
    return figures["p50_ms"], figures["p99_ms"]


def while_it_runs(work):
    """What the other caller sees for as long as `work` runs."""
    thread = threading.Thread(target=work)
    thread.start()
    seen = []
    while thread.is_alive():
        seen.append(wait_of_another(2))
    thread.join()
    return max(p50 for p50, _ in seen), max(p99 for _, p99 in seen)


def main():
    parser = argparse.ArgumentParser(prog="bench/size")
    parser.add_argument("work")
    parser.add_argument("binary")
    parser.add_argument("--keys", type=int, default=100_000, help="and users, over time")
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=1_000)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    arguments = parser.parse_args()
    keys, instances, sessions = arguments.keys, arguments.instances, arguments.sessions
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    files = instances * 3 // 2 + 2 * sessions
    if most < files:
        parser.error(f"{instances} servers with a database each need up to {files} open files, and {most} are allowed (ulimit -Hn)")

    one = Server(arguments.work, arguments.binary, 1)
    empty = one.resident_mb()
    one.end()
    server = Server(arguments.work, arguments.binary, keys)
    result = {"keys": {**server.keys, "kb_each": (server.resident_mb() - empty) * 1024 / keys}}
    call_each([0])
    wait_of_another(1)
    result["alone_ms"] = dict(zip(("p50", "p99"), wait_of_another()))

    before, used = server.resident_mb(), server.cpu_seconds()
    call_each(range(1, instances))
    result["instances"] = {"kept": instances, "kb_each": (server.resident_mb() - before) * 1024 / instances,
                           "build_ms": (server.cpu_seconds() - used) * 1000 / instances}
    before = server.resident_mb()
    open_sessions = [listen(number) for number in range(1, sessions + 1)]
    result["sessions"] = {"open": sessions, "kb_each": (server.resident_mb() - before) * 1024 / sessions}
    result["beside_all_ms"] = dict(zip(("p50", "p99"), wait_of_another()))
    result["resident_mb"] = {"empty": empty, "with_all": server.resident_mb()}

    # Everybody else, once: servers come and go, and somebody's calls go on.
    rest = range(instances, keys)
    result["while_others_come_ms"] = dict(zip(("p50", "p99"), while_it_runs(lambda: call_each(rest, 2))))
    result["resident_mb"]["after_all_users"] = server.resident_mb()
    for stream, _ in open_sessions:
        stream.close()
    result["at_the_end"] = server.end()

    if arguments.output == "json":
        return print(json.dumps(result))
    for name, figures in result.items():
        shown = "  ".join(f"{what} {value:.3f}" if isinstance(value, float) else f"{what} {value}" for what, value in figures.items())
        print(f"{name:22}{shown}")


main()
