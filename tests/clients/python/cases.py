"""usage: cases.py EXAMPLES

The acceptance cases of the serving library: T1 to T10 and a small T15 (100,000 users are a test of the library) in both eras (T16),
against its examples as programs."""

import asyncio
import json
import re
import sys
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from client import check, finish, text
from client import refused as refusal
from example import AUDIENCE, JWT_SECRET, Example, Recorded, jwt, secret, secrets, seen

FOLDER = sys.argv[1]
ERAS = {"python mcp 2.3 2026-07-28": "auto", "python mcp 2.3 2025-11-25": "legacy"}


class Caller:
    """With one way to call a tool: its text."""

    def __init__(self, client, recorded):
        self.client, self.recorded = client, recorded

    async def say(self, tool, arguments=None, **how):
        result = await self.client.call_tool(tool, arguments or {}, **how)
        return text(result)

    async def names(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]


@asynccontextmanager
async def connected(mode, url, token, headers=None, **options):
    headers = ({"Authorization": f"Bearer {token}"} if token else {}) | (headers or {})
    recorded = Recorded(verify=False)
    async with httpx2.AsyncClient(headers=headers, timeout=30, transport=recorded) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode, **options) as client:
            yield Caller(client, recorded)


async def refused(call):
    """What it was refused with; None when it was not."""
    try:
        await call
        return None
    except BaseException as error:  # a group of exceptions of the SDK's own
        return error


def factory(**environment):
    return Example.start(FOLDER, "server_factory", JWT_SECRET=JWT_SECRET, JWT_AUDIENCE=AUDIENCE, **environment)


async def saas():
    example = await Example.start(FOLDER, "per_bearer_saas")
    acme, globex = [secret((await example.line()).split(": ")[1]) for _ in range(2)]
    return example, acme, globex


async def raw(mode, url, token, method="tools/list", session=None):
    modern = mode != "legacy"
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
    headers |= {"mcp-protocol-version": "2026-07-28", "mcp-method": method} if modern else {"mcp-protocol-version": "2025-11-25"}
    headers |= {"mcp-session-id": session} if session else {}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta} if modern else {}}
    async with httpx2.AsyncClient(transport=Recorded(verify=False)) as http:
        return await http.post(url, headers=headers, json=body)


async def t1_three_jwt_users_at_once_are_isolated(mode):
    example = await factory()

    async def saw(user):
        async with connected(mode, example.url, jwt(user)) as caller:
            await asyncio.gather(*(caller.say("add_note", {"text": f"note {i} of {user}"}) for i in range(10)))
            return json.loads(await caller.say("list_notes"))["notes"], json.loads(await caller.say("hello_computer"))["hello"]

    users = ["alice", "bob", "carol"]
    answers = await asyncio.gather(*map(saw, users))
    own = [hello == user and len(notes) == 10 and all(note.endswith(f" of {user}") for note in notes) for user, (notes, hello) in zip(users, answers)]
    return all(own) and await example.stop() == 0, answers


async def t2_init_fails_once_then_a_hundred_first_calls_initialise_once(mode):
    connections = []

    async def database(_, writer):
        connections.append(writer)

    # A port that nobody listens on yet.
    before = await asyncio.start_server(database, "127.0.0.1", 0)
    port = before.sockets[0].getsockname()[1]
    before.close()
    example = await factory(DATABASE=f"127.0.0.1:{port}")

    async def hello(user):
        async with connected(mode, example.url, jwt(user)) as caller:
            return await caller.say("hello_computer")

    failed = await refused(hello("first"))
    listening = await asyncio.start_server(database, "127.0.0.1", port)
    answers = await asyncio.gather(*(hello(f"user-{i}") for i in range(100)))
    ended = await example.stop()
    listening.close()
    well = failed is not None and all(f'"user-{i}"' in answer for i, answer in enumerate(answers))
    return well and len(connections) == 1 and ended == 0, (failed, len(connections), ended)


async def t3_a_token_with_the_session_of_another_finds_nothing(mode):
    example = await factory()
    async with connected(mode, example.url, jwt("bob")) as bob:
        await bob.say("add_note", {"text": "of bob"})
        if mode == "legacy":
            session = bob.recorded.session
            reply = await raw(mode, example.url, jwt("alice"), session=session)
            found = reply.status_code == 404 and (await raw(mode, example.url, jwt("bob"), session=session)).status_code == 200
        else:
            # There are no sessions: the header means nothing, and alice gets what is hers.
            async with connected(mode, example.url, jwt("alice"), {"mcp-session-id": "that-of-bob"}) as alice:
                found = await alice.say("list_notes") == '{"notes":[]}'
        stays = "of bob" in await bob.say("list_notes")
    return found and stays and await example.stop() == 0, (found, stays)


async def t4_a_wrong_token_is_401_with_a_challenge_of_one_shape(mode):
    (example, _, globex), jwts = await saas(), await factory()
    await example.operate("remove 2")
    wrong = [
        (example, [globex, secret("a-token-that-nobody-has-0123456789"), secret("short")]),
        (jwts, [jwt("alice", "another secret, of the same length or so"), "a.b.c", jwt("alice", aud="https://other.example.com")]),
        (jwts, [jwt(user, exp=1_000_000_000) for user in ("alice", "bob")]),
    ]

    async def names(url, token):
        async with connected(mode, url, token) as caller:
            await caller.names()

    found = []
    for server, tokens in wrong:
        shapes = set()
        for token in tokens:
            client = await refused(names(server.url, token))
            reply = await raw(mode, server.url, token)
            headers = tuple((name, value) for name, value in reply.headers.items() if name != "date")
            shapes.add((client is not None, reply.status_code, headers, reply.text))
        found += shapes
    challenged = all(shape[:2] == (True, 401) and "invalid_token" in str(shape[2]) for shape in found)
    return challenged and len(found) == len(wrong) and await example.stop() == await jwts.stop() == 0, found


async def t5_two_clients_on_one_token_both_work(mode):
    example, acme, _ = await saas()
    async with connected(mode, example.url, acme) as first:
        async with connected(mode, example.url, acme) as second:
            answers = await asyncio.gather(*((first, second)[i % 2].say("search") for i in range(40)))
        answers.append(await first.say("search"))
    return answers == ["found"] * 41 and await example.stop() == 0, answers


async def t6_an_update_during_a_call_lets_it_finish_and_the_next_sees_new_tools(mode):
    example, _, globex = await saas()
    begun, told = asyncio.Event(), asyncio.Event()

    async def progress(*_):
        begun.set()

    async def message(message):
        if "tools/list_changed" in str(getattr(message, "method", getattr(getattr(message, "root", None), "method", ""))):
            told.set()

    async with connected(mode, example.url, globex, message_handler=message) as caller, AsyncExitStack() as stack:
        before = await caller.names()
        if mode != "legacy":
            events = await stack.enter_async_context(caller.client.listen(tools_list_changed=True))
        report = asyncio.create_task(caller.say("report", {"pages": 10}, progress_callback=progress))
        await asyncio.wait_for(begun.wait(), 20)
        changed = await example.operate("plan 2 globex free")
        gone = await refused(caller.say("report"))
        # A client may keep a list until it is told that it changed.
        await asyncio.wait_for(told.wait() if mode == "legacy" else anext(aiter(events)), 20)
        after = await caller.names()
        meanwhile = not report.done()
        finished = await report
    well = before == ["search", "report"] and after == ["search"] and gone is not None
    found = (before, changed, gone, after, meanwhile, finished)
    return well and meanwhile and finished == "a report" and await example.stop() == 0, found


async def t8_enable_call_disable_call_fails_enable_works(mode):
    example = await Example.start(FOLDER, "dynamic_toolsets")
    steps, activation = [], None
    async with connected(mode, example.url, None) as caller:
        before = await caller.names()

        async def turn(what):
            # Of a request that stands alone: what it has turned on goes with it.
            nonlocal activation
            said = json.loads(await caller.say(what, {"name": "orders"} | ({"activation": activation} if activation else {})))
            activation = said.get("activation")
            steps.append(said["success"])

        async def call():
            alone = "call_tool", {"tool": "orders.find", "activation": activation}
            is_error, code, said = await refusal(caller.client.call_tool(*(("orders.find", {}) if mode == "legacy" else alone)))
            steps.append(said if not is_error and code is None else False)

        for step in (turn("enable_toolset"), call(), turn("disable_toolset"), call(), turn("enable_toolset"), call()):
            await step
        async with connected(mode, example.url, None) as other:
            after = await other.names()
        own = after == before and (mode != "legacy" or "orders.find" in await caller.names())
    answer = "it is on its way, for anonymous"
    return steps == [True, answer, True, False, True, answer] and own and await example.stop() == 0, (steps, before, after)


async def t9_static_mode_serves_fifty_clients_at_once(mode):
    example = await Example.start(FOLDER, "dynamic_toolsets", STARTUP='{"mode": "STATIC", "toolsets": "ALL"}')
    together = asyncio.Barrier(50)

    async def saw(_):
        async with connected(mode, example.url, None) as caller:
            await together.wait()
            return ",".join(await caller.names()), await caller.say("stock.count"), await caller.say("billing.refund")

    answers = set(await asyncio.gather(*map(saw, range(50))))
    parts = ["orders.find", "orders.track", "billing.refund", "stock.count", "there are 3", "it was paid"]
    return len(answers) == 1 and all(part in str(answers) for part in parts) and await example.stop() == 0, answers


async def t10_a_permission_downgrade_counts_from_the_next_request_and_a_forged_header_for_nothing(mode):
    key = secret("a-key-of-alice-0123456789abcdef")
    example = await Example.start(FOLDER, "permissions", MCP_KEYS=json.dumps({key: "alice"}))
    await example.operate("alice orders billing")
    async with connected(mode, example.url, key) as caller:
        found = [await caller.names(), await caller.say("billing.refund")]
        await example.operate("alice orders")
        found += [await refused(caller.say("billing.refund")) is not None, await caller.say("orders.find")]
        headers = {"mcp-toolset-permissions": "billing,orders", "mcp-client-id": "admin"}
        async with connected(mode, example.url, key, headers) as forged:
            found += [await forged.names(), await refused(forged.say("billing.refund")) is not None]
    expected = [["orders.find", "billing.refund"], "refund for alice", True, "find for alice", ["orders.find"], True]
    return found == expected and await example.stop() == 0, found


async def t15_memory_is_bounded_by_what_is_open_and_not_by_who_ever_came(mode):
    example = await factory(LOG="warn")

    def megabytes():
        with open(f"/proc/{example.process.pid}/status", encoding="utf8") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024

    async def come(user):
        async with connected(mode, example.url, jwt(f"user-{user}")) as caller:
            return f'"user-{user}"' in await caller.say("hello_computer")

    async def all_of(users):
        return all([all(await asyncio.gather(*map(come, users[at : at + 20]))) for at in range(0, len(users), 20)])

    served = await all_of(range(200))
    before = megabytes()
    served = await all_of(range(200, 800)) and served
    grown = megabytes() - before
    # What one may have open is bounded, and there is room again when it ends.
    bounded = True
    if mode == "legacy":

        async def opened(user):
            async with httpx2.AsyncClient(transport=Recorded(verify=False)) as http:
                info = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
                headers = {"authorization": f"Bearer {jwt(user)}", "accept": "application/json, text/event-stream"}
                body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": info}
                reply = await http.post(example.url, headers=headers, json=body)
                return reply.status_code, headers | {"mcp-session-id": reply.headers.get("mcp-session-id", "")}

        sessions = [await opened("eager") for _ in range(100)]
        bounded = {status for status, _ in sessions} == {200}
        bounded = bounded and (await opened("eager"))[0] == 503 and (await opened("other"))[0] == 200
        async with httpx2.AsyncClient(transport=Recorded(verify=False)) as http:
            await http.delete(example.url, headers=sessions[0][1])
        async with connected(mode, example.url, jwt("eager")) as caller:
            bounded = bounded and '"eager"' in await caller.say("hello_computer")
    return served and grown < 8 and bounded and await example.stop() == 0, (before, grown, served, bounded)


def t7_no_log_event_or_response_has_a_secret():
    """Over all that was logged, told as an event or answered before."""
    everything = "".join(seen)
    expected = ['"event":"toolCalled"', '"event":"tokenUpdated"', " TRACE ", " DEBUG ", "invalid_token", "a report", "note 9 of"]
    missing = [part for part in expected if part not in everything]
    shown = [each for each in secrets if each in everything or each.split(".")[-1] in everything]
    return not missing and not shown, (missing, shown)


CASES = [
    t1_three_jwt_users_at_once_are_isolated,
    t2_init_fails_once_then_a_hundred_first_calls_initialise_once,
    t3_a_token_with_the_session_of_another_finds_nothing,
    t4_a_wrong_token_is_401_with_a_challenge_of_one_shape,
    t5_two_clients_on_one_token_both_work,
    t6_an_update_during_a_call_lets_it_finish_and_the_next_sees_new_tools,
    t8_enable_call_disable_call_fails_enable_works,
    t9_static_mode_serves_fifty_clients_at_once,
    t10_a_permission_downgrade_counts_from_the_next_request_and_a_forged_header_for_nothing,
    t15_memory_is_bounded_by_what_is_open_and_not_by_who_ever_came,
]


async def main():
    held = set()
    for label, mode in ERAS.items():
        for case in CASES:
            try:
                holds, detail = await case(mode)
            except Exception as error:
                holds, detail = False, repr(error)
            check(f"{case.__name__}: {label}", holds, detail)
            if holds:
                held.add((case, mode))
    lacking = [case.__name__ for case in CASES if not all((case, mode) in held for mode in ERAS.values())]
    check("t16_each_of_these_holds_for_2026_07_28_and_for_2025_11_25", not lacking, lacking)
    check(f"{t7_no_log_event_or_response_has_a_secret.__name__}: {len(secrets)} secrets", *t7_no_log_event_or_response_has_a_secret())
    finish()


asyncio.run(main())
