"""GitHub's whole API: how long it takes to import and to call, what a list costs a model, and whether what people want is found.

usage: github.py BINARY NODE_MODULES [hold]

Each of 50 questions, written by hand, is searched for with `search_tools`, and what it is about has to be in the first page; then
it is called, and has to arrive at the upstream. Time and memory are printed; with `hold` they have to be what was promised.
"""
import json, os, random, re, subprocess, sys, tempfile, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from served import Served, arguments

BINARY, MODULES = sys.argv[1], sys.argv[2]
HELD = "hold" in sys.argv
DOCUMENT = f"{MODULES}/@octokit/openapi/generated/api.github.com.json"
HERE = os.path.dirname(os.path.abspath(__file__))
failures = []


def hold(what, fits, always=True):
    print(f"  {'ok' if fits else 'not ok'}: {what}", flush=True)
    if not fits and (always or HELD):
        failures.append(what)


def upstream():
    """Answers whatever is asked, and remembers it."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            heard.append((self.command, self.path.split("?")[0]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}", heard


def imported(spec):
    with open(spec, "wb") as out, tempfile.TemporaryFile() as told:
        began = time.monotonic()
        process = subprocess.Popen([BINARY, "create", "--openapi", DOCUMENT, "--dry-run"], stdout=out, stderr=told)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.monotonic() - began
        told.seek(0)
        said = told.read().decode(errors="replace")
    if status:
        sys.exit(said)
    print(said.strip().splitlines()[-1])
    hold(f"imported in {took:.2f} s (at most 0.5)", took < 0.5, False)
    hold(f"with {usage.ru_maxrss / 1024:.0f} MB (at most 150)", usage.ru_maxrss < 150 * 1024, False)


def tokens(text):
    script = "const {encode}=require('gpt-tokenizer/encoding/o200k_base');let t='';process.stdin.on('data',d=>t+=d).on('end',()=>console.log(encode(t).length))"
    counted = subprocess.run(["node", "-e", script], input=text.encode(), capture_output=True, check=True, cwd=os.path.dirname(MODULES))
    return int(counted.stdout)


def questions(name):
    with open(f"{HERE}/{name}.tsv") as file:
        return [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]


def asked(name, least, served, heard, places):
    chance = random.Random(1)
    found = first = called = 0
    all_of_them = questions(name)
    for question, operation in all_of_them:
        wanted = re.sub(r"[^a-z0-9]+", "_", operation.lower())
        tools = served.call("search_tools", {"query": question})["structuredContent"]["tools"]
        names = [it["name"] for it in tools]
        if wanted not in names:
            print(f"  not found: {question} ({wanted}); {', '.join(names[:4])} …")
            continue
        found += 1
        first += names[0] == wanted
        tool = tools[names.index(wanted)]
        before = len(heard)
        result = served.call("call_tool", {"tool": wanted, "arguments": arguments(tool["inputSchema"], chance)})
        method, path = places[operation]
        pattern = re.sub(r"\\\{[^/]*?\\\}", "[^/]+", re.escape(path))
        if any(it[0] == method and re.fullmatch(pattern, it[1]) for it in heard[before:]):
            called += 1
        else:
            print(f"  not called: {wanted}: {json.dumps(result.get('content'))[:300]} {heard[before:]}")
    hold(f"{name}: of {len(all_of_them)}, {found} were found in the first page of `search_tools` "
         f"({100 * found // len(all_of_them)} %), {first} of them as the first", found >= least * len(all_of_them))
    hold(f"{name}: {called} of the {found} were called with the second call", called == found)


def main():
    with open(DOCUMENT) as file:
        paths = json.load(file)["paths"]
    places = {operation["operationId"]: (method.upper(), path) for path, item in paths.items()
              for method, operation in item.items() if isinstance(operation, dict) and "operationId" in operation}
    url, heard = upstream()
    work = tempfile.mkdtemp()
    spec = f"{work}/github.yaml"
    imported(spec)
    with open(spec) as file:
        text = file.read()
    with open(spec, "w") as file:
        file.write(re.sub(r"url: \"?https://(?:api|uploads)\.github\.com/?\"?", f"url: {url}, allowPrivateNetwork: true", text))
    variables = set(re.findall(r"[eE]nvVar: ([A-Z0-9_]+)", text))
    with Served(BINARY, spec, {name: "secret" for name in variables}) as served:
        first = served.call("search_tools", {"query": questions("github-questions")[0][0]})
        took = time.monotonic() - served.began
        assert not first.get("isError"), first
        hold(f"the first call was answered {took:.2f} s after the program began (at most 1)", took < 1, False)
        listing = served.ask("tools/list", {})["tools"]
        shown = json.dumps([{key: it[key] for key in ("name", "description", "inputSchema") if key in it} for it in listing])
        counted = tokens(shown)
        hold(f"{len(listing)} tools are listed with {counted} tokens of o200k_base (at most 2000)", counted <= 2000)
        for name, least in (("github-questions", 0.9), ("github-questions-held-out", 0.7), ("github-questions-fresh", 0.7)):
            asked(name, least, served, heard, places)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
