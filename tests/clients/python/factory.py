"""usage: factory.py http URL TOKEN | stdio COMMAND ARGS...

An agent at the factory's own MCP server, through PyPI's `mcp` in both protocol eras: it lacks a tool, makes a server that has
it, sees its tests pass, deploys it and calls it, through one connection and with one list of tools. Once on the connection
`shop_db`, which it was granted (docs/agents.md shows that conversation), and once on a database of its own. Times are printed."""

import asyncio
import json
import sys
import time
from contextlib import asynccontextmanager

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult

from client import check, finish, structured, text

SEED = """
CREATE TABLE notes (id INTEGER PRIMARY KEY, author TEXT NOT NULL, text TEXT NOT NULL);
INSERT INTO notes (author, text) VALUES ('ann', 'buy milk'), ('bob', 'call the plumber');
"""


GRANTED = """
name: {name}
version: 1.0.0
connections: [{{ use: shop_db }}]
tools:
  - name: low_stock
    description: Products of which fewer than so many are left
    connection: shop_db
    parameters: {{ fewer_than: {{ type: integer, required: true }} }}
    sql: SELECT name, stock FROM products WHERE stock < :fewer_than ORDER BY stock, id
    annotations: {{ readOnly: true }}
    examples: [{{ arguments: {{ fewer_than: 5 }}, expect: {{ items: [{{ name: Lamp, stock: 2 }}] }} }}]
"""


async def granted(label, client, name):
    """What it lacks a tool for is in a database of others, of which it has the name."""

    def say(what, holds, detail=""):
        check(f"{label}: {what}", holds, detail)

    times = []

    async def call(name, /, **arguments):
        began = time.perf_counter()
        result = structured(await client.call_tool(name, arguments))
        times.append((name, (time.perf_counter() - began) * 1000))
        return result

    await client.list_tools()
    began = time.perf_counter()
    found = await call("search_tools", query=f"products that are low in stock {name}")
    say("no tool tells what is low in stock", name not in [tool["server"] for tool in found["tools"]], found)
    connections = await call("list_connections", connection="shop_db")
    tables = connections["connections"][0].get("tables", {})
    say("a granted connection has a table for it", "stock" in str(tables.get("products")), connections)
    say("and does not say where it leads", "shop.db" not in json.dumps(connections), connections)
    await call("describe_kind", kind="sql")
    created = await call("create_server", spec=GRANTED.format(name=name))
    say("a server is made on it", created["outcome"] == "created" and created["problems"] == [], created)
    tested = await call("test_server", server=name)
    say("whose tests pass", tested["failed"] == 0 and tested["passed"] > 0, tested)
    deployed = await call("deploy_server", server=name)
    say("which runs", deployed["checks"]["examples"] == 1 and deployed["serving"], deployed)
    answer = await call("call_tool", server=name, tool="low_stock", arguments={"fewer_than": 10})
    total = (time.perf_counter() - began) * 1000
    say("and answers from it, without listing again", [row["name"] for row in answer["items"]] == ["Lamp", "Chair"], answer)
    await client.call_tool("remove_server", {"server": name, "confirm": name})
    print(f"# {label}: on a granted connection, from no tool to its first answer {total:.0f} ms: " + ", ".join(f"{t} {ms:.0f}" for t, ms in times))


@asynccontextmanager
async def connected(mode, transport, target, *rest, **options):
    if transport == "stdio":
        async with Client(stdio_client(StdioServerParameters(command=target, args=rest)), mode=mode, **options) as client:
            yield client
        return
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {rest[0]}"}, timeout=60) as http:
        async with Client(streamable_http_client(target, http_client=http), mode=mode, **options) as client:
            yield client


async def agent(label, client, name, asked):
    def say(what, holds, detail=""):
        check(f"{label}: {what}", holds, detail)

    times = []

    async def call(name, /, **arguments):
        began = time.perf_counter()
        result = await client.call_tool(name, arguments)
        times.append((name, (time.perf_counter() - began) * 1000))
        return result

    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    say("its tools say what they give", all(t.output_schema for n, t in tools.items() if n != "call_tool"))
    say("removing is destructive, listing is not", tools["remove_server"].annotations.destructive_hint and tools["list_servers"].annotations.read_only_hint)
    began = time.perf_counter()
    found = structured(await call("search_tools", query=f"notes with a word in them {name}"))
    say("there is no such tool yet", name not in [tool["server"] for tool in found["tools"]], found)
    granted = structured(await call("list_connections"))
    say("it is told what it may use", [it["use"] for it in granted["connections"]] == ["shop_db"], granted)
    kind = structured(await call("describe_kind", kind="sql"))
    spec = kind["example"].replace("name: notes", f"name: {name}", 1)
    typo = spec.replace("description: Notes", "descripton: Notes", 1)
    checked = structured(await call("validate_server", spec=typo, files={"seed.sql": SEED}))
    say("a slip comes back mended", not checked["deployable"] and checked["fixed"]["deployable"], checked)
    created = structured(await call("create_server", spec=checked["fixed"]["spec"], files={"seed.sql": SEED}))
    say("the server is created", created["outcome"] == "created", created)
    tested = structured(await call("test_server", server=name))
    say("its tests pass", tested["failed"] == 0 and tested["passed"] > 0, tested)
    deployed = structured(await call("deploy_server", server=name))
    say("its tests passed before it served", deployed["checks"]["examples"] == 1 and deployed["serving"], deployed)
    result = await call("call_tool", server=name, tool="search_notes", arguments={"word": "milk"})
    say("its tool is called without listing again", structured(result)["items"][0]["author"] == "ann", result)
    total = (time.perf_counter() - began) * 1000
    await call("call_tool", server=name, tool="add_note", arguments={"author": "cy", "text": "more milk"})
    rows = structured(await call("call_tool", server=name, tool="search_notes", arguments={"word": "milk", "author": "cy"}))
    say("and writes", [row["text"] for row in rows["items"]] == ["more milk"], rows)
    found = structured(await call("search_tools", query=f"notes with a word in them {name}"))
    say("it is found from now on", found["tools"][0]["server"] == name, found)
    lines = structured(await call("get_logs", server=name))["lines"]
    say("its log tells the calls", any(line.get("tool") == "add_note" for line in lines), lines)
    wrong = await call("call_tool", server=name, tool="search_notes", arguments={"wort": "milk"})
    say("a wrong argument is told by the server itself", wrong.is_error and "wort" in text(wrong), wrong)
    unknown = await call("get_server", server=f"{name}-nope")
    problem = json.loads(text(unknown))
    say("a failure has a code and a hint", unknown.is_error and problem["code"] == "not-found" and problem["hint"], unknown)
    if asked is None:
        unsure = await call("remove_server", server=name)
        say("nothing is removed without a yes", unsure.is_error and "not-confirmed" in text(unsure), unsure)
        removed = await call("remove_server", server=name, confirm=name)
    else:
        removed = await call("remove_server", server=name)
        say("a person is asked before it is removed", len(asked) == 1 and name in asked[0], asked)
    say("the server is removed", structured(removed).get("removed") == name, removed)
    print(f"# {label}: from no tool to its first answer {total:.0f} ms: " + ", ".join(f"{t} {ms:.0f}" for t, ms in times[:8]))


async def main():
    transport = sys.argv[1]
    for number, mode in enumerate(("auto", "legacy")):
        for elicits in (False, True):
            label = f"python mcp 2.3 factory {transport} {mode}{' with a person' if elicits else ''}"
            asked = [] if elicits else None

            async def ask(context, params):
                asked.append(params.message)
                return ElicitResult(action="accept", content={})

            options = {"elicitation_callback": ask} if elicits else {}
            try:
                async with connected(mode, *sys.argv[1:], **options) as client:
                    if not elicits:
                        await granted(label, client, f"stock-{transport}-{number}")
                    await agent(label, client, f"notes-{transport}-{number}{'-asked' if elicits else ''}", asked)
            except Exception as error:
                check(f"{label}: goes through", False, repr(error))
    finish()


asyncio.run(main())
