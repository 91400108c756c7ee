"""usage: oauth.py URL ISSUER

The same dance as oauth.mjs: discovery, PKCE, token, call, expiry, refresh, insufficient scope, step-up."""

import asyncio
import sys
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import AuthorizationCodeResult
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

from client import check, finish, structured
from kept import Kept

CALLBACK = "http://127.0.0.1:33418/callback"


class Browser:
    """Of somebody who agrees."""

    def __init__(self):
        self.asked, self.answer = [], None

    async def agree(self, authorization):
        self.asked.append(parse_qs(urlsplit(authorization).query))
        async with httpx2.AsyncClient() as browser:
            place = authorization
            while not place.startswith(CALLBACK):
                place = urljoin(place, (await browser.get(place)).headers["location"])
        self.answer = place

    async def answered(self):
        said = {name: values[0] for name, values in parse_qs(urlsplit(self.answer).query).items()}
        return AuthorizationCodeResult(code=said["code"], state=said.get("state"), iss=said.get("iss"))


async def main():
    url, issuer = sys.argv[1:]

    async def state(path, **query):
        async with httpx2.AsyncClient() as http:
            return (await http.get(issuer + path, params=query)).json()

    for mode in ("auto", "legacy"):
        label = f"python mcp 2.3 {mode}"
        kept, browser = Kept(), Browser()
        metadata = OAuthClientMetadata(
            client_name="foreign client",
            redirect_uris=[CALLBACK],
            token_endpoint_auth_method="none",
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
        )
        auth = OAuthClientProvider(url, metadata, kept, browser.agree, browser.answered)
        async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
            async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
                who = structured(await client.call_tool("whoami", {}))
                check(f"{label}: calls as who signed in", who["caller"] == "alice", who)
                asked = browser.asked[0]
                check(f"{label}: asked for a token for this server", asked["resource"] == [url] and "stock:read" in asked["scope"][0], asked)
                restocked = await client.call_tool("restock", {})
                check(f"{label}: steps up when a tool needs more", restocked.content[0].text == "restocked", restocked)
                check(f"{label}: asked for the scopes it was told", len(browser.asked) == 2 and "stock:write" in browser.asked[1]["scope"][0], browser.asked)
        # Another process, with a token that expired meanwhile.
        before = (await state("/state"))["refreshed"]
        expired = (await state("/expired", resource=url))["token"]
        kept.tokens = kept.tokens.model_copy(update={"access_token": expired, "expires_in": -60})
        auth = OAuthClientProvider(url, metadata, kept, browser.agree, browser.answered)
        async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
            async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
                who = structured(await client.call_tool("whoami", {}))
                check(f"{label}: goes on with a new token", who["caller"] == "alice", who)
        renewed = (await state("/state"))["refreshed"] - before
        check(f"{label}: did so without asking, or by asking once more", renewed == 1 or len(browser.asked) == 3, (renewed, len(browser.asked)))
    finish()


asyncio.run(main())
