"""Signing in by a real OpenID provider: the way there, the way back, and what is refused on it."""

import uuid
from dataclasses import dataclass

import pytest

from weir_e2e.admin import Admin, AdminError
from weir_e2e.identity import Browser, IdentityProvider, with_query

SECRET = "a secret of the client's own"


@dataclass
class Company:
    """An OpenID provider that Weir knows, and a tenant that its groups lead to."""

    issuer: IdentityProvider
    admin: Admin
    console_url: str
    tenant: dict
    other: dict
    provider: dict

    def browser(self) -> Browser:
        return Browser(self.console_url)

    def person(self, **claims: object) -> str:
        """Makes somebody up; answers the login."""
        login = f"p{uuid.uuid4().hex[:12]}"
        self.people[login] = {"email": f"{login}@acme.example", "email_verified": True, "groups": [], **claims}
        self.issuer.knows(**self.people)
        return login

    def change(self, login: str, **claims: object) -> None:
        self.people[login] |= claims
        self.issuer.knows(**self.people)

    def __post_init__(self) -> None:
        self.people: dict[str, dict] = {}


@pytest.fixture(scope="module")
def company(admin, run):
    with IdentityProvider() as issuer:
        tag = uuid.uuid4().hex[:8]
        tenant, other = (admin.create("tenants", name=f"{name}-{tag}") for name in ("acme", "other"))
        rules = [
            {"group": "owners", "role": "tenant_admin", "tenant_id": tenant["id"]},
            {"group": "staff", "role": "viewer", "tenant_id": tenant["id"]},
            {"group": "elsewhere", "role": "viewer", "tenant_id": other["id"]},
        ]
        provider = admin.create(
            "sign-in-providers",
            name=f"Acme {tag}",
            issuer=issuer.issuer,
            client_id="weir",
            client_secret=SECRET,
            rules=rules,
            creates_users=True,
        )
        console = run["console_url"].rstrip("/")
        of_provider = f"{console}/api/v1/admin/auth/oidc/{provider['id']}"
        issuer.serves(
            {
                "client_id": "weir",
                "client_secret": SECRET,
                "redirect_uris": [f"{of_provider}/callback"],
                "post_logout_redirect_uris": [f"{console}/sign-in"],
                "backchannel_logout_uri": f"{of_provider}/logout",
                "backchannel_logout_session_required": True,
            }
        )
        yield Company(issuer, admin, console, tenant, other, provider)
        admin.delete("sign-in-providers", provider["id"])


def test_somebody_whom_a_rule_lets_in_becomes_a_user_and_stays_the_same_one(company):
    login = company.person(groups=["x", "staff"])
    browser = company.browser()
    assert {"id": company.provider["id"], "name": company.provider["name"]} in browser.ask("GET", "/auth/providers").json()["items"]
    assert browser.sign_in(company.provider["id"], login, next="/keys?q=a") == "/keys?q=a"
    me = browser.me()
    assert (me["email"], me["role"], me["tenant_id"]) == (f"{login}@acme.example", "viewer", company.tenant["id"])
    [session] = browser.ask("GET", "/auth/sessions").json()["items"]
    assert session["provider_name"] == company.provider["name"]
    [entry] = audit(company, action="session.create", actor=me["email"])
    assert (entry["resource_id"], entry["changes"][0]["after"]) == (session["id"], company.provider["name"])
    # Known by the subject, whatever the address has become; and the groups of today hold.
    company.change(login, email="married@acme.example", groups=["owners"])
    again = company.browser()
    assert again.sign_in(company.provider["id"], login) == "/"
    assert (again.me()["id"], again.me()["role"]) == (me["id"], "tenant_admin")
    # Whoever may do something else now signs in anew.
    assert browser.me() is None


def audit(company: Company, **filters: str) -> list[dict]:
    """The entries that these filters leave, the latest first."""
    return company.admin.all("audit", **filters)


def refused(company: Company, login: str, word: str) -> None:
    browser = company.browser()
    assert browser.sign_in(company.provider["id"], login) == f"/sign-in?problem={word}"
    assert browser.me() is None
    told = audit(company, action="session.refuse", resource_id=company.provider["id"])[0]["changes"][0]["after"]
    person = company.people[login]
    assert told == {"reason": word, "email": person["email"] if person["email_verified"] else None}


def test_who_may_not_sign_in_is_told_why(company):
    refused(company, company.person(groups=["staff"], email_verified=False), "email_not_verified")
    refused(company, company.person(groups=["visitors"]), "no_group")
    local = company.admin.create(
        "users", email=f"{uuid.uuid4()}@acme.example", role="viewer", tenant_id=company.tenant["id"]
    )
    # The address alone makes nobody somebody else, in whatever case it is written.
    refused(company, company.person(groups=["owners"], email=local["email"].upper()), "address_taken")


def test_nobody_moves_from_one_tenant_to_another_by_groups(company):
    login = company.person(groups=["staff"])
    browser = company.browser()
    browser.sign_in(company.provider["id"], login)
    company.change(login, groups=["elsewhere"])
    refused(company, login, "other_tenant")
    company.change(login, groups=["staff"])
    assert company.browser().sign_in(company.provider["id"], login) == "/"


def test_groups_give_grants_and_take_them_back(company):
    tenant_id = company.tenant["id"]
    research, sales = (company.admin.create("departments", tenant_id=tenant_id, name=name) for name in ("Research", "Sales"))
    auditor = company.admin.create("roles", tenant_id=tenant_id, name="auditor", permissions=["audit.read"])
    rules = [
        {"group": "leads", "role": "user", "tenant_id": tenant_id, "grants": [{"role": "manager", "department_id": research["id"]}]},
        {"group": "auditors", "role": "user", "tenant_id": tenant_id, "grants": [{"custom_role_id": auditor["id"]}]},
        {"group": "people", "role": "user", "tenant_id": tenant_id},
    ]
    before = company.admin.read("sign-in-providers", company.provider["id"])
    company.admin.change("sign-in-providers", before["id"], rules=rules + before["rules"])
    try:
        login = company.person(groups=["people", "auditors", "leads"])
        browser = company.browser()
        assert browser.sign_in(company.provider["id"], login) == "/"
        me = browser.me()
        assert (me["role"], me["tenant_id"]) == ("user", tenant_id)
        assert {"audit.read", "users.write"} <= set(me["permissions"])
        # A department's manager sees that department alone.
        assert [one["id"] for one in browser.ask("GET", "/departments").json()["items"]] == [research["id"]]
        assert browser.ask("GET", f"/departments/{sales['id']}").status_code == 404
        # Whoever has left the groups has nothing of it any more, in no session.
        company.change(login, groups=["people"])
        again = company.browser()
        assert again.sign_in(company.provider["id"], login) == "/"
        assert not {"audit.read", "users.write"} & set(again.me()["permissions"])
        assert browser.me() is None
        # What a rule grants is not taken away unseen.
        with pytest.raises(AdminError, match="in_use"):
            company.admin.delete("departments", research["id"])
    finally:
        company.admin.change("sign-in-providers", before["id"], rules=before["rules"])


def test_an_answer_belongs_to_the_browser_and_sign_in_that_asked_and_is_taken_once(company):
    login = company.person(groups=["staff"])
    provider_id = company.provider["id"]
    browser, stranger = company.browser(), company.browser()
    answer = browser.go(browser.start(provider_id), login)
    # Without the cookie, with that of another sign-in, and with another state.
    assert stranger.come_back(answer) == "/sign-in?problem=state"
    stranger.start(provider_id)
    assert stranger.come_back(answer) == "/sign-in?problem=state"
    kept = dict(browser.cookies)
    assert browser.come_back(with_query(answer, state="another")) == "/sign-in?problem=state"
    browser.cookies = dict(kept)
    assert browser.come_back(answer) == "/"
    assert browser.me() is not None
    assert "__Host-weir-sign-in" not in browser.cookies
    # Whoever has copied both the address and the cookie.
    thief = company.browser()
    thief.cookies = dict(kept)
    assert thief.come_back(answer) == "/sign-in?problem=replayed"
    assert thief.me() is None


def test_a_code_is_of_no_use_in_another_sign_in(company):
    login = company.person(groups=["staff"])
    provider_id = company.provider["id"]
    victim, thief = company.browser(), company.browser()
    answer = victim.go(victim.start(provider_id), login)
    own_state = dict(pair.split("=") for pair in thief.start(provider_id).split("?")[1].split("&"))["state"]
    # The verifier is another one, so the issuer refuses the code.
    assert thief.come_back(with_query(answer, state=own_state)) == "/sign-in?problem=provider"
    assert thief.me() is None


def test_a_token_for_another_nonce_is_refused(company):
    login = company.person(groups=["staff"])
    browser = company.browser()
    answer = browser.go(with_query(browser.start(company.provider["id"]), nonce="another"), login)
    assert browser.come_back(answer) == "/sign-in?problem=token"
    assert browser.me() is None


def test_an_answer_of_another_issuer_is_refused(company):
    login = company.person(groups=["staff"])
    for iss in ("http://127.0.0.1:1", None):
        browser = company.browser()
        answer = browser.go(browser.start(company.provider["id"]), login)
        assert browser.come_back(with_query(answer, iss=iss)) == "/sign-in?problem=mixed_up", iss
        assert browser.me() is None
    # Nor does one provider's answer do at another's address.
    second = company.admin.create("sign-in-providers", name=f"B {uuid.uuid4()}", issuer=company.issuer.issuer, client_id="b")
    browser = company.browser()
    answer = browser.go(browser.start(company.provider["id"]), login)
    assert browser.come_back(answer.replace(company.provider["id"], second["id"])) == "/sign-in?problem=state"
    company.admin.delete("sign-in-providers", second["id"])


def test_the_issuer_may_change_its_keys(company):
    login = company.person(groups=["staff"])
    assert company.browser().sign_in(company.provider["id"], login) == "/"
    company.issuer.rotate_keys()
    assert company.browser().sign_in(company.provider["id"], login) == "/"


def test_signing_out_goes_on_at_the_issuer_which_ends_the_other_sessions_too(company):
    login = company.person(groups=["staff"])
    browser = company.browser()
    browser.sign_in(company.provider["id"], login)
    # A second sign-in of the same session at the issuer.
    second = company.browser()
    second.elsewhere = browser.elsewhere
    second.sign_in(company.provider["id"], login)
    bystander = company.browser()
    bystander.sign_in(company.provider["id"], company.person(groups=["staff"]))
    page = browser.ask("POST", "/auth/logout").json()["continue_at"]
    assert browser.me() is None
    assert second.me() is not None
    assert browser.go(page, login).split("?")[0] == f"{company.console_url}/sign-in"
    # The issuer has told Weir by its back channel.
    assert second.me() is None
    assert bystander.me() is not None


def test_a_logout_token_must_be_the_issuers(company):
    path = f"/auth/oidc/{company.provider['id']}/logout"
    for token in ("", "a.b.c", "eyJhbGciOiJub25lIn0.e30."):
        assert company.browser().ask("POST", path, data={"logout_token": token}).status_code == 400, token


def test_a_user_with_a_password_connects_the_account_and_signs_in_by_it_afterwards(company):
    email = f"{uuid.uuid4()}@acme.example"
    password = "vK3-tulip-Ozean-92"
    user = company.admin.create("users", email=email, role="viewer", tenant_id=company.tenant["id"], password=password)
    login = company.person(groups=["staff"], email=email)
    browser = company.browser()
    assert browser.ask("POST", "/auth/session", json={"email": email, "password": password}).status_code == 200
    assert browser.sign_in(company.provider["id"], login, connect=True) == "/settings"
    other = company.browser()
    assert other.sign_in(company.provider["id"], login) == "/"
    assert other.me()["id"] == user["id"]
    nobody = company.browser().ask("POST", f"/auth/oidc/{company.provider['id']}/start", json={"connect": True})
    assert nobody.status_code == 401


def test_a_session_that_is_over_connects_nothing_and_what_is_connected_can_be_ended(company):
    email = f"{uuid.uuid4()}@acme.example"
    password = "vK3-tulip-Ozean-92"
    user = company.admin.create("users", email=email, role="viewer", tenant_id=company.tenant["id"], password=password)
    provider_id = company.provider["id"]
    login = company.person(groups=["staff"])

    def signed_in() -> Browser:
        browser = company.browser()
        assert browser.ask("POST", "/auth/session", json={"email": email, "password": password}).status_code == 200
        return browser

    # Whoever took over the session for a while and was signed out meanwhile.
    thief = signed_in()
    answer = thief.go(thief.start(provider_id, connect=True), login)
    [session] = thief.ask("GET", "/auth/sessions").json()["items"]
    assert thief.ask("DELETE", f"/auth/sessions/{session['id']}").status_code == 204
    assert thief.come_back(answer) == "/sign-in?problem=session_over"
    own = signed_in()
    assert own.ask("GET", "/auth/identities").json()["items"] == []
    assert own.sign_in(provider_id, login, connect=True) == "/settings"
    [entry] = audit(company, action="user.connect", resource_id=user["id"])
    assert (entry["actor"]["email"], entry["changes"][0]["after"]) == (email, company.provider["name"])
    by_provider = company.browser()
    assert by_provider.sign_in(provider_id, login) == "/"
    [identity] = own.ask("GET", "/auth/identities").json()["items"]
    assert (identity["provider_id"], identity["issuer"]) == (provider_id, company.issuer.issuer)
    assert own.ask("DELETE", f"/auth/identities/{identity['id']}").status_code == 204
    assert by_provider.me() is None
    # The groups would let in whoever has the account, but as somebody else.
    other = company.browser()
    assert other.sign_in(provider_id, login) == "/"
    assert other.me()["id"] != user["id"]


def test_another_sites_page_begins_no_sign_in(company):
    path = f"/auth/oidc/{company.provider['id']}/start"
    browser = company.browser()
    foreign = browser.weir.post(path, json={}, headers={"origin": "https://evil.example", "sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
    for next in ("//evil.example", "https://evil.example", "/\\evil.example"):
        assert browser.ask("POST", path, json={"next": next}).status_code == 422, next


def test_an_issuer_is_tried_before_anybody_is_sent_there(company):
    def check(issuer: str) -> str:
        answer = company.admin.http.post("/sign-in-providers/check", json={"issuer": issuer})
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    assert check(company.issuer.issuer) == "ok"
    assert check(f"{company.issuer.issuer}/elsewhere") in ("status", "malformed")
    assert check(company.issuer.issuer.replace("127.0.0.1", "localhost")) == "issuer"
    assert check("http://127.0.0.1:1") == "unreachable"
