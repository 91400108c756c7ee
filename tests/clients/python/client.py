"""usage: client.py http URL | stdio COMMAND ARGS...

Drives PyPI's `mcp` in both protocol eras."""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

passed = failed = 0


def check(name, holds, detail=""):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    print(f"{'ok' if holds else 'not ok'} - {name}" + ("" if holds else f" # {detail}"), flush=True)


def finish():
    print(f"# {passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def structured(result):
    return result.structured_content or {}


def text(result):
    return "\n".join(getattr(block, "text", "") for block in result.content)


async def refused(call):
    try:
        result = await call
        return result.is_error, None, text(result)
    except Exception as error:  # the SDK's own class differs between eras
        return None, getattr(getattr(error, "error", error), "code", None), str(error)


async def calls(label, client):
    def say(name, holds, detail=""):
        check(f"{label}: {name}", holds, detail)

    tools = (await client.list_tools()).tools
    say("lists the tools of the spec", [t.name for t in tools][:2] == ["search_products", "get_product"], tools)
    result = await client.call_tool("search_products", {"query": "laptop", "sort": "cheapest"})
    prices = [item["price"] for item in structured(result)["items"]]
    say("finds laptops, the cheapest first", len(prices) > 3 and prices == sorted(prices), prices)
    say("answers text that is the same JSON", json.loads(text(result)) == structured(result))

    seen, rows, pages, cursor = set(), 0, 0, None
    while pages < 50:
        arguments = {"query": "a"} | ({"cursor": cursor} if cursor else {})
        page = structured(await client.call_tool("search_products", arguments))
        seen |= {item["id"] for item in page["items"]}
        rows, pages, cursor = rows + len(page["items"]), pages + 1, page.get("nextCursor")
        if not cursor:
            break
    say("pages through every row once", pages > 2 and rows == len(seen), (pages, rows, len(seen)))

    is_error, code, said = await refused(client.call_tool("get_product", {"sku": 7}))
    say("is refused a wrong argument, by name", (is_error or code) and "sku" in said, said)
    is_error, code, said = await refused(client.call_tool("get_product", {}))
    say("is refused a missing argument, by name", (is_error or code) and "sku" in said, said)
    is_error, code, said = await refused(client.call_tool("search_products", {"query": "a", "cursor": "AAAA"}))
    say("is refused a forged cursor", is_error and "cursor" in said, said)
    is_error, code, said = await refused(client.call_tool("no_such_tool", {}))
    say("is told that a tool is unknown", code == -32602, (is_error, code, said))
    results = await asyncio.gather(*(client.call_tool("get_product", {"sku": f"ENB-10{1 + i % 4}"}) for i in range(40)))
    say("gets its own answer among many at once", all(structured(r)["sku"] == f"ENB-10{1 + i % 4}" for i, r in enumerate(results)))
    [policy] = (await client.list_resources()).resources
    say("lists resources", str(policy.uri) == "doc://returns", policy)
    [template] = (await client.list_resource_templates()).resource_templates
    say("lists resource templates", template.uri_template == "product://{sku}", template)
    [prompt] = (await client.list_prompts()).prompts
    say("lists prompts", prompt.name == "restock", prompt)
    contents = (await client.read_resource("product://ENB-101")).contents
    say("reads a resource by its template", "Laptop 13" in contents[0].text)
    prompt = await client.get_prompt("restock", {"sku": "ENB-101"})
    say("gets a prompt, filled in", "ENB-101" in prompt.messages[0].content.text)


async def main():
    transport, target, *rest = sys.argv[1:]
    for mode in ("auto", "legacy"):
        label = f"python mcp 2.3 {transport} {mode}"
        try:
            server = target if transport == "http" else stdio_client(StdioServerParameters(command=target, args=rest))
            async with Client(server, mode=mode) as client:
                await calls(label, client)
        except Exception as error:
            check(f"{label}: ends without an exception", False, repr(error))
    finish()


if __name__ == "__main__":
    asyncio.run(main())
