#!/usr/bin/env python3
"""Runs the example `hosting` and holds what it measured against the targets.

usage: factory.py BINARY FOLDER [--servers N] [--output text|json]"""

import argparse
import json
import subprocess
import sys


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("folder")
    parser.add_argument("--servers", type=int, default=2000)
    parser.add_argument("--output", choices=["text", "json"], default="text")
    arguments = parser.parse_args()
    said = subprocess.run([arguments.binary, arguments.folder, str(arguments.servers)], stdout=subprocess.PIPE, check=True)
    measured = json.loads(said.stdout)
    one, many, unlike = (measured[f"hosting_{which}"] for which in ("one", "all", "unlike"))
    alone = one["call_ms"]["p99"]
    slower = round(alone * 1.25 + 0.05, 3)
    of = f"{many['servers']:,} servers"
    lines = [
        # What, how much, and what it may be at most.
        ("create to first call, median", measured["create_to_first_call_ms"]["p50"], 50, "ms"),
        ("new version to first call, median", measured["new_version_to_first_call_ms"]["p50"], 20, "ms"),
        (f"start-up until {of} serve", many["all_serve_ms"], 2000, "ms"),
        ("the same, with nothing in common", unlike["all_serve_ms"], 2000, "ms"),
        (f"memory of {of}", many["resident_mb"], 500, "MB"),
        ("the same, with nothing in common", unlike["resident_mb"], 500, "MB"),
        (f"a neighbour's p99 beside {of}", many["call_ms"]["p99"], slower, "ms"),
        ("the same, with nothing in common", unlike["call_ms"]["p99"], slower, "ms"),
    ]
    missed = [what for what, is_, most, _ in lines if is_ > most]
    if arguments.output == "json":
        print(json.dumps(measured | {"missed": missed}))
    else:
        for what, is_, most, unit in lines:
            print(f"{what:45} {is_:10.1f} {unit}   at most {most:.1f} {'MISSED' if is_ > most else ''}".rstrip())
        for what, these in (("one server more", many), ("the same, with nothing in common", unlike)):
            share = (these["resident_mb"] - one["resident_mb"]) * 1024 / max(these["servers"] - 1, 1)
            print(f"{what:45} {share:10.1f} KB")
    sys.exit(1 if missed else 0)


main()
