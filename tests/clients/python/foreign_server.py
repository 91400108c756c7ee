"""usage: foreign_server.py stdio|http PORT

An MCP server that others wrote (PyPI's `mcp` 2.3, which speaks 2026-07-28 too), to stand behind ours."""

import asyncio
import sys

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel

server = MCPServer("foreign")


class Sum(BaseModel):
    sum: float


@server.tool(description="Adds two numbers")
def add(a: float, b: float) -> Sum:
    return Sum(sum=a + b)


@server.tool(description="Says it loudly")
def shout(text: str) -> str:
    return text.upper()


@server.tool(description="Fails")
def fail() -> str:
    raise ValueError("it is broken")


@server.tool(description="Never answers")
async def wait() -> str:
    await asyncio.sleep(3600)
    return "at last"


if sys.argv[1] == "stdio":
    server.run("stdio")
else:
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]), stateless_http=True)
