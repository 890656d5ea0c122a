"""One real system for the whole suite; one tenant for each test."""

import httpx
import psycopg
import pytest

from weir_e2e.admin import Admin
from weir_e2e.hostile import Cases, Stage, serves
from weir_e2e.provider import FakeProvider
from weir_e2e.raw import exchange
from weir_e2e.secure import Authority, SecureProvider
from weir_e2e.system import System
from weir_e2e.world import World

MEASURED = pytest.StashKey[list[str]]()
SEEN = pytest.StashKey[list[str]]()
HOSTILE = pytest.StashKey[list[Cases]]()


@pytest.fixture(scope="session")
def authority():
    """Who vouches for providers under TLS."""
    authority = Authority()
    yield authority
    authority.close()


@pytest.fixture(scope="session")
def system(request, authority):
    """What `make run` starts. Ending it is a test too: nothing may be left running."""
    system = System(WEIR_ENVOY_CA_FILE=str(authority.file))
    try:
        system.start()
        yield system
    finally:
        wrong = system.stop()
        failed = wrong or request.session.testsfailed
        if failed:
            print(f"\nlogs are kept in {system.state}")
        else:
            system.forget()
    assert not wrong, wrong


@pytest.fixture(scope="session")
def run(system):
    """What `run.json` says."""
    return system.run


@pytest.fixture(scope="session")
def admin(run):
    """The platform's administrator."""
    return Admin(run["console_url"], run["admin_email"], run["admin_password"])


@pytest.fixture(scope="session")
def fake(run):
    """The demo provider, which takes orders."""
    return FakeProvider(run["demo_provider_url"])


@pytest.fixture(scope="session")
def secure_fake(authority):
    """The demo provider under TLS with HTTP/2, as those on the internet are."""
    with SecureProvider(authority) as provider:
        yield provider.as_host("localhost")


@pytest.fixture
def transport():
    """How providers are reached; `over_both` runs a test with both."""
    return "plain"


@pytest.fixture
def new_world(admin, transport, run, request):
    """Makes tenants."""
    fake = request.getfixturevalue({"plain": "fake", "http2": "secure_fake"}[transport])
    return lambda **tenant: World(admin, fake, run["gateway_url"], **tenant)


@pytest.fixture
def world(new_world):
    """A tenant of this test's own."""
    return new_world()


@pytest.fixture
def gateway(run):
    """A plain client without a key."""
    with httpx.Client(base_url=run["gateway_url"], timeout=30) as client:
        yield client


@pytest.fixture
def envoy(run):
    """Envoy's admin interface."""
    with httpx.Client(base_url=run["envoy_admin_url"], timeout=10) as client:
        yield client


@pytest.fixture(scope="session")
def database(run):
    """The database, beside the API."""
    with psycopg.connect(run["database_url"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def measured(request):
    """Notes a figure that is printed at the end of the run."""
    figures = request.config.stash.setdefault(MEASURED, [])
    return lambda what, seconds: figures.append(f"{what}: {seconds * 1000:.0f} ms")


@pytest.fixture
def seen(request):
    """Notes a line of the table of faults, which is printed at the end of the run."""
    lines = request.config.stash.setdefault(SEEN, [])
    return lambda fault, counts: lines.append(f"{fault}: {counts}")


@pytest.fixture(scope="module")
def stage(admin, fake, run):
    """A tenant with a model for each schema of provider, for all cases of a file."""
    return Stage(World(admin, fake, run["gateway_url"]))


@pytest.fixture
def cases(request, envoy, stage):
    """Counts hostile cases, asserts in the end that all went well, and has the count printed."""

    def vms_reborn() -> int:
        # A VM that died comes back with the next request of its worker: these reach both workers, but for a chance of one in 2^19.
        for _ in range(20):
            exchange(stage.world.gateway_url, [b"GET /v1/models HTTP/1.1\r\nhost: weir\r\n\r\n"])
        lines = envoy.get("/stats", params={"filter": r"^wasm\..*\.vm_reload_(success|failure|backoff)$"}).text.splitlines()
        assert lines, "Envoy counts no reloads of VMs"
        return sum(int(line.rsplit(": ", 1)[1]) for line in lines)

    cases = Cases(vms_reborn, lambda: serves(stage.http, "openai", "openai"))
    request.config.stash.setdefault(HOSTILE, []).append(cases)
    yield cases
    cases.check()


def pytest_terminal_summary(terminalreporter, config):
    figures = list(config.stash.get(MEASURED, []))
    hostile = config.stash.get(HOSTILE, [])
    if hostile:
        seen, wrong = sum(it.seen for it in hostile), sum(len(it.wrong) for it in hostile)
        figures.append(f"hostile cases: {seen}, ended well: {seen - wrong}")
    if figures:
        terminalreporter.section("measured")
        for figure in figures:
            terminalreporter.line(figure)
    faults = config.stash.get(SEEN, [])
    if faults:
        terminalreporter.section("faults")
        for line in faults:
            terminalreporter.line(line)
