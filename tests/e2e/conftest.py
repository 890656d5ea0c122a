"""One real system for the whole suite; one tenant for each test."""

import httpx
import psycopg
import pytest

from weir_e2e.admin import Admin
from weir_e2e.provider import FakeProvider
from weir_e2e.system import System
from weir_e2e.world import World

MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def system(request):
    """What `make run` starts. Ending it is a test too: nothing may be left running."""
    system = System()
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


@pytest.fixture
def new_world(admin, fake, run):
    """Makes tenants."""
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


def pytest_terminal_summary(terminalreporter, config):
    figures = config.stash.get(MEASURED, [])
    if figures:
        terminalreporter.section("measured")
        for figure in figures:
            terminalreporter.line(figure)
