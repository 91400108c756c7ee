"""usage: reload.py SPEC URL

A connected client hears that the spec was saved, and calls what is new on the connection that it has."""

import asyncio
import os
import shutil
import sys

from mcp import Client

from client import check, finish


def add(spec, tool):
    shutil.copy(spec, spec + ".saving")
    with open(spec + ".saving", "a") as file:
        file.write(f"  - {{ name: {tool}, description: Added, static: {{ text: {tool} }} }}\n")
    os.replace(spec + ".saving", spec)


async def main():
    spec, url = sys.argv[1:]
    label = "python mcp 2.3"
    async with Client(url, mode="auto") as client:
        async with client.listen(tools_list_changed=True) as told:
            add(spec, "python_new")
            event = await asyncio.wait_for(anext(aiter(told)), 20)
            check(f"{label} 2026-07-28: hears of a save", type(event).__name__ == "ToolsListChanged", event)
        names = [tool.name for tool in (await client.list_tools()).tools]
        check(f"{label} 2026-07-28: lists what was saved", "python_new" in names, names)

    heard = asyncio.Event()

    async def message(message):
        if "tools/list_changed" in str(getattr(message, "method", getattr(getattr(message, "root", None), "method", ""))):
            heard.set()

    async with Client(url, mode="legacy", message_handler=message) as client:
        await client.list_tools()
        add(spec, "python_old")
        await asyncio.wait_for(heard.wait(), 20)
        check(f"{label} legacy: hears of a save", heard.is_set())
        result = await client.call_tool("python_old", {})
        check(f"{label} legacy: calls it in the same session", result.content[0].text == "python_old", result)
    finish()


asyncio.run(main())
