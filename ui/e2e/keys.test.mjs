// Keys: a test call, when each Envoy refuses a revoked one, and several at once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, axe, button, chat, desktop, launch, phone, run, signedIn, tooWide, until, visit } from "./support.mjs";

let browser;
let machine;
let tenant;
before(async () => {
  browser = await launch();
  machine = await api();
  tenant = (await machine.get("tenants")).items.find(({ name }) => name === "demo");
  await until("the gateway answers", async () => (await chat("gpt-4o")).status === 200);
});
after(() => browser.close());

const withPage = (options, body, who) => signedIn(browser, options, body, who);
const keyOf = (name) => machine.post("api-keys", { tenant_id: tenant.id, name });

test("a new key is tried before it is gone, and a revoked one says since when each Envoy refuses it", () =>
  withPage(phone, async (page) => {
    await visit(page, `/keys/new?tenant_id=${tenant.id}`);
    await page.getByLabel("Name").fill("tried at once");
    await button(page, "Create").click();
    const dialog = page.getByRole("alertdialog");
    const key = await dialog.locator("code").textContent();
    await dialog.getByLabel("Model").fill("gpt-4o");
    await button(dialog, "Test call").click();
    await dialog.getByText(/^It works/).waitFor();
    const opened = page.waitForEvent("popup");
    await dialog.getByRole("link", { name: /^Request/ }).click();
    await (await opened).close();
    assert.equal(await dialog.locator("code").textContent(), key, "looking at the request does not lose the key");
    assert.deepEqual(await axe(page), []);
    await button(dialog, "I have stored it").click();
    await page.getByRole("heading", { name: "tried at once" }).waitFor();

    const section = page.getByRole("region", { name: "Test call" });
    await section.getByLabel("API key").fill("weir_invented");
    await section.getByLabel("Model").fill("gpt-4o");
    await button(section, "Test call").click();
    await section.getByText("Refused, HTTP 401").waitFor();

    await button(page, "Revoke").click();
    const began = Date.now();
    await button(page.getByRole("alertdialog"), "Revoke").click();
    const refusing = page.getByRole("table", { name: "Where it is refused" });
    await refusing.getByText(/^\d\d:\d\d:\d\d$/).waitFor();
    const { items } = await machine.get("nodes");
    const at = Date.parse(items[0].applied_at);
    assert.ok(at > began - 2_000 && at < Date.now() + 2_000, `${items[0].applied_at}`);
    assert.equal((await chat("gpt-4o", { key })).status, 401, "it is refused where the page says so");
    assert.ok((await tooWide(page)) <= 0);
  }));

test("a key that an app has already is given, works at once, and is disabled and enabled again", () =>
  withPage(desktop, async (page) => {
    const given = `sk-proj-${crypto.randomUUID()}`;
    await visit(page, `/keys/new?tenant_id=${tenant.id}`);
    await page.getByLabel("Name").fill("brought along");
    await page.getByLabel("A key that the app has already").fill(given);
    await page.getByLabel("Allowed operations").fill("chat.completions");
    await button(page, "Create").click();
    await page.getByRole("heading", { name: "brought along" }).waitFor();
    assert.ok(!(await page.content()).includes(given), "it is not shown again");
    assert.deepEqual(await axe(page), []);
    assert.equal((await chat("gpt-4o", { key: given })).status, 200);
    for (const [is, status] of [
      ["check", 401],
      ["uncheck", 200],
    ]) {
      await page.getByLabel("Disabled")[is]();
      await button(page, "Save changes").click();
      await until(`HTTP ${status}`, async () => (await chat("gpt-4o", { key: given })).status === status);
    }
  }));

test("several keys are revoked at once, and each says what came of it", () =>
  withPage(desktop, async (page) => {
    const keys = [await keyOf("bulk 1"), await keyOf("bulk 2"), await keyOf("bulk 3")];
    await visit(page, "/keys?q=bulk");
    for (const name of ["bulk 1", "bulk 2"]) await page.getByRole("checkbox", { name: `Choose ${name}` }).check();
    const bar = page.getByRole("toolbar", { name: "2 chosen" });
    await page.route(`**/api/v1/admin/api-keys/${keys[1].id}/revoke?streams=end`, (route) =>
      route.fulfill({ status: 500, json: { code: "internal", detail: "something went wrong here" } }),
    );
    await button(bar, "Revoke").click();
    const dialog = page.getByRole("alertdialog");
    await dialog.getByText("This cannot be undone").waitFor();
    assert.deepEqual(await axe(page), []);
    await button(dialog, "Revoke").click();
    await dialog.getByText("Done: 1. Not done: 1.").waitFor();
    await dialog.getByRole("listitem").filter({ hasText: "bulk 2" }).getByText("something went wrong here").waitFor();
    await button(dialog, "Close").click();
    const states = await Promise.all(
      keys.map(async ({ id }) => (await machine.get(`api-keys/${id}`)).revoked_at !== null),
    );
    assert.deepEqual(states, [true, false, false]);

    await page.getByRole("checkbox", { name: "Choose all that are shown" }).check();
    await button(page.getByRole("toolbar", { name: "3 chosen" }), "Delete").click();
    let reads = 0;
    page.on("request", (request) => {
      if (request.method() === "GET" && new URL(request.url()).pathname.endsWith("/admin/api-keys")) reads += 1;
    });
    await button(dialog, "Delete").click();
    await dialog.getByText("All done: 3.").waitFor();
    await button(dialog, "Close").click();
    await page.getByText("Nothing matches these filters").waitFor();
    assert.equal(reads, 1, "the list is read again once, not after each");
  }));

test("who may not change anything can choose nothing, and nobody chooses themselves", async () => {
  const password = "correct horse battery";
  await machine.post("users", { tenant_id: tenant.id, email: "bulk@weir.example", role: "viewer", password });
  await withPage(
    phone,
    async (page) => {
      await visit(page, "/keys");
      await page.getByRole("link", { name: "first key" }).waitFor();
      assert.equal(await page.getByRole("checkbox").count(), 0);
    },
    ["bulk@weir.example", password],
  );
  await withPage(phone, async (page) => {
    await visit(page, "/users");
    assert.equal(await page.getByRole("checkbox", { name: `Choose ${run.admin_email}` }).count(), 0);
    await page.getByRole("checkbox", { name: "Choose bulk@weir.example" }).check();
    await button(page.getByRole("toolbar"), "Delete").click();
    await button(page.getByRole("alertdialog"), "Delete").click();
    await page.getByText("All done: 1.").waitFor();
    await button(page.getByRole("alertdialog"), "Close").click();
    assert.ok((await tooWide(page)) <= 0);
  });
});
