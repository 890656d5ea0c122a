"""A secret is where it is used and nowhere else: unique ones of every kind, traffic and faults, and then a search of
everything that can be read."""

import json
import stat
import uuid

import httpx
import psycopg
import pytest

from weir_e2e import everywhere
from weir_e2e.admin import Admin
from weir_e2e.provider import ok, status
from weir_e2e.sse import post
from weir_e2e.system import System
from weir_e2e.waiting import eventually
from weir_e2e.world import UPSTREAM_MODEL, Upstream, World

# What the person who runs it on one machine must read, closed to others.
OWN_FILES = {"run.json", "secrets.json", "gateway-token.json"}


def canary(kind: str) -> str:
    return f"canary-{kind}-{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def keys():
    """Real providers' keys, as an operator gives them to `make run`."""
    return {"OPENAI_API_KEY": canary("environment-openai"), "ANTHROPIC_API_KEY": canary("environment-anthropic")}


@pytest.fixture(scope="module")
def guarded(keys):
    """A system of its own that logs as much as can be asked for; ended before its files are read once more."""
    system = System(WEIR_LOG="debug", **keys)
    try:
        system.start()
        yield system
    finally:
        wrong = system.stop()
        system.forget()
    assert not wrong, wrong


class Story:
    """What happens before the search: the secrets that were used, and every answer that anybody got."""

    def __init__(self, system: System, fake):
        run = system.run
        self.admin = Admin(run["console_url"], run["admin_email"], run["admin_password"])
        self.fake = fake
        self.world = World(self.admin, fake, run["gateway_url"])
        self.console_url = run["console_url"]
        self.secrets = {"session": self.admin.http.headers["authorization"].removeprefix("Bearer ")}
        self.upstreams: list[Upstream] = []
        self.answers: dict[str, bytes] = {}

    def upstream(self, kind: str, name: str, *behaviours_of) -> Upstream:
        """A provider of a kind; its behaviours are made with its own credential, so that it can say it."""
        credential = self.secrets[f"credential {kind} {name}"] = canary(f"{kind}-{name}")
        scenario = self.fake.scenario(*[behaviour(credential) for behaviour in behaviours_of])
        made = self.admin.create(
            "providers",
            tenant_id=self.world.tenant_id,
            name=f"{kind}-{name}",
            schema=kind,
            base_url=scenario.base_url,
            credential=credential,
        )
        self.upstreams.append(Upstream(made["id"], made["name"], kind, credential, scenario))
        return self.upstreams[-1]

    def note(self, what: str, response: httpx.Response) -> httpx.Response:
        """Keeps an answer for the search."""
        headers = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
        name = f"answer {len(self.answers)} {what} {response.status_code}"
        self.answers[name] = f"{headers}\n{response.text}".encode()
        return response


def quoting(code: int):
    """A refusal that quotes the credential wherever it can."""

    def behaviour(credential: str):
        error = {"message": f"no: {credential}", "type": credential, "code": credential, "param": credential}
        body = {"type": "error", "error": error, "debug": credential}
        return status(code, body=body, headers={"www-authenticate": f"Bearer {credential}", "x-debug": credential})

    return behaviour


def quoting_in_stream(kind: str):
    """A stream that begins well and ends with an error that quotes the credential."""

    def behaviour(credential: str):
        error = {"type": "invalid_request_error", "message": f"no: {credential}", "code": credential}
        if kind == "anthropic":
            usage = {"input_tokens": 1, "output_tokens": 1}
            message = {"id": "1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
            events = [
                {"type": "message_start", "message": message},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
                {"type": "error", "error": error},
            ]
            body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        else:
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
            chunk["choices"] = [{"index": 0, "delta": {"role": "assistant", "content": "hi"}, "finish_reason": None}]
            body = "".join(f"data: {json.dumps(event)}\n\n" for event in (chunk, {"error": error}))
        return status(200, body=body, headers={"content-type": "text/event-stream"})

    return behaviour


def good(answer: str):
    return lambda _: ok(answer)


@pytest.fixture(scope="module")
def story(guarded, fake, keys):
    story = Story(guarded, fake)
    world, admin, secrets = story.world, story.admin, story.secrets
    secrets |= {f"environment {name}": key for name, key in keys.items()}
    prompt, answer = canary("prompt"), canary("answer")
    secrets |= {"prompt": prompt, "answer": answer, "personal data": f"{canary('person')}@example.com"}
    messages = [{"role": "user", "content": f"{prompt} {secrets['personal data']}"}]

    wrong = httpx.post(
        f"{story.console_url.rstrip('/')}/api/v1/admin/providers",
        headers={"authorization": admin.http.headers["authorization"]},
        json={"name": "of no kind", "schema": "none", "base_url": "https://provider.example"},
    )
    kinds = {kind for kind in UPSTREAM_MODEL if f"{kind}" in wrong.text}
    assert wrong.status_code == 422 and kinds == set(UPSTREAM_MODEL), wrong.text
    models = []
    for kind in kinds:
        for other in kinds:
            name = f"{kind}-then-{other}"
            first = story.upstream(kind, f"first-{name}", quoting(503), quoting(429), quoting(500), quoting(401))
            world.model(name, first, story.upstream(other, f"second-{name}", good(answer)))
            models.append(name)
        for code in (400, 401, 403, 404, 429, 500):
            world.model(f"{kind}-{code}", story.upstream(kind, str(code), quoting(code)))
            models.append(f"{kind}-{code}")
        world.model(f"{kind}-stream", story.upstream(kind, "stream", quoting_in_stream(kind)))
        models.append(f"{kind}-stream")
    profile = world.profile(("EMAIL", "flag", "both"))
    key = world.key(guardrail_profile_id=profile)
    secrets["api key"] = key.secret
    http = world.http(key)
    seen = set()
    for model in models:
        for schema in ("openai", "anthropic"):
            for streamed in (False, True):
                response = story.note(model, post(http, schema, model, stream=streamed, messages=messages))
                seen.add(response.status_code)
    assert {200, 400, 429, 500, 502} <= seen, seen

    # A credential is replaced; the one before must be gone from everywhere as well.
    replaced = story.upstreams[0]
    secrets["credential replaced"] = canary("replaced")
    admin.change("providers", replaced.id, credential=secrets["credential replaced"])
    admin.settle()
    story.note("after the change", post(http, "openai", models[0], messages=messages))

    # People mistake one field for another.
    wrong = secrets["credential in a wrong field"] = canary("mistake")
    provider = {"tenant_id": world.tenant_id, "name": "x", "schema": "openai", "base_url": "https://a.example"}
    for fields in (
        {"schema": wrong},
        {"credential": [wrong]},
        {"credential": f"{wrong}\n"},
        {"base_url": f"https://u:{wrong}@a.example"},
        {"base_url": f"https://a.example/?key={wrong}"},
        {"tenant_id": wrong},
    ):
        response = story.note(f"wrong {list(fields)}", admin.http.post("/providers", json=provider | fields))
        assert response.status_code == 422, response.text
    # Refused before its body is read, which ends the connection.
    untyped = {"authorization": admin.http.headers["authorization"]}
    untyped = httpx.post(f"{admin.http.base_url}providers", content=f'{{"credential": "{wrong}"', headers=untyped)
    assert story.note("untyped", untyped).status_code == 415

    # Administrators sign in, rightly and wrongly.
    email = f"user-{uuid.uuid4().hex}@weir.example"
    password = secrets["password"] = canary("password")
    admin.create("users", tenant_id=world.tenant_id, email=email, role="viewer", password=password)
    secrets["wrong password"], secrets["password as address"] = canary("wrong"), canary("typed-into-the-address")
    login = f"{admin.http.base_url}auth/login"
    for fields, expect in (
        ({"email": email, "password": secrets["wrong password"]}, 401),
        ({"email": secrets["password as address"], "password": "x"}, 401),
        ({"email": email, "password": password}, 200),
    ):
        response = httpx.post(login, json=fields)
        assert response.status_code == expect, response.text
    # It is shown this once.
    secrets["viewer's session"] = response.json()["token"]
    viewer = {"authorization": "Bearer " + secrets["viewer's session"]}
    story.note("viewer", httpx.get(f"{admin.http.base_url}providers", headers=viewer))
    same = {"email": email, "role": "viewer", "tenant_id": world.tenant_id, "password": password}
    taken = admin.http.post("/users", json=same)
    assert story.note("taken", taken).status_code == 409
    # Each repeat of a request that made a secret shows it again, from what is kept encrypted.
    made = [
        admin.http.post("/api-keys", json={"tenant_id": world.tenant_id, "name": "r"}, headers={"idempotency-key": "r"})
        for _ in range(2)
    ]
    assert made[0].json() == made[1].json()
    secrets["repeated api key"] = made[0].json()["key"]
    secrets["gateway token"] = admin.create("gateways", name=f"g-{uuid.uuid4().hex}")["token"]

    # A key that nobody has, where keys are and where they are not.
    stray = secrets["stray key"] = f"weir_{canary('stray')}"
    bearer = {"authorization": f"Bearer {stray}"}
    for headers, query in ((bearer, ""), ({"x-api-key": stray}, ""), ({}, f"?key={stray}")):
        response = httpx.get(f"{world.gateway_url}/v1/models{query}", headers=headers)
        assert story.note("stray", response).status_code in (400, 401)
    eventually(lambda: len(admin.all("usage")) >= len(models) * 4, within_s=10, what="the records of all requests")
    return story


def test_no_secret_is_where_anybody_could_read_it(guarded, story):
    with psycopg.connect(guarded.run["database_url"], autocommit=True) as database:
        database.execute("CHECKPOINT")
        tables = everywhere.rows(database)
    places = (
        everywhere.envoys_pages(guarded.run["envoy_admin_url"])
        | everywhere.admin_answers(story.admin)
        | everywhere.files(guarded)
        | everywhere.processes(guarded)
        | tables
    )
    # It is looked where something is to be found.
    pool = story.admin.all("pools")[0]["id"].encode()
    for where in ("envoy /config_dump?include_eds", "admin pools", "table pools"):
        assert pool in places[where], where
    assert story.world.tag.encode() in b"".join(content for where, content in places.items() if "pg_wal" in where)
    assert everywhere.leaks(places, story.secrets) == []


def test_no_secret_is_in_an_answer(story):
    # A client reads what its own model answered, and an administrator may read back what was typed into a wrong field.
    own_words = {"answer", "prompt", "personal data"}
    secrets = {name: secret for name, secret in story.secrets.items() if name not in own_words}
    assert everywhere.leaks(story.answers, secrets) == []
    assert any(b"[removed]" in answer for answer in story.answers.values()), "no provider quoted its credential"


def test_each_provider_gets_its_own_credential_and_no_other_secret(story):
    asked = 0
    for upstream in story.upstreams:
        for received in upstream.received():
            asked += 1
            shown = {name for name, secret in story.secrets.items() if received.holds(secret)}
            shown -= {"prompt", "personal data"}
            assert len(shown) == 1, (upstream.name, shown)
            name = upstream.name.removeprefix(f"{upstream.schema}-")
            assert shown <= {"credential replaced", f"credential {upstream.schema} {name}"}, (upstream.name, shown)
    assert asked > 50, asked


def test_the_secrets_of_a_run_are_in_closed_files_only(guarded):
    run = guarded.run
    secrets = {name: run[name] for name in ("admin_password", "api_key", "gateway_token")}
    places = everywhere.envoys_pages(run["envoy_admin_url"]) | everywhere.files(guarded) | everywhere.processes(guarded)
    # It greets the person who started it with what is needed to begin.
    greeting = {"file weir-dev.log"}
    found = everywhere.leaks(places, secrets, allowed={f"file {name}" for name in OWN_FILES} | greeting)
    assert found == []
    assert "gateway_token in file weir-dev.log" not in everywhere.leaks(places, secrets)
    for name in (*OWN_FILES, "master.key"):
        assert stat.S_IMODE((guarded.state / name).stat().st_mode) == 0o600, name
    # Whoever else is on the machine cannot read the database's files either.
    data = [path.parent for path in guarded.state.rglob("postgresql.conf")]
    assert data and all(stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0 for folder in data), data
