"""usage: toolsets.py URL KEY_OF_A_CLERK KEY_OF_A_GUEST

Toolsets: a session turns them on and off, requests that stand alone find and call tools by name, and nobody sees what their
group does not."""

import asyncio
import sys

from client import check, finish, refused, structured, text
from guarded import connected


async def names(client):
    return [tool.name for tool in (await client.list_tools()).tools]


async def is_refused(client, tool, arguments=None):
    is_error, code, said = await refused(client.call_tool(tool, arguments or {}))
    return said if is_error or code is not None or is_error is None else ""


async def sessions(label, url, clerk, guest):
    async with connected(url, "legacy", clerk) as first, connected(url, "legacy", clerk) as second:
        check(f"{label}: can't call what is off", await is_refused(first, "refund"))
        for turn in (1, 2):
            done = structured(await first.call_tool("enable_toolset", {"name": "writing"}))
            check(f"{label}: turns a toolset on ({turn})", done.get("success") is True, done)
            paid = text(await first.call_tool("refund", {}))
            check(f"{label}: lists and calls what is on ({turn})", "refund" in await names(first) and paid == "paid", paid)
            done = structured(await first.call_tool("disable_toolset", {"name": "writing"}))
            check(f"{label}: turns it off ({turn})", done.get("success") is True, done)
            gone = "refund" not in await names(first) and await is_refused(first, "refund")
            check(f"{label}: neither lists nor calls what is off ({turn})", gone)
        keys = ["writing", "reading", "books"]
        asked = await asyncio.gather(*(first.call_tool("enable_toolset", {"name": key}) for key in keys))
        on = [key for key, answer in zip(keys, asked) if not answer.is_error]
        check(f"{label}: gets no further than the limit, all at once", len(on) == 2, [text(answer) for answer in asked])
        listed = set(await names(first)) & {"refund", "find_order", "close_books"}
        check(f"{label}: lists what is on", len(listed) == 2, listed)
        check(f"{label}: changes nobody else's session", not {"refund", "find_order"} & set(await names(second)))
    async with connected(url, "legacy", guest) as other:
        hidden = await is_refused(other, "enable_toolset", {"name": "writing"})
        check(f"{label}: knows of no toolset of another group", "not found" in hidden, hidden)


async def alone(label, url, clerk, guest):
    async with connected(url, "auto", clerk) as known, connected(url, "auto", guest) as other:
        before = await names(known)
        check(f"{label}: lists the tools that find tools", "search_tools" in before and "refund" not in before, before)
        found = structured(await known.call_tool("search_tools", {"query": "money for a customer"}))
        check(f"{label}: finds a tool by what it does", found["tools"][0]["name"] == "refund", found)
        paid = text(await known.call_tool("call_tool", {"tool": "refund", "arguments": {}}))
        check(f"{label}: calls it by its name", paid == "paid", paid)
        denied = await is_refused(known, "call_tool", {"tool": "close_books"})
        check(f"{label}: is refused what its scopes don't allow", "audit" in denied or "403" in denied, denied)
        check(f"{label}: has the same list as before", await names(known) == before)
        hidden = structured(await other.call_tool("search_tools", {"query": "money for a customer"}))
        own = "refund" not in str(hidden) and await is_refused(other, "call_tool", {"tool": "refund"})
        check(f"{label}: finds nothing of another group", own, hidden)
        found = text(await other.call_tool("call_tool", {"tool": "find_order"}))
        check(f"{label}: calls what its own group has", found == "found", found)


async def main():
    await sessions("python mcp 2.3 legacy", *sys.argv[1:])
    await alone("python mcp 2.3 auto", *sys.argv[1:])
    finish()


if __name__ == "__main__":
    asyncio.run(main())
