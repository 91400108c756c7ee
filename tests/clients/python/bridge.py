"""usage: bridge.py URL KEY

A server whose callers have keys, and a client that only speaks OAuth."""

import asyncio
import re
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import AuthorizationCodeResult
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

from client import check, finish, structured
from kept import Kept

CALLBACK = "http://127.0.0.1:33418/callback"


class Person:
    """What a person does in a browser."""

    def __init__(self, key):
        self.key, self.answer, self.asked = key, None, 0

    async def agree(self, authorization):
        self.asked += 1
        place = urlsplit(authorization)
        async with httpx2.AsyncClient() as browser:
            page = (await browser.get(authorization)).text
            request = re.search(r'name="request" value="([^"]+)"', page)[1]
            form = {"request": request, "key": self.key, "decision": "allow"}
            origin = f"{place.scheme}://{place.netloc}"
            self.answer = (await browser.post(origin + place.path, data=form, headers={"origin": origin})).headers["location"]

    async def answered(self):
        said = {name: values[0] for name, values in parse_qs(urlsplit(self.answer).query).items()}
        return AuthorizationCodeResult(code=said["code"], state=said.get("state"), iss=said.get("iss"))


async def main():
    url, key = sys.argv[1:]
    for mode in ("auto", "legacy"):
        label = f"python mcp 2.3 {mode}"
        kept, person = Kept(), Person(key)
        metadata = OAuthClientMetadata(client_name="foreign client", redirect_uris=[CALLBACK], token_endpoint_auth_method="none")
        for time in ("first", "second"):
            auth = OAuthClientProvider(url, metadata, kept, person.agree, person.answered)
            async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
                async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
                    who = structured(await client.call_tool("whoami", {}))
                    check(f"{label}: calls in the name of whose key it was, the {time} time", who["caller"] == "alice", who)
        check(f"{label}: asked the person once", person.asked == 1, person.asked)
        check(f"{label}: never saw the key", key not in str(kept.tokens) + str(kept.client), "it did")
    finish()


asyncio.run(main())
