"""An example of the serving library, started as the program that it is. Everything that it logs or answers is kept, so that it
can be searched for what must not be there (T7)."""

import asyncio
import os
import re
import signal
import time

import httpx2
import jwt as pyjwt

seen = []
secrets = set()


def secret(text):
    secrets.add(text)
    return text


class Example:
    @classmethod
    async def start(cls, folder, name, **environment):
        self = cls()
        self.process = await asyncio.create_subprocess_exec(
            os.path.join(folder, name), "--listen", "127.0.0.1:0", env=os.environ | {"LOG": "trace"} | environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=2**24,
        )
        self.url = asyncio.get_running_loop().create_future()
        self.reading = asyncio.create_task(self.read())
        self.url = await asyncio.wait_for(self.url, 20)
        return self

    async def read(self):
        async for line in self.process.stderr:
            seen.append(line.decode())
            if (said := re.match(r"listening on (http:.*)\n", seen[-1])) and not isinstance(self.url, str):
                self.url.set_result(said[1])

    async def line(self):
        """What it answers on its console, which is for its operator: secrets are shown there."""
        return (await self.process.stdout.readline()).decode().strip()

    async def operate(self, command):
        self.process.stdin.write(f"{command}\n".encode())
        return await self.line()

    async def stop(self):
        self.process.send_signal(signal.SIGTERM)
        ended = await asyncio.wait_for(self.process.wait(), 20)
        await self.reading
        return ended


class Recorded(httpx2.AsyncHTTPTransport):
    """Keeps what comes back, and the id of the session."""

    session = None

    async def handle_async_request(self, request):
        response = await super().handle_async_request(request)
        seen.append(f"{response.status_code} {response.headers}")
        self.session = response.headers.get("mcp-session-id", self.session)
        response.stream = Kept(response.stream)
        return response


class Kept(httpx2.AsyncByteStream):
    def __init__(self, stream):
        self.stream = stream

    async def __aiter__(self):
        async for chunk in self.stream:
            seen.append(chunk.decode(errors="replace"))
            yield chunk

    async def aclose(self):
        await self.stream.aclose()


JWT_SECRET = secret("a secret of the acceptance cases, long enough")
AUDIENCE = "https://cases.example.com/mcp"


def jwt(user, key=JWT_SECRET, **change):
    now = int(time.time())
    claims = {"iss": "https://issuer.example.com", "aud": AUDIENCE, "sub": user, "iat": now, "exp": now + 600} | change
    return secret(pyjwt.encode(claims, key, algorithm="HS256"))
