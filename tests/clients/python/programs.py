"""usage: programs.py URL

Tools that start programs, and tools that are made of others."""

import asyncio
import sys

from mcp import Client

from client import check, finish, structured, text


async def main():
    for mode in ("auto", "legacy"):
        label = f"python mcp 2.3 {mode}"
        async with Client(sys.argv[1], mode=mode) as client:
            words = ["a b", "$(id)", "; ls", "é 漢"]
            said = structured(await client.call_tool("echo", {"words": words}))
            check(f"{label}: each word stays one argument", said["items"] == words, said)
            failed = await client.call_tool("fail", {})
            check(f"{label}: hears why a program failed", failed.is_error and "exit code 1" in text(failed), text(failed))
            announced = structured(await client.call_tool("announce", {"text": "hello"}))
            check(f"{label}: steps use what earlier ones answered", announced == {"text": "HELLO", "bytes": 5}, announced)
    finish()


asyncio.run(main())
