"""A real OpenID provider, and browsers that go there and back."""

import contextlib
import html
import os
import re
import subprocess
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx

from .node import SCRIPTS

COOKIE = re.compile(r"^([^=;]+)=([^;]*)")


class IdentityProvider:
    """`oidc-provider`, the certified one for Node, with people and clients of the test's own."""

    def __init__(self) -> None:
        command = [os.environ.get("WEIR_NODE", "node"), str(SCRIPTS / "identity.mjs")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.issuer = self.process.stdout.readline().strip()
        assert self.issuer.startswith("http://127.0.0.1:"), "the OpenID provider did not start"

    def __enter__(self) -> "IdentityProvider":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()

    def knows(self, **people: dict[str, Any]) -> None:
        """From now on it knows these people, by their logins."""
        self._change("people", people)

    def serves(self, *clients: dict[str, Any]) -> None:
        """From now on it serves these clients."""
        self._change("clients", list(clients))

    def rotate_keys(self) -> None:
        """From now on it signs with another key, and the old one is gone."""
        self._change("rotate", {})

    def _change(self, what: str, to: Any) -> None:
        httpx.post(f"{self.issuer}/test/{what}", json=to).raise_for_status()


class Browser:
    """Somebody's browser: it holds Weir's cookies, as browsers do on their own machine, and walks through the provider's pages."""

    def __init__(self, console_url: str) -> None:
        self.origin = console_url.rstrip("/")
        self.cookies: dict[str, str] = {}
        self.weir = httpx.Client(base_url=f"{self.origin}/api/v1/admin", timeout=30)
        self.elsewhere = httpx.Client(timeout=30)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A request of the console's page to its own origin."""
        headers = {"origin": self.origin, "sec-fetch-site": "same-origin"}
        return self._weir(method, path, headers, **more)

    def start(self, provider_id: str, **how: Any) -> str:
        """Begins a sign-in; answers the provider's page."""
        started = self.ask("POST", f"/auth/oidc/{provider_id}/start", json=how)
        assert started.status_code == 200, started.text
        return started.json()["url"]

    def go(self, url: str, login: str) -> str:
        """Signs in at the provider; answers where it sends the browser back to."""
        answer = self.elsewhere.get(url)
        for _ in range(12):
            if answer.is_redirect:
                location = str(answer.next_request.url) if answer.next_request else ""
                if location.startswith(self.origin):
                    return location
                answer = self.elsewhere.get(location)
                continue
            assert answer.status_code == 200, answer.text
            action = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            assert action, answer.text
            page = urlsplit(str(answer.url))
            target = html.unescape(action[1])
            target = target if "://" in target else f"{page.scheme}://{page.netloc}{target}"
            hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', answer.text))
            answer = self.elsewhere.post(target, data={**hidden, "login": login, "password": "any", "logout": "yes"})
        raise AssertionError(f"the provider never came back: {answer.text[:500]}")

    def come_back(self, url: str) -> str:
        """Follows the provider's answer to Weir; answers the console's page that it leads to."""
        parts = urlsplit(url)
        path = f"{parts.path.removeprefix('/api/v1/admin')}?{parts.query}"
        answer = self._weir("GET", path, {"sec-fetch-site": "cross-site"})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def sign_in(self, provider_id: str, login: str, **how: Any) -> str:
        """All of the way there and back; answers the console's page that it leads to."""
        return self.come_back(self.go(self.start(provider_id, **how), login))

    def me(self) -> dict[str, Any] | None:
        """Who is signed in."""
        answer = self.ask("GET", "/auth/me")
        return answer.json() if answer.status_code == 200 else None

    def _weir(self, method: str, path: str, headers: dict[str, str], **more: Any) -> httpx.Response:
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.weir.request(method, path, headers=headers, **more)
        self.weir.cookies.clear()
        for line in answer.headers.get_list("set-cookie"):
            name, value = COOKIE.match(line).groups()  # type: ignore[union-attr]
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return answer


def with_query(url: str, **changes: str | None) -> str:
    """The URL with fields of its query changed, or (`None`) left out."""
    parts = urlsplit(url)
    fields = {name: value for name, value in parse_qsl(parts.query)} | changes
    return urlunsplit(parts._replace(query=urlencode({name: value for name, value in fields.items() if value is not None})))
