"""usage: check.py BINARY TOOLBOX WORK

Every tool for PostgreSQL, MySQL and SQLite in the Toolbox's prebuilt files becomes one of ours, or is named with the reason
why not. Then both servers run the same files on the same real databases, and have to answer the same rows.
"""

import datetime
import json
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request

import prebuilt

BINARY, TOOLBOX, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
HERE = pathlib.Path(__file__).parent
SOURCES = {
    "postgres": "PostgreSQL", "alloydb-postgres": "PostgreSQL", "cloud-sql-postgres": "PostgreSQL",
    "mysql": "MySQL", "cloud-sql-mysql": "MySQL", "sqlite": "SQLite",
}
failed = False
running = []


def case(name, wrong=None):
    global failed
    failed = failed or bool(wrong)
    print(f"not ok - toolbox: {name} # {wrong}" if wrong else f"ok - toolbox: {name}", flush=True)


def create(*files):
    """The spec and what was told."""
    said = subprocess.run([BINARY, "create", "--toolbox", *files, "--dry-run"], capture_output=True, text=True)
    return said.stdout, said.stderr


def items(text):
    """The documents of a file, by their kind: just enough of YAML for files that are written one field a line."""
    for document in re.split(r"^---\s*$", text, flags=re.M):
        fields = dict(re.findall(r"^(\w+): *(.*)$", document, flags=re.M))
        if "kind" in fields:
            yield {key: value.strip("\"' ") for key, value in fields.items()}


def rate():
    converted, refused, total = {}, {}, {}
    missing = []
    files = prebuilt.read(TOOLBOX)
    case("its program has prebuilt files", None if len(files) > 30 else f"{len(files)} of them")
    for name, text in sorted(files.items()):
        declared = list(items(text))
        sources = {item["name"]: SOURCES.get(item.get("type")) for item in declared if item["kind"] == "source"}
        tools = [item for item in declared if item["kind"] == "tool" and sources.get(item.get("source"))]
        if not tools:
            continue
        path = WORK / name
        path.write_text(text)
        spec, told = create(path)
        made = set(re.findall(r"^  - name: (\S+)$", spec.split("\ntools:")[-1].split("\ntoolsets:")[0], flags=re.M))
        reasons = dict(re.findall(r"^left out: the tool `([^`]+)`: (.+?) \(at ", told, flags=re.M))
        for tool in tools:
            kind = "with its statement" if "statement" in tool else "without one"
            key = (sources[tool["source"]], kind)
            total[key] = total.get(key, 0) + 1
            if tool["name"] in made:
                converted[key] = converted.get(key, 0) + 1
            elif tool["name"] in reasons:
                reason = re.sub(r"`[^`]*`", "`…`", reasons[tool["name"]])
                refused.setdefault(reason, []).append(tool["name"])
            else:
                missing.append(f"{name}: {tool['name']}")
    case("each SQL tool of its prebuilt files is converted or refused with a reason", ", ".join(missing) or None)
    for key in sorted(total):
        print(f"# {key[0]}, {key[1]}: {converted.get(key, 0)} of {total[key]} converted")
    for reason, names in sorted(refused.items(), key=lambda it: -len(it[1])):
        print(f"# refused {len(names)}: {reason}")
    with_statement = [key for key in total if key[1] == "with its statement"]
    done, all_ = (sum(counts.get(key, 0) for key in with_statement) for counts in (converted, total))
    case(f"{done} of {all_} tools with a statement are converted", None if done / all_ >= 0.8 else "that is too few")
    return files


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(command, ready, environment=None, log="log"):
    """Starts a program, and waits until something is there."""
    with open(WORK / log, "w") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **(environment or {})}, cwd=WORK)
    running.append(child)
    for _ in range(1200):
        if (answer := ready()) is not None:
            return answer
        if child.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"{command[0]} did not start: {(WORK / log).read_text()[-2000:]}")


def listens(port):
    with socket.socket() as client:
        return port if client.connect_ex(("127.0.0.1", port)) == 0 else None


def account(name):
    return ["setpriv", "--reuid", name, "--regid", name, "--clear-groups", "--"] if os.geteuid() == 0 else []


def folder_of(name):
    folder = WORK / name
    folder.mkdir()
    if os.geteuid() == 0:
        WORK.chmod(0o711)
        shutil.chown(folder, name, name)
    return folder


def postgres():
    binaries = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda it: float(it.parent.name))
    folder, port, run = folder_of("postgres"), free_port(), account("postgres")
    data = str(folder / "data")
    initdb = [*run, binaries / "initdb", "--username=reader", "--auth=trust", "--encoding=UTF8", "--no-sync", "-D", data]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
    server = [*run, str(binaries / "postgres"), "-D", data, "-k", str(folder), "-p", str(port), "-c", "listen_addresses=127.0.0.1"]
    def ready():
        asked = subprocess.run([binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)])
        return port if asked.returncode == 0 else None
    start(server, ready, log="postgres.log")
    url = f"postgresql://reader@127.0.0.1:{port}/postgres"
    sql = [binaries / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", HERE / "hotels.postgres.sql", url]
    subprocess.run(sql, check=True)
    return port, f"postgresql://reader:any@127.0.0.1:{port}/postgres"


def mariadb():
    folder, port, run = folder_of("mysql"), free_port(), account("mysql")
    data = str(folder / "data")
    install = ["mariadb-install-db", "--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal", f"--datadir={data}"]
    install += ["--user=mysql"] if run else []
    subprocess.run(install, check=True, capture_output=True, cwd="/")
    init = folder / "init.sql"
    init.write_text("CREATE DATABASE hotels CHARACTER SET utf8mb4;\nCREATE USER reader@'%' IDENTIFIED BY 'open', reader@localhost IDENTIFIED BY 'open';\nGRANT ALL ON *.* TO reader@'%', reader@localhost;\n")
    init.chmod(0o644)
    server = [*run, "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={folder}/socket", f"--pid-file={folder}/pid",
              f"--init-file={init}", f"--port={port}", "--bind-address=127.0.0.1", "--skip-log-bin", "--performance-schema=0"]
    start(server, lambda: listens(port), log="mariadb.log")
    sql = ["mariadb", "--no-defaults", "--protocol=tcp", "-h127.0.0.1", f"-P{port}", "-ureader", "-popen", "hotels"]
    subprocess.run(sql, check=True, stdin=open(HERE / "hotels.mysql.sql"))
    return port, f"mysql://reader:open@127.0.0.1:{port}/hotels"


def call(url, tool, arguments):
    """The rows of an answer; a text where it failed."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        result = json.load(answer).get("result", {"isError": True})
    if result.get("isError"):
        return "an error"
    said = result.get("structuredContent")
    if said is None or "items" not in said:
        rows = []
        for content in result["content"]:
            value = json.loads(content["text"]) if content["text"] not in ("null", "") else []
            rows += value if isinstance(value, list) else [value]
        return rows
    return said["items"]


def plain(value):
    """What both say of one value: numbers of any spelling, moments, texts of JSON."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return float(value)
    except ValueError:
        pass
    if value[:1] in "[{":
        try:
            return plain(json.loads(value))
        except ValueError:
            return value
    try:
        moment = datetime.datetime.fromisoformat(value.replace("Z", "+00:00").replace(" ", "T"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).isoformat()
    except ValueError:
        return value


def same(label, files, environment, ours, calls):
    """Both serve the files; each call has to give the same rows."""
    config = [argument for file in files for argument in ("--configs", file)] if len(files) > 1 else ["--config", files[0]]
    port = free_port()
    theirs = [TOOLBOX, *config, "--port", str(port), "--disable-version-check", "--log-level", "WARN"]
    start(theirs, lambda: listens(port), environment, log="toolbox.log")
    spec = WORK / f"{label}.spec.yaml"
    spec.unlink(missing_ok=True)
    made = subprocess.run([BINARY, "create", "--toolbox", *files, "--out", spec], capture_output=True, text=True)
    if made.returncode:
        return case(f"{label}: becomes a spec", made.stderr)
    log = f"{label}.ours.log"
    def found():
        said = re.search(r'http://127[^" ]*/mcp', (WORK / log).read_text())
        return said and said.group()
    url = start([BINARY, "serve", str(spec), "--listen", "127.0.0.1:0"], found, ours, log=log)
    for tool, arguments, *name in calls:
        wanted = call(f"http://127.0.0.1:{port}/mcp", tool, arguments)
        mine = {key: value for key, value in arguments.items() if not name or key not in name[1:]}
        got = call(url, name[0] if name else tool, mine)
        wrong = None if plain(got) == plain(wanted) else f"{json.dumps(got)[:400]} and not {json.dumps(wanted)[:400]}"
        empty = "there is nothing to compare" if not wrong and not wanted else None
        case(f"{label}: {tool} {json.dumps(arguments)} answers the same {len(wanted)} rows", wrong or empty)


def hotels(kind):
    """The sample file, for one database."""
    text = (HERE / f"hotels.{kind}.yaml").read_text()
    path = WORK / f"hotels.{kind}.yaml"
    path.write_text(text)
    return str(path)


def main():
    files = rate()
    for name in ("sqlite.yaml", "postgres.yaml"):
        (WORK / name).write_text(files[name])

    database = WORK / "hotels.db"
    with sqlite3.connect(database) as connection:
        connection.executescript((HERE / "hotels.sqlite.sql").read_text())
    tables = [("list_tables", {}), ("list_tables", {"output_format": "simple"}), ("list_tables", {"table_names": "hotels,nothing"})]
    where = {"SQLITE_DATABASE": str(database)}
    same("its own file for SQLite", [str(WORK / "sqlite.yaml")], where, where, tables)
    calls = [
        ("by_id", {"id": 2}),
        ("search", {"name": "grand", "min_stars": 3}),
        ("search", {"name": "grand"}),
        ("in_city", {"city": "Basel"}),
        ("in_city", {}),
        ("cheapest", {"count": 2}),
        ("all_of", {"table": "rooms"}, "all_of_rooms", "table"),
        ("all_of", {"table": "hotels"}, "all_of_hotels", "table"),
        ("like", {"part": "and"}),
        ("optional", {"text": ""}),
        ("optional", {"text": "Zürich"}),
    ]
    same("SQLite", [hotels("sqlite")], where, where, calls)

    port, url = postgres()
    where = {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": str(port), "POSTGRES_DATABASE": "postgres", "POSTGRES_USER": "reader", "POSTGRES_PASSWORD": "any"}
    own = [("list_autovacuum_configurations", {}), ("list_memory_configurations", {}), ("list_top_bloated_tables", {"limit": 3})]
    same("its own file for PostgreSQL", [str(WORK / "postgres.yaml")], where, {"POSTGRESQL_SOURCE_URL": url}, own)
    more = [("any_of", {"ids": [1, 3]}), ("since", {"day": "2024-02-01"})]
    same("PostgreSQL", [hotels("postgres")], where, {"HOTELS_DB_URL": url}, calls + more)

    port, url = mariadb()
    where = {"MYSQL_PORT": str(port)}
    same("MySQL", [hotels("mysql")], where, {"HOTELS_DB_URL": url}, calls)


try:
    main()
finally:
    for child in reversed(running):
        child.terminate()
    for child in running:
        child.wait()
sys.exit(failed)
