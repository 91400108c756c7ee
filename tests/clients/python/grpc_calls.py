"""usage: grpc_calls.py URL PORT KEY LOG: the tools that were made of grpc_upstream.py's server at PORT, next to grpcio's own
calls of the same methods. LOG is what that server prints."""

import asyncio
import sys
import time

import grpc
from google.protobuf import json_format

from client import check, finish, refused, structured
from grpc_upstream import Count, Item
from mcp import Client

ITEMS = [
    {"sku": "a"},
    {
        "sku": "b \u00fc \U0001f600 \"quoted\"",
        "price": 1e-7,
        "soldUnits": "18446744073709551615",
        "change": -2147483648,
        "picture": "AAECAw==",
        "size": "LARGE",
        "labels": {"x": "-9223372036854775808", "": "1"},
        "parts": [{"sku": "c", "parts": [{"sku": "d"}]}],
        "made": "2026-11-21T20:00:00.123456789Z",
        "note": "",
        "more": {"list": [1, None, {"deep": True}]},
        "orderedFor": "",
    },
    # Large integers come as numbers from models.
    {"soldUnits": 7, "labels": {"a": 5}, "inStock": 0},
]


def without_defaults(answer):
    """As Python's Protocol Buffers writes what they read from our answer."""
    return json_format.MessageToDict(json_format.ParseDict(answer, Item()))


async def calls(say, client, channel, key, log):
    meta = (("authorization", f"Bearer {key}"),)
    path = "/shop.v1.Inventory/"
    direct = channel.unary_unary(path + "EchoItem", Item.SerializeToString, Item.FromString)
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    say("has a tool for each method that takes one request", sorted(tools) == ["echo_item", "fail", "list_items", "sleep"], sorted(tools))
    for number, item in enumerate(ITEMS):
        answer = structured(await client.call_tool("echo_item", item))
        expected = json_format.MessageToDict(direct(json_format.ParseDict(item, Item()), metadata=meta))
        say(f"answers what grpcio is answered ({number})", without_defaults(answer) == expected, (answer, expected))
    answer = structured(await client.call_tool("echo_item", {}))
    empty = {"sku": "", "price": 0, "soldUnits": "0", "change": 0, "picture": "", "size": "SIZE_UNKNOWN", "labels": {}, "parts": []}
    say("tells the fields that have their default", empty.items() <= answer.items(), answer)
    answer = structured(await client.call_tool("list_items", {"items": 3, "pattern": {"sku": "s", "size": "LARGE"}}))
    say("lists a stream", [item["sku"] for item in answer["items"]] == ["s-0", "s-1", "s-2"] and "truncated" not in answer, answer)
    for name, wrong in (("a word that is none", {"size": "HUGE"}), ("a number that is too large", {"change": 2**31}), ("a field that is none", {"colour": "red"})):
        is_error, code, said = await refused(client.call_tool("echo_item", wrong))
        say(f"is refused {name}", is_error or code is not None, (is_error, code, said))
    is_error, code, said = await refused(client.call_tool("fail", {"sku": "x"}))
    say("hears what the server said, without the key", is_error and "FAILED_PRECONDITION: not x" in said and key not in said, said)
    try:
        await asyncio.wait_for(client.call_tool("sleep", {"items": 30}), 0.5)
        gone = False
    except (TimeoutError, asyncio.TimeoutError):
        gone = True
    ended = time.monotonic() + 10
    while "cancelled" not in open(log).read() and time.monotonic() < ended:
        await asyncio.sleep(0.05)
    say("a call that nobody waits for is cancelled at the server", gone and "cancelled" in open(log).read(), open(log).read())


async def main():
    url, port, key, log = sys.argv[1:]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for mode in ("auto", "legacy"):

            def say(name, holds, detail="", label=f"python mcp 2.3 {mode}, tools over gRPC"):
                check(f"{label}: {name}", holds, detail)

            async with Client(url, mode=mode) as client:
                await calls(say, client, channel, key, log)
    finish()


asyncio.run(main())
