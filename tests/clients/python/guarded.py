"""usage: guarded.py URL KEY_OF_ALICE KEY_OF_BOB

A server that wants keys, and integers that no floating point number can hold."""

import asyncio
import sys
from contextlib import asynccontextmanager

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import PromptReference

from client import check, finish, refused, structured


@asynccontextmanager
async def connected(url, mode, key):
    headers = {"X-API-Key": key} if key else {}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            yield client


async def is_refused(url, mode, key):
    try:
        async with connected(url, mode, key) as client:
            await client.list_tools()
        return False
    except BaseException:  # a group of exceptions of the SDK's own
        return True


async def main():
    url, alice, bob = sys.argv[1:]
    for mode in ("auto", "legacy"):
        label = f"python mcp 2.3 {mode}"
        check(f"{label}: is refused with no key", await is_refused(url, mode, None))
        check(f"{label}: is refused with a wrong key", await is_refused(url, mode, "not-a-key-0123456789"))
        async with connected(url, mode, alice) as first, connected(url, mode, bob) as second:
            large = [2**53 + 1, 2**63 - 1, -(2**63), 0]
            for number in large:
                answer = structured(await first.call_tool("whoami", {"number": number}))
                exact = {"caller": "alice", "number": number, "large": 2**53 + 1}
                check(f"{label}: {number} comes back exactly", answer == exact, answer)
            clients = [second, first] * 20
            answers = await asyncio.gather(*(c.call_tool("whoami", {"number": i}) for i, c in enumerate(clients)))
            own = [structured(a)["caller"] == ("alice" if i % 2 else "bob") for i, a in enumerate(answers)]
            check(f"{label}: is taken for itself among many at once", all(own), own)
            kept = [structured(await c.call_tool("moment", {})) for c in (first, second, first, second)]
            check(f"{label}: is given what is kept, and nobody else's", kept[0] == kept[2] != kept[1] == kept[3] and kept[0]["caller"] == "alice", kept)
            await first.call_tool("remember", {"text": f"a note of alice in {mode}"})
            notes = [structured(await c.call_tool("recall", {})).get("items") for c in (first, second)]
            check(f"{label}: has a database of its own", {"text": f"a note of alice in {mode}"} in notes[0] and "alice" not in str(notes[1]), notes)
            for name, client in (("alice", first), ("bob", second)):
                said = (await client.complete(PromptReference(name="greet"), {"name": "who", "value": "x"})).completion
                full = len(said.values) == 100 and said.values[0] == f"x{name}1" and said.has_more
                check(f"{label}: completes {name}'s arguments from rows", full, said)
            is_error, code, said = await refused(second.call_tool("secrets", {}))
            check(f"{label}: is refused what its scopes don't allow", is_error or said, (is_error, code, said))
    finish()


if __name__ == "__main__":
    asyncio.run(main())
