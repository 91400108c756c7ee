"""Postman collections that others wrote: our tools send what Postman sends.

usage: postman.py BINARY NODE_MODULES

Postman's own `newman` runs each collection of npm's `postman-to-openapi` against a server that listens, and our tools, made of the same
collection, are called with the values that were saved in it. Each request has to become a tool, and both have to send the same.
"""
import glob, json, os, re, subprocess, sys, tempfile, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from served import Served

BINARY, MODULES = sys.argv[1], sys.argv[2]


class Listener:
    def __init__(self):
        heard = self.heard = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0) or 0))
                heard.append(plain(self.command, self.path, self.headers, body))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(b"{}")

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def plain(method, path, head, body):
    """What a request says, in one form."""
    parts = urlsplit(path)
    kind = (head.get("content-type") or "").split(";")[0]
    if "json" in kind:
        try:
            body = json.dumps(json.loads(body), sort_keys=True)
        except ValueError:
            body = body.decode(errors="replace")
    elif kind == "application/x-www-form-urlencoded":
        body = sorted(parse_qsl(body.decode(), True))
    elif kind == "multipart/form-data":
        boundary = re.search(r'boundary="?([^";]+)', head["content-type"])[1].encode()
        fields = (part.partition(b"\r\n\r\n") for part in body.split(b"--" + boundary)[1:-1])
        body = sorted((re.search(rb'name="([^"]*)"', about)[1].decode(), text.rstrip(b"\r\n").decode(errors="replace")) for about, _, text in fields)
    else:
        body = body.decode(errors="replace").strip()
    return method, unquote(parts.path), sorted(parse_qsl(parts.query, True)), body


def requests(item):
    return [request for it in item.get("item", []) for request in (requests(it) if "item" in it else [it])]


def moved(collection, port):
    """The same collection, of a server that is here."""
    for item in requests(collection):
        request = item.get("request")
        if not isinstance(request, dict):
            continue
        url = request.get("url")
        raw = url if isinstance(url, str) else (url or {}).get("raw", "")
        front, mark, query = raw.partition("?")
        path = re.sub(r"^(\w+://)?[^/]*", "", front)
        raw = f"http://127.0.0.1:{port}{path}{mark}{query}"
        if isinstance(url, dict):
            url.update(raw=raw, protocol="http", host=["127", "0", "0", "1"], port=str(port))
            url["path"] = path.lstrip("/").split("/") if path.strip("/") else []
        else:
            request["url"] = raw
    return collection


def shown(schema):
    """The value that a schema shows."""
    if schema.get("examples"):
        return schema["examples"][0]
    if schema.get("type") == "object":
        return {name: shown(inner) for name, inner in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [shown(schema["items"])] if schema.get("items") else []
    return {"integer": 1, "number": 1, "boolean": True}.get(schema.get("type"), "")


def saved(tool):
    """The values that were saved, with what may be left out (it was sent in a `PATCH`) and without (it was turned off)."""
    schema = tool["inputSchema"]
    given = {}
    for name, it in schema.get("properties", {}).items():
        if "default" not in it:
            value = shown(it)
            # What Postman sends for a variable that has no value.
            given[name] = f"{{{{{name}}}}}" if value == "" and "contentEncoding" not in it else value
    return [given, {name: value for name, value in given.items() if name in schema.get("required", [])}]


def proven(path, work, listener):
    with open(path) as file:
        collection = moved(json.load(file), listener.server.server_port)
    here = os.path.join(work, "collection.json")
    with open(here, "w") as file:
        json.dump(collection, file)
    expected = len(requests(collection))
    done = subprocess.run([BINARY, "create", "--postman", here, "--dry-run"], capture_output=True, timeout=60)
    if done.returncode:
        return expected, 0, 0, [done.stderr.decode()[-300:]]
    spec = os.path.join(work, "server.yaml")
    with open(spec, "wb") as file:
        file.write(done.stdout)
    del listener.heard[:]
    subprocess.run(["node", f"{MODULES}/newman/bin/newman.js", "run", here, "--silent", "--disable-unicode"],
                   capture_output=True, timeout=120)
    theirs = list(listener.heard)
    environment = {name.decode(): "secret" for name in re.findall(rb"[eE]nvVar: ([A-Z0-9_]+)", done.stdout)}
    same, different = 0, []
    with Served(BINARY, spec, environment) as served:
        tools = served.ask("tools/list", {})["tools"]
        for tool in tools:
            del listener.heard[:]
            for arguments in saved(tool):
                result = served.call(tool["name"], arguments)
            ours = next((it for it in listener.heard if it in theirs), None)
            if ours:
                same += 1
                theirs.remove(ours)
            else:
                different.append(f"{tool['name']}: {listener.heard or json.dumps(result.get('content'))[:200]}")
    different += [f"only Postman sends {it}" for it in theirs]
    return expected, len(tools), same, different


def main():
    paths = sorted(glob.glob(f"{MODULES}/postman-to-openapi/test/resources/input/v2*/*.json"))
    listener = Listener()
    requested = made = alike = bad = 0
    for path in paths:
        with tempfile.TemporaryDirectory() as work:
            expected, tools, same, different = proven(path, work, listener)
        requested, made, alike = requested + expected, made + tools, alike + same
        bad += tools != expected or same != expected
        for it in different:
            print(f"  {'/'.join(path.split('/')[-2:])}: {it}", flush=True)
    print(f"{len(paths)} Postman collections: of {requested} requests {made} became tools, and {alike} send what Postman sends")
    sys.exit(1 if bad or not paths else 0)


if __name__ == "__main__":
    main()
