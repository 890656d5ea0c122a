// Gateways and their tokens, nodes, tokens for machines, what files manage.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, axe, button, desktop, launch, phone, run, signedIn, tooWide, until, visit } from "./support.mjs";

let browser;
let machine;
before(async () => {
  browser = await launch();
  machine = await api();
});
after(() => browser.close());

const withPage = (options, body, who) => signedIn(browser, options, body, who);

/** What an answer of the admin API to this bearer token has for a status. */
async function asMachine(token, path = "auth/me") {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${run.console_url}/api/v1/admin/${path}`, { headers })).status;
}

test("a gateway's token is replaced, with a time in which both hold", () =>
  withPage(phone, async (page) => {
    const made = await machine.post("gateways", { name: "to be rotated" });
    await visit(page, `/gateways/${made.id}`);
    await page.getByText("Only the present token is accepted.").waitFor();
    await button(page, "Replace the token").click();
    let dialog = page.getByRole("alertdialog");
    await dialog.getByLabel("The present one is accepted for").selectOption({ label: "7 days" });
    assert.deepEqual(await axe(page), []);
    await button(dialog, "Replace the token").click();
    await dialog.getByText("It is shown this once").waitFor();
    const token = await dialog.locator("code").textContent();
    assert.ok(token.length > 20 && token !== made.token);
    assert.ok((await tooWide(page)) <= 0);
    await button(dialog, "I have stored it").click();
    await page.getByText("The token before is accepted until").waitFor();
    assert.ok(!(await page.content()).includes(token), "the token is gone");
    const until_ = Date.parse((await machine.get(`gateways/${made.id}`)).former_tokens_until);
    assert.ok(Math.abs(until_ - Date.now() - 7 * 86_400_000) < 600_000);

    // At once: what follows is said before, and the former ones end.
    await button(page, "Replace the token").click();
    dialog = page.getByRole("alertdialog");
    await dialog
      .getByLabel("The present one is accepted for")
      .selectOption({ label: "No time: it is refused at once" });
    await dialog.getByText("get no policy any more, from now on").waitFor();
    await button(dialog, "Replace the token").click();
    await button(page.getByRole("alertdialog"), "I have stored it").click();
    await page.getByText("Only the present token is accepted.").waitFor();
    assert.equal((await machine.get(`gateways/${made.id}`)).former_tokens_until, null);
  }));

test("deleting a gateway says how many Envoys it shuts out", () =>
  withPage(desktop, async (page) => {
    const { items } = await machine.get("nodes");
    const serving = (await machine.get("gateways")).items.find(({ name }) => name === items[0].gateway);
    await visit(page, `/gateways/${serving.id}`);
    await button(page, "Delete").click();
    const dialog = page.getByRole("alertdialog");
    await dialog.getByText("1 Envoy is connected with it now.").waitFor();
    await button(dialog, "Cancel").click();

    await page.route("**/api/v1/admin/nodes", (route) =>
      route.fulfill({ status: 500, json: { code: "internal", detail: "something went wrong here" } }),
    );
    await visit(page, `/gateways/${serving.id}`);
    await button(page, "Delete").click();
    await dialog.getByText("How many are connected with it now is not known.").waitFor();
  }));

test("a policy is everywhere since a second, and each Envoy and control plane says what it has", () =>
  withPage(desktop, async (page) => {
    const { revision } = await machine.post("gateways", { name: "raises the revision" });
    await page.goto("/nodes");
    // Another change of a test may come meanwhile.
    const said = page.getByText(/^Policy \S+ is everywhere since \d\d:\d\d:\d\d$/);
    await until("the change is everywhere", async () => {
      const [, shown] = /^Policy (\S+) is/.exec((await said.count()) > 0 ? await said.first().textContent() : "") ?? [];
      return Number(shown?.replace(",", "")) >= revision;
    });
    const row = page.getByRole("table", { name: "Nodes" }).getByRole("row").nth(1);
    await row.getByText("ACK", { exact: true }).waitFor();
    await page.getByRole("table", { name: "By control plane" }).getByRole("row").nth(1).waitFor();
    assert.deepEqual(await axe(page), []);
  }));

test("a refusal is told with its reason, and two Envoys with one id are noticed", () =>
  withPage(phone, async (page) => {
    const at = new Date().toISOString();
    const replica = (id, connected) => ({
      id,
      connected,
      watched: true,
      acknowledged_revision: 811,
      forgotten_revision: 811,
      streams: 1,
      waiting_records: 0,
    });
    const node = {
      id: "envoy-7",
      gateway: "fleet",
      connected: true,
      envoy_version: "1.40.0",
      sent_revision: 812,
      applied_revision: 811,
      applied_at: at,
      last_seen_at: at,
      waiting_records: 1234,
      refused: { revision: 812, resource: "weir.chain", reason: "unknown field 'x'", at },
      replicas: [
        replica("0193a1c2-0000-7000-8000-000000000001", true),
        replica("0193a1c2-0000-7000-8000-000000000002", true),
      ],
    };
    const answer = { items: [node], next_cursor: null, everywhere: { revision: 811, since: at } };
    await page.route("**/api/v1/admin/nodes", (route) => route.fulfill({ json: answer }));
    await visit(page, "/nodes");
    await page.getByText(/Policy 811 is everywhere since .* 1 Envoy has not come to policy 812 yet/).waitFor();
    await page.getByText(/envoy-7 refused policy 812 at \d\d:\d\d:\d\d \(NACK\)/).waitFor();
    await page.getByText("weir.chain: unknown field 'x'").waitFor();
    await page.getByText("its configuration stream open at 2 control planes").waitFor();
    const row = page.getByRole("table", { name: "Nodes" }).getByRole("row").nth(1);
    await row.getByText("1,234").waitFor();
    await row.getByText("811; 812 was sent").waitFor();
    assert.ok((await tooWide(page)) <= 0);
    assert.deepEqual(await axe(page), []);
    // Both at one control plane, and what waits in them is not known.
    answer.items[0] = { ...node, waiting_records: null, replicas: [{ ...node.replicas[0], streams: 2 }] };
    await visit(page, "/nodes");
    await page.getByText("envoy-7 is the id of 2 Envoys at one control plane").waitFor();
    await page.getByText("Give each Envoy an id of its own").waitFor();
    await row.getByText("–", { exact: true }).waitFor();
  }));

test("Envoys in which nothing holds yet are not told as none, and a control plane of before tells nothing of replicas", () =>
  withPage(desktop, async (page) => {
    const node = {
      id: "envoy-8",
      gateway: "fleet",
      connected: true,
      envoy_version: "1.40.0",
      sent_revision: 0,
      applied_revision: 0,
      applied_at: null,
      last_seen_at: new Date().toISOString(),
      refused: null,
    };
    let answer = { items: [node], next_cursor: null, everywhere: null };
    await page.route("**/api/v1/admin/nodes", (route) => route.fulfill({ json: answer }));
    await visit(page, "/nodes");
    await page.getByText("1 Envoy is connected, but no policy holds in it yet.").waitFor();
    answer = { ...answer, everywhere: { revision: 0, since: node.last_seen_at } };
    await visit(page, "/nodes");
    await page.getByText("1 Envoy is connected, but no policy holds in it yet.").waitFor();
    answer = { ...answer, items: [{ ...node, connected: false }], everywhere: null };
    await visit(page, "/nodes");
    await page.getByText("No Envoy is connected now").waitFor();
  }));

test("a machine's token is made, shown once, good for its tenant alone, and revoked", async () => {
  const tenant = (await machine.get("tenants")).items.find(({ name }) => name === "demo");
  let token;
  await withPage(desktop, async (page) => {
    await visit(page, "/settings");
    await page.getByRole("link", { name: "Manage tokens" }).click();
    await page.getByRole("link", { name: "New token" }).first().click();
    await page.getByLabel("Name").fill("pipeline");
    await page.getByLabel("Role").selectOption({ label: "Tenant admin" });
    await page.getByLabel("Tenant").selectOption({ label: "demo" });
    await page.getByLabel("Expires").fill("2020-01-01T00:00");
    await button(page, "Create").click();
    await page.getByText("Enter a time to come.").waitFor();
    await page.getByLabel("Expires").fill("2099-01-01T00:00");
    await button(page, "Create").click();
    const dialog = page.getByRole("alertdialog");
    await dialog.getByText("It is shown this once").waitFor();
    token = await dialog.locator("code").textContent();
    await button(dialog, "I have stored it").click();
    await page.getByRole("heading", { name: "pipeline" }).waitFor();
    assert.ok(!(await page.content()).includes(token), "the token is gone");
    assert.equal(await asMachine(token, "api-keys"), 200);
    assert.equal(await asMachine(token, "gateways"), 404);
    assert.deepEqual(await axe(page), []);

    // A tenant's administrator sees it, and none of the platform's.
    const email = "tokens@weir.example";
    const password = "correct horse battery";
    await machine.post("service-tokens", {
      name: "platform's",
      role: "platform_admin",
      expires_at: "2099-01-01T00:00:00Z",
    });
    await machine.post("users", { tenant_id: tenant.id, email, role: "tenant_admin", password });
    await machine.post("users", { tenant_id: tenant.id, email: `v${email}`, role: "viewer", password });
    await withPage(
      phone,
      async (own) => {
        await visit(own, "/settings/tokens");
        await own.getByRole("link", { name: "pipeline" }).waitFor();
        assert.equal(await own.getByText("platform's").count(), 0);
        await own.getByRole("link", { name: "New token" }).click();
        const roles = await own.getByLabel("Role").locator("option").allTextContents();
        assert.deepEqual(roles, ["Tenant admin", "Viewer"]);
        assert.ok((await tooWide(own)) <= 0);
      },
      [email, password],
    );
    await withPage(
      phone,
      async (own) => {
        await visit(own, "/settings/tokens");
        await own.getByRole("link", { name: "pipeline" }).click();
        await own.getByText("your role does not allow changes").waitFor();
        for (const name of ["Revoke", "Save changes", "Delete"]) assert.equal(await button(own, name).count(), 0, name);
      },
      [`v${email}`, password],
    );

    await button(page, "Revoke").click();
    await page.getByRole("alertdialog").getByText("What uses it stops working").waitFor();
    await button(page.getByRole("alertdialog"), "Revoke").click();
    await page.getByText("Refused since").waitFor();
    assert.equal(await asMachine(token), 401);
  });
});

test("who may not run the platform is told so on its pages, and is offered nothing", async () => {
  const tenant = (await machine.get("tenants")).items.find(({ name }) => name === "demo");
  const provider = (await machine.get(`providers?tenant_id=${tenant.id}`)).items[0];
  const gateway = (await machine.get("gateways")).items[0];
  const password = "correct horse battery";
  for (const role of ["tenant_admin", "viewer"]) {
    const email = `${role}@operate.example`;
    await machine.post("users", { tenant_id: tenant.id, email, role, password });
    await withPage(
      phone,
      async (page) => {
        for (const path of ["/nodes", "/gateways", "/tenants"]) {
          await page.goto(path);
          await page.getByText("You cannot see this").waitFor();
        }
        await page.goto(`/gateways/${gateway.id}`);
        await page.getByText("Not found").first().waitFor();
        await visit(page, `/providers/${provider.id}`);
        assert.equal(
          await page.getByRole("main").getByRole("link", { name: "Models" }).count(),
          role === "viewer" ? 0 : 1,
        );
        await page.goto(`/providers/${provider.id}/models`);
        if (role === "viewer") await page.getByText("You cannot see this").waitFor();
        else await page.getByRole("heading", { name: "Which of them shall apps be able to ask for?" }).waitFor();
        await visit(page, "/settings/tokens/new");
        assert.equal(await button(page, "Create").count(), role === "viewer" ? 0 : 1);
      },
      [email, password],
    );
  }
});

test("what files manage is shown, with where it is changed, and cannot be changed here", () =>
  withPage(desktop, async (page) => {
    const { created } = await machine.post("apply?dry_run=false", {
      objects: [{ kind: "tenant", name: "from files", spec: { time_zone: "Europe/Berlin" } }],
      origin: { kind: "file", ref: "policies/tenants.yaml" },
    });
    await visit(page, `/tenants/${created[0].id}`);
    await page.getByText("This is managed by Files: policies/tenants.yaml.").waitFor();
    assert.ok(await page.getByLabel("Name").isDisabled());
    assert.ok(await page.getByLabel("Guardrail profile").isDisabled());
    for (const name of ["Save changes", "Delete"]) assert.equal(await button(page, name).count(), 0, name);
    // The API would refuse it, too.
    const tenant = await machine.get(`tenants/${created[0].id}`);
    const change = machine.patch(`tenants/${tenant.id}`, { name: "changed here" }, tenant.revision);
    await assert.rejects(change, /409.*managed_elsewhere/s);
  }));

test("where there are many, one looks for a name at the server", () =>
  withPage(desktop, async (page) => {
    const tenant = (await machine.get("tenants")).items.find(({ name }) => name === "demo");
    const names = Array.from({ length: 60 }, (_, at) => `many ${String(at).padStart(3, "0")}`);
    for (const name of names) await machine.post("api-keys", { tenant_id: tenant.id, name });
    const asked = [];
    page.on("request", (request) => asked.push(new URL(request.url())));
    await visit(page, "/requests");
    await button(page, "API key: All").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("combobox").fill("MANY 057");
    await dialog.getByRole("option", { name: "many 057" }).waitFor();
    await until("nothing else is found", async () => (await dialog.getByRole("option").count()) === 1);
    assert.deepEqual(await axe(page), []);
    await page.keyboard.press("Enter");
    await page.waitForURL(/key_id=/);
    await button(page, "API key: many 057").waitFor();
    await page.reload();
    await button(page, "API key: many 057").waitFor();
    const most = Math.max(
      ...asked
        .filter(({ pathname }) => pathname.endsWith("/api-keys"))
        .map(({ searchParams }) => Number(searchParams.get("limit"))),
    );
    assert.equal(most, 50, "a list is never read whole");
    await page.setViewportSize(phone.viewport);
    assert.ok((await tooWide(page)) <= 0);
  }));
