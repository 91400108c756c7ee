"""usage: lasting.py http URL | stdio COMMAND ARGS...

Calls that last: their progress, their log messages, their end when the caller leaves, their result when it is asked for
later; in both protocol eras."""

import asyncio
import random
import sys
import time
import warnings
from pathlib import Path

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from client import check, finish, structured

# Log messages are deprecated, not gone.
warnings.simplefilter("ignore")


def running(argument):
    """Programs that run with this argument. The server is on this machine."""
    count = 0
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += argument.encode() in entry.read_bytes().split(b"\0")
        except OSError:
            pass
    return count


async def until(holds, within=20):
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > within:
            return False
        await asyncio.sleep(0.002)
    return True


async def lasting(label, client, said, mode, later):
    def say(name, holds, detail=""):
        check(f"{label}: {name}", holds, detail)

    steps = []

    async def progress(done, total, message):
        steps.append((done, total, message))

    await client.call_tool("count", {}, progress_callback=progress)
    done = [step[0] for step in steps]
    say("follows the progress of steps", len(done) >= 3 and done == sorted(set(done)) and steps[-1][1] == 3, steps)
    steps.clear()
    await client.call_tool("pause", {"seconds": "2.3"}, progress_callback=progress)
    say("hears each second that a call still runs", len(steps) >= 2 and "still running, 2s" in steps[-1][2], steps)

    if mode == "legacy":
        say("hears no messages that it did not ask for", not said, said)
        await client.set_logging_level("debug")
    said.clear()
    await client.call_tool("count", {})
    await until(lambda: len(said) >= 4, 5)
    heard = [(message.level, message.logger, message.data["message"]) for message in said]
    say("hears the messages it asked for", heard == [("debug", n, "answered") for n in ["pause"] * 3 + ["count"]], heard)

    seconds = f"32.{random.randrange(10**9)}"
    call = asyncio.create_task(client.call_tool("pause", {"seconds": seconds}, progress_callback=progress))
    began = await until(lambda: running(seconds) > 0)
    left = time.monotonic()
    call.cancel()
    gone = await until(lambda: running(seconds) == 0)
    took = time.monotonic() - left
    say(f"takes the work along when it leaves ({took * 1000:.0f} ms)", began and gone and took < 3, (began, gone, took))

    if later:
        promised = structured(await client.call_tool("job", {"seconds": "10.5"}))
        say("is told to come back for what takes long", promised.get("status") == "working", promised)
        result = structured(await client.call_tool("get_result", {"task_id": promised["task_id"]}))
        say("gets the result later", result == {"value": "slept 10.5"}, result)


async def main():
    transport, target, *rest = sys.argv[1:]
    for mode in ("auto", "legacy"):
        label = f"python mcp 2.3 {transport} {mode}"
        said = []

        async def hear(message):
            said.append(message)

        try:
            server = target if transport == "http" else stdio_client(StdioServerParameters(command=target, args=rest))
            level = None if mode == "legacy" else "debug"
            async with Client(server, mode=mode, logging_callback=hear, log_level=level) as client:
                await lasting(label, client, said, mode, transport == "http" and mode == "legacy")
        except Exception as error:
            check(f"{label}: ends without an exception", False, repr(error))
    finish()


asyncio.run(main())
