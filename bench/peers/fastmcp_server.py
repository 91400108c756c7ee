"""The comparison's server in FastMCP. The slow tool has a connection of its own, as one connection does one thing at a time."""
import sqlite3
import sys

from fastmcp import FastMCP

db = sqlite3.connect(sys.argv[2], check_same_thread=False)
mcp = FastMCP("hotels")


@mcp.tool
def get_hotel(id: int) -> dict:
    """A hotel by its id"""
    row = db.execute("SELECT id, name, city FROM hotels WHERE id = ?", (id,)).fetchone()
    return {"id": row[0], "name": row[1], "city": row[2]}


@mcp.tool
def slow() -> dict:
    """A query of some seconds"""
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000000) SELECT COUNT(*) FROM n"
    return {"numbers": sqlite3.connect(sys.argv[2]).execute(sql).fetchone()[0]}


mcp.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), stateless_http=True, json_response=True, show_banner=False)
