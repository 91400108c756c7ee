"""What the proofs share: a spec that is served, asked by raw HTTP, and arguments made of a tool's input schema."""
import http.client, json, os, re, subprocess, tempfile, time

try:
    from re import _parser as parser
except ImportError:
    import sre_parse as parser

VERSION = "2026-07-28"


class Served:
    """`mcp-factory serve`, as long as the block lasts. `first` is when the first line of it could be called, since it began."""

    def __init__(self, binary, spec, environment=None):
        self.log = tempfile.TemporaryFile()
        self.began = time.monotonic()
        self.process = subprocess.Popen([binary, "serve", spec, "--listen", "127.0.0.1:0"], stderr=self.log,
                                        stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        while True:
            self.log.seek(0)
            said = self.log.read().decode(errors="replace")
            found = re.search(r"http://(127[^/ ]*)(/[^\s\"`,]*mcp)", said)
            if found:
                break
            if self.process.poll() is not None:
                raise RuntimeError(said[-2000:])
            time.sleep(0.01)
        self.host, self.path = found[1], found[2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def ask(self, method, params):
        params = {**params, "_meta": {"io.modelcontextprotocol/protocolVersion": VERSION,
                                      "io.modelcontextprotocol/clientCapabilities": {}}}
        head = {"content-type": "application/json", "accept": "application/json, text/event-stream",
                "mcp-protocol-version": VERSION, "mcp-method": method}
        if "name" in params:
            head["mcp-name"] = params["name"]
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request("POST", self.path, json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}), head)
        text = connection.getresponse().read().decode()
        connection.close()
        if text.startswith(("event:", "data:", ":")):
            text = [line[5:] for line in text.splitlines() if line.startswith("data:")][-1]
        answer = json.loads(text)
        if "error" in answer:
            return {"isError": True, "content": [{"type": "text", "text": json.dumps(answer["error"])}]}
        return answer["result"]

    def call(self, tool, arguments):
        return self.ask("tools/call", {"name": tool, "arguments": arguments})


FORMATS = {"date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z", "time": "12:00:00Z", "email": "a@example.com",
           "uuid": "6fa459ea-ee8a-4ca4-894e-db77e160355e", "uri": "https://example.com/a", "url": "https://example.com/a",
           "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "hostname": "example.com", "byte": "YQ==", "binary": "YQ==", "duration": "P1D"}


# What refers to itself several times is made this many times in all, for one tool.
MOST = 5_000
made = 0


def value(schema, root, chance, depth=0):
    """One that fits; `chance` says how many of the optional fields are there."""
    global made
    made += 1
    if schema is True or not isinstance(schema, dict):
        return "a"
    if depth > 12 or made > MOST:
        # It would go on for ever.
        return None
    if "$ref" in schema:
        target = root
        for step in schema["$ref"][2:].split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        return value(target, root, chance, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return chance.choice([it for it in schema["enum"] if it is not None] or [None])
    for word in ("oneOf", "anyOf"):
        if word in schema:
            rest = {key: part for key, part in schema.items() if key != word}
            choices = [it for it in schema[word] if it is not False and not (isinstance(it, dict) and it.get("type") == "null")]
            chosen = choices[0] if choices else {}
            return value({**rest, **chosen} if isinstance(chosen, dict) else rest, root, chance, depth)
    if "allOf" in schema:
        merged = {key: part for key, part in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            merged = {**merged, **part, "properties": {**merged.get("properties", {}), **part.get("properties", {})},
                      "required": merged.get("required", []) + part.get("required", [])}
        return value(merged, root, chance, depth)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((it for it in kind if it != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    if kind == "object":
        required = schema.get("required", [])
        wanted = [name for name in schema.get("properties", {})
                  if name in required or (depth < 4 and chance.random() < 0.5)]
        return {name: value(schema["properties"][name], root, chance, depth + 1) for name in wanted}
    if kind == "array":
        count = max(schema.get("minItems", 0), 1 if depth < 4 else 0)
        items = [value(schema.get("items", {}), root, chance, depth + 1) for _ in range(min(count, 20))]
        return items[: schema.get("maxItems", 20)]
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", schema.get("exclusiveMinimum", 1)), schema.get("maximum", schema.get("exclusiveMaximum"))
        found = low + (1 if "exclusiveMinimum" in schema else 0)
        if high is not None and found > high:
            found = high
        step = schema.get("multipleOf")
        if step:
            found = -(-found // step) * step
        return int(found) if kind == "integer" else found
    if kind == "boolean":
        return chance.random() < 0.5
    if kind == "null":
        return None
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    if schema.get("contentEncoding") == "base64":
        return "YQ=="
    if "pattern" in schema:
        return fitting(schema["pattern"], schema)
    text = chance.choice(["a", "word", "two words", "ä/ö?&=#%"]) if "maxLength" not in schema else "a"
    return (text + "a" * max(schema.get("minLength", 0) - len(text), 0))[: schema.get("maxLength", 1 << 20)]


def fitting(pattern, schema):
    """The shortest that the pattern says, made longer where it may be; else what often fits."""
    low, high = schema.get("minLength", 1), schema.get("maxLength", 64)
    try:
        tries = [spelled(parser.parse(pattern), more) for more in (0, 1, 3, low)]
    except (re.error, OverflowError, RecursionError):
        return "a"
    tries += ["a", "1", "abc", "123", "1.0.0", "a@example.com", "https://example.com/a", "2026-01-31", "aabbcc", "a" * 24, "1" * 10]
    for text in tries:
        if low <= len(text) <= high and re.search(pattern, text):
            return text
    return None


def spelled(parts, more):
    """A text that fits a parsed pattern, with so many more of what may be repeated."""
    text = ""
    for kind, it in parts:
        kind = str(kind)
        if kind == "LITERAL":
            text += chr(it)
        elif kind == "ANY":
            text += "a"
        elif kind == "IN":
            text += member(it)
        elif kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, inner = it
            text += "".join(spelled(inner, more) for _ in range(min(low + more, high, 1_000)))
        elif kind == "SUBPATTERN":
            text += spelled(it[-1], more)
        elif kind == "ATOMIC_GROUP":
            text += spelled(it, more)
        elif kind == "BRANCH":
            text += spelled(it[1][0], more)
    return text


def member(parts):
    """One of a class of characters."""
    for character in "a1A-_ .:/@+" + "".join(map(chr, range(33, 127))):
        if re.fullmatch(written_class(parts), character):
            return character
    return "a"


def written_class(parts):
    written = {"CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W",
               "CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S"}
    text = ""
    for kind, it in parts:
        kind = str(kind)
        text += {"NEGATE": lambda: "^", "LITERAL": lambda: re.escape(chr(it)), "CATEGORY": lambda: written.get(str(it), ""),
                 "RANGE": lambda: f"{re.escape(chr(it[0]))}-{re.escape(chr(it[1]))}"}[kind]()
    return f"[{text}]"


def arguments(schema, chance):
    global made
    made = 0
    found = value(schema, schema, chance)
    # A cursor is given by the page before.
    return {name: it for name, it in found.items() if it is not None and name != "cursor"} if isinstance(found, dict) else {}
