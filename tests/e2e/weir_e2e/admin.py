"""The admin API as a script would use it."""

import threading
from typing import Any

import httpx

from .waiting import eventually


class AdminError(AssertionError):
    """The admin API refused what a test needs."""

    def __init__(self, response: httpx.Response):
        super().__init__(f"{response.request.method} {response.request.url}: {response.status_code} {response.text}")
        self.response = response


class Admin:
    """A session at the admin API. Remembers the newest revision that it wrote."""

    def __init__(self, console_url: str, email: str, password: str):
        self.http = httpx.Client(base_url=f"{console_url.rstrip('/')}/api/v1/admin", timeout=30)
        login = self.http.post("/auth/login", json={"email": email, "password": password})
        if login.status_code != 200:
            raise AdminError(login)
        self.http.headers["authorization"] = f"Bearer {login.json()['token']}"
        self.revision = 0
        self._lock = threading.Lock()

    def create(self, resource: str, **fields: Any) -> dict[str, Any]:
        """Creates a resource and answers what the API said of it."""
        response = self._write("POST", f"/{resource}", 201, json=fields)
        assert response.headers["location"].endswith(response.json()["id"]), response.headers
        return response.json()

    def change(self, resource: str, id: str, streams: str | None = None, **fields: Any) -> dict[str, Any]:
        """Changes fields of a resource as it is now. `streams`: what becomes of streams under way, `finish` or `end`."""
        etag = self._get(f"/{resource}/{id}").headers["etag"]
        query = {"streams": streams} if streams else {}
        headers = {"if-match": etag}
        return self._write("PATCH", f"/{resource}/{id}", 200, json=fields, params=query, headers=headers).json()

    def delete(self, resource: str, id: str) -> None:
        """Deletes a resource as it is now."""
        etag = self._get(f"/{resource}/{id}").headers["etag"]
        self._write("DELETE", f"/{resource}/{id}", 200, headers={"if-match": etag})

    def revoke(self, key_id: str, **query: str) -> dict[str, Any]:
        """Withdraws an API key."""
        return self._write("POST", f"/api-keys/{key_id}/revoke", 200, params=query).json()

    def rotate(self, gateway_id: str, overlap_seconds: int) -> dict[str, Any]:
        """Gives a gateway another token."""
        path = f"/gateways/{gateway_id}/rotate"
        return self._write("POST", path, 200, json={"overlap_seconds": overlap_seconds}).json()

    def read(self, resource: str, id: str) -> dict[str, Any]:
        """One resource."""
        return self._get(f"/{resource}/{id}").json()

    def all(self, resource: str, **filters: Any) -> list[dict[str, Any]]:
        """Every item of a list, page by page."""
        items: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self._get(f"/{resource}", **filters, **({"cursor": cursor} if cursor else {})).json()
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items

    def text_of(self, path: str, **query: Any) -> str:
        """An answer's body as it is."""
        return self._get(path, **query).text

    def scan(self, text: str, **fields: Any) -> dict[str, Any]:
        """What the guardrails find in a text, without sending it anywhere."""
        response = self.http.post("/guardrails/test", json={"text": text, **fields})
        if response.status_code != 200:
            raise AdminError(response)
        return response.json()

    def connected_nodes(self) -> list[dict[str, Any]]:
        """Envoys that are connected now."""
        return [node for node in self.all("nodes") if node["connected"]]

    def applied(self, revision: int) -> bool:
        """Whether every connected Envoy has applied a revision, and there is one."""
        nodes = self.connected_nodes()
        refused = [node["refused"] for node in nodes if node["refused"] and node["refused"]["revision"] >= revision]
        assert not refused, refused
        return bool(nodes) and all(node["applied_revision"] >= revision for node in nodes)

    def settle(self) -> None:
        """Waits until everything written so far is applied everywhere."""
        wanted = self.revision
        eventually(lambda: self.applied(wanted), within_s=10, what=f"revision {wanted} applied on every Envoy")

    def usage(self, **filters: Any) -> list[dict[str, Any]]:
        """Usage records, newest first."""
        return self.all("usage", **filters)

    def _get(self, path: str, **query: Any) -> httpx.Response:
        response = self.http.get(path, params=query)
        if response.status_code != 200:
            raise AdminError(response)
        return response

    def _write(self, method: str, path: str, expect: int, **arguments: Any) -> httpx.Response:
        response = self.http.request(method, path, **arguments)
        if response.status_code != expect:
            raise AdminError(response)
        with self._lock:
            self.revision = max(self.revision, response.json()["revision"])
        return response
