"""usage: confirm.py FIRST_ID http URL | FIRST_ID stdio COMMAND ARGS...

Tools that ask a person first, through PyPI's `mcp` in both protocol eras."""

import asyncio
import re
import sys
from urllib.parse import urlsplit

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import ElicitResult

from client import check, finish, structured, text


async def decide(link, decision):
    """As a browser does it."""
    parts = urlsplit(link)
    async with httpx2.AsyncClient() as http:
        form = re.search(r'name="form" value="([^"]+)"', (await http.get(link)).text)[1]
        headers = {"origin": f"{parts.scheme}://{parts.netloc}"}
        return (await http.post(link, headers=headers, data={"form": form, "decision": decision})).text


async def main():
    first, transport, target, *rest = sys.argv[1:]
    number = int(first)

    def connected(mode, **more):
        server = target if transport == "http" else stdio_client(StdioServerParameters(command=target, args=rest))
        return Client(server, mode=mode, **more)

    for mode in ("auto", "legacy"):
        label = f"python mcp 2.3 {transport} {mode}"
        asked, action = [], "accept"

        async def ask(context, params):
            asked.append(params.message)
            return ElicitResult(action=action, content={} if action == "accept" else None)

        try:
            async with connected(mode, elicitation_callback=ask) as client:
                number += 1
                result = await client.call_tool("remove", {"id": number})
                check(f"{label}: a yes runs the tool", structured(result).get("rowsAffected") == 1, result)
                check(f"{label}: the person sees the question", asked == [f"Remove thing {number}?"], asked)
                for action in ("decline", "cancel"):
                    number += 1
                    result = await client.call_tool("remove", {"id": number})
                    check(f"{label}: a {action} does nothing", result.is_error and "nothing was done" in text(result), result)
            async with connected(mode) as client:
                number += 1
                said = text(await client.call_tool("remove", {"id": number}))
                link = re.search(r"http://\S+/approve/\S+", said)
                check(f"{label}: a client that can't ask is handed a link", link, said)
                check(f"{label}: a person approves there", "is approved" in await decide(link[0], "approve"))
                result = await client.call_tool("remove", {"id": number})
                check(f"{label}: then the call runs", structured(result).get("rowsAffected") == 1, result)
        except Exception as error:
            check(f"{label}: ends without an exception", False, repr(error))
    finish()


asyncio.run(main())
