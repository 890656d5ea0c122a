"""Every place where a secret could turn up, read once."""

import base64
import contextlib
import json
from collections.abc import Iterable
from typing import Any

import httpx
import psutil
import psycopg

from .admin import Admin
from .system import System

# Pages of Envoy's admin interface that change something, wait, or write files.
NOT_READ = {"/", "/tap", "/cpuprofiler", "/heapprofiler", "/heap_dump", "/allocprofiler"}
NOT_READ |= {"/quitquitquit", "/drain_listeners"}
ALSO_READ = ["/config_dump?include_eds", "/stats/prometheus"]
ALSO_READ += [f"/{page}?format=json" for page in ("clusters", "stats", "listeners")]


def spellings(secret: str) -> list[bytes]:
    """A secret as it may stand somewhere: as it is, in base64, in hexadecimal digits, as JSON."""
    plain = secret.encode()
    return list({plain, base64.b64encode(plain).rstrip(b"="), plain.hex().encode(), json.dumps(secret)[1:-1].encode()})


def leaks(places: dict[str, bytes], secrets: dict[str, str], allowed: Iterable[str] = ()) -> list[str]:
    """Which secret is in which place, but for the places that may hold one."""
    found = []
    for name, secret in secrets.items():
        for spelling in spellings(secret):
            found += [f"{name} in {where}" for where, content in places.items() if spelling in content]
    return sorted({leak for leak in found if not leak.endswith(tuple(f" in {place}" for place in allowed))})


def envoys_pages(url: str) -> dict[str, bytes]:
    """Everything that Envoy's admin interface shows."""
    with httpx.Client(base_url=url, timeout=20) as http:
        paths = [line.split()[0].rstrip(":") for line in http.get("/help").text.splitlines() if line.startswith("  /")]
        assert {"/config_dump", "/certs", "/clusters", "/stats"} <= set(paths), paths
        paths = [path for path in paths if path not in NOT_READ] + ALSO_READ
        pages = {f"envoy {path}": http.get(path) for path in paths}
    # Some pages change something, and are refused here.
    return {path: page.content for path, page in pages.items() if page.status_code == 200}


def admin_answers(admin: Admin) -> dict[str, bytes]:
    """The answer of every operation that reads, for everything there is."""
    origin = str(admin.http.base_url).split("/api/")[0]
    answers = {path: admin.http.get(f"{origin}{path}").content for path in ("/metrics", "/health", "/ready", "/docs/")}
    document = admin.http.get(f"{origin}/api/v1/openapi.json").json()
    for path, operations in document["paths"].items():
        if "get" not in operations:
            continue
        resource = path.removeprefix("/api/v1/admin/")
        parameters = operations["get"].get("parameters", [])
        if resource == "events":
            continue  # It does not end, and tells of changes only what the lists tell.
        if resource == "auth/oidc/{id}/callback":
            continue  # It sends a browser on, and has nothing to read.
        if "{id}" in resource:
            for item in admin.all(resource.split("/{id}")[0]):
                # Records are known by their request.
                one = resource.replace("{id}", item.get("id") or item["request_id"])
                answers[f"admin {one}"] = admin.text_of(f"/{one}").encode()
        elif any(parameter["name"] == "cursor" for parameter in parameters):
            answers[f"admin {resource}"] = json.dumps(admin.all(resource)).encode()
        else:
            query = {parameter["name"]: "e" for parameter in parameters if parameter.get("required")}
            answers[f"admin {resource}"] = admin.text_of(f"/{resource}", **query).encode()
    assert len(answers) > 20, list(answers)
    return answers


def files(system: System) -> dict[str, bytes]:
    """Every file of a run: logs, configuration, the database's own files with its log of writes."""
    found = {}
    for path in system.state.rglob("*"):
        # Postgres's files come and go.
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and not path.is_symlink():
                found[f"file {path.relative_to(system.state)}"] = path.read_bytes()
    assert any("pg_wal" in name for name in found), "the database's files are elsewhere"
    return found


def rows(database: psycopg.Connection[Any]) -> dict[str, bytes]:
    """Every table as text."""
    query = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    tables = [table for (table,) in database.execute(query).fetchall()]
    assert len(tables) > 15, tables
    read = 'SELECT coalesce(string_agg(to_jsonb(t)::text, chr(10)), \'\') FROM "{}" AS t'
    return {f"table {table}": database.execute(read.format(table)).fetchone()[0].encode() for table in tables}


def processes(system: System) -> dict[str, bytes]:
    """What any process of a run shows of itself: its arguments and its environment."""
    shown = {}
    for process in system.processes():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            name = f"process {process.name()} {process.pid}"
            shown[f"{name} arguments"] = "\0".join(process.cmdline()).encode()
            shown[f"{name} environment"] = "\0".join(f"{k}={v}" for k, v in process.environ().items()).encode()
    assert len(shown) > 6, list(shown)
    return shown
