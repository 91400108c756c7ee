"""usage: rows.py URL KEY_OF_ALICE KEY_OF_BOB FIRST_ID [own]

Pages of rows that come and go; with `own`, of a database that shows each caller their own alone."""

import asyncio
import sys

from client import check, finish, refused, structured
from guarded import connected


async def calls(say, start, first, second, own):
    async def page(client, cursor=None):
        arguments = {"from": start, "to": start + 100} | ({"cursor": cursor} if cursor else {})
        answer = structured(await client.call_tool("rows", arguments))
        return [row["id"] - start for row in answer["items"]], answer.get("nextCursor")

    for number in (10, 20, 30, 40, 50, 60, 70):
        await first.call_tool("add", {"id": start + number})
    rows, cursor = await page(first)
    say("gets the first page", rows == [10, 20, 30], rows)
    # By numbers of rows this would give row 30 again, and leave row 35 out.
    for tool, number in (("add", 5), ("add", 35), ("remove", 20), ("remove", 30)):
        await first.call_tool(tool, {"id": start + number})
    rows, next_cursor = await page(first, cursor)
    say("goes on behind the last row, whatever came and went", rows == [35, 40, 50], rows)
    rows, end = await page(first, next_cursor)
    say("reaches the end", rows == [60, 70] and end is None, (rows, end))
    is_error, code, said = await refused(second.call_tool("rows", {"from": start, "to": start + 100, "cursor": cursor}))
    say("is refused the cursor of somebody else", is_error and "cursor" in said, (is_error, code, said))
    if own:
        say("sees no rows of others", await page(second) == ([], None))
        removed = structured(await second.call_tool("remove", {"id": start + 10}))
        say("changes no rows of others", removed == {"rowsAffected": 0}, removed)
        await second.call_tool("add", {"id": start + 11})
        pages = await asyncio.gather(*(page(client) for client in [first, second] * 20))
        apart = all(rows == ([11] if i % 2 else [5, 10, 35]) for i, (rows, _) in enumerate(pages))
        say("sees its own rows among many at once", apart, pages)


async def main():
    url, alice, bob, start, *own = sys.argv[1:]
    for number, mode in enumerate(("auto", "legacy")):
        label = f"python mcp 2.3 {mode}{' (postgres)' if own else ''}"

        def say(name, holds, detail="", label=label):
            check(f"{label}: {name}", holds, detail)

        async with connected(url, mode, alice) as first, connected(url, mode, bob) as second:
            await calls(say, int(start) + number * 100, first, second, own)
    finish()


asyncio.run(main())
