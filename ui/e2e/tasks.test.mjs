// Each page's main task, in the browser, and what follows from it for a request through Envoy.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, beforeEach, test } from "node:test";
import { api, axe, chat, desktop, launch, moveToTop, open, phone, run, signIn, tooWide, until } from "./support.mjs";

let browser;
let context;
let page;
let complaints;
let machine;

before(async () => {
  browser = await launch();
  machine = await api();
  ({ context, page, complaints } = await open(browser, desktop));
  await signIn(page);
});
beforeEach(() => complaints.splice(0));
after(async () => {
  await context.close();
  await browser.close();
});

const button = (name, within = page) => within.getByRole("button", { name, exact: true });
const link = (name) => page.getByRole("main").getByRole("link", { name, exact: true });
const says = (text) => page.getByText(text).first().waitFor();
const complaintsNone = () => assert.deepEqual(complaints, [], "the browser complains about nothing");
const answered = async (status, model, options) =>
  until(`${status} for ${model}`, async () => (await chat(model, options)).status === status);

/** Makes a key in the browser and gives it as it was shown. */
async function keyFor(tenant, name) {
  await page.goto("/keys/new");
  await page.getByLabel("Tenant").selectOption({ label: tenant });
  await page.getByLabel("Name").fill(name);
  await button("Create").click();
  const dialog = page.getByRole("alertdialog");
  await dialog.getByText("It is shown this once").waitFor();
  await button("Copy", dialog).click();
  const key = await dialog.locator("code").textContent();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), key);
  await page.keyboard.press("Escape");
  assert.ok(await dialog.isVisible(), "the key does not go away by accident");
  await button("I have stored it", dialog).click();
  await page.getByRole("heading", { name }).waitFor();
  assert.ok(!(await page.content()).includes(key), "the key is gone");
  return key;
}

test("a tenant, its provider, pool, model and key: the app's first call works", async () => {
  await page.goto("/tenants");
  await link("New tenant").click();
  await page.getByLabel("Name").fill("Onboarded");
  await page.getByLabel("Time zone").fill("Europe/Berlin");
  await button("Create").click();
  await page.waitForURL(/\/keys\/new\?tenant_id=/);

  const { base_url } = (await machine.get("providers")).items.find(({ schema }) => schema === "openai");
  await page.goto("/providers");
  await link("New provider").click();
  await page.getByRole("button", { name: /^Another server/ }).click();
  await page.getByLabel("Owner").selectOption({ label: "Onboarded" });
  await page.getByLabel("Name").fill("First");
  await page.getByLabel("Base URL").fill("ftp://nowhere");
  await page.getByLabel("Credential").fill("secret-of-the-provider");
  await button("Create").click();
  await page.locator("[aria-invalid=true]").waitFor();
  await page.getByLabel("Base URL").fill(base_url);
  await button("Create").click();
  await page.waitForURL(/\/providers\/[^/]+\/models$/);
  await page.getByRole("heading", { name: "Models of First" }).waitFor();
  assert.ok(!(await page.content()).includes("secret-of-the-provider"));

  await page.goto("/pools/new");
  await page.getByLabel("Owner").selectOption({ label: "Onboarded" });
  await page.getByLabel("Name").fill("Pool of two");
  for (const model of ["gpt-4o", "gpt-4o-mini"]) {
    await button("Add member").first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Provider").selectOption({ label: "First" });
    await dialog.getByLabel("Model there").fill(model);
    await dialog.getByLabel("Input", { exact: true }).fill("2.5");
    await dialog.getByLabel("Cached input").fill("1.25");
    await dialog.getByLabel("Output", { exact: true }).fill("10");
    await button("Add member", dialog).click();
    await dialog.waitFor({ state: "detached" });
  }
  // By keyboard alone: the second member becomes the first.
  const rows = page.getByRole("grid").getByRole("row");
  await moveToTop(page, "First / gpt-4o-mini");
  await until("the second member comes first", async () => (await rows.first().textContent()).includes("gpt-4o-mini"));
  await button("Create").click();
  await page.waitForURL(/\/pools$/);
  await says("First / gpt-4o-mini → First / gpt-4o");

  await page.goto("/models/new");
  await page.getByLabel("Owner").selectOption({ label: "Onboarded" });
  await page.getByLabel("Name").fill("house-model");
  await page.getByLabel("Pool").selectOption({ label: "Pool of two" });
  await button("Create").click();
  await page.waitForURL(/\/models$/);

  const key = await keyFor("Onboarded", "Its app");
  await answered(200, "house-model", { key });
  complaintsNone();
});

test("members are moved with the mouse, too", async () => {
  const pool = (await machine.get("pools?q=Pool%20of%20two")).items.find(({ name }) => name === "Pool of two");
  await page.goto(`/pools/${pool.id}`);
  const rows = page.getByRole("grid").getByRole("row");
  await rows.first().waitFor();
  const from = await rows.nth(1).getByRole("button", { name: /^Move/ }).boundingBox();
  const to = await rows.first().boundingBox();
  await page.mouse.move(from.x + 10, from.y + 10);
  await page.mouse.down();
  await page.mouse.move(from.x + 12, from.y - 10, { steps: 5 });
  await page.mouse.move(to.x + 40, to.y + 3, { steps: 8 });
  await page.mouse.up();
  await until("the order has changed", async () => /gpt-4o\b(?!-mini)/.test(await rows.first().textContent()));
  await button("Save changes").click();
  await says("Saved");
  const members = (await machine.get(`pools/${pool.id}`)).members;
  assert.deepEqual(
    members.map(({ model }) => model),
    ["gpt-4o", "gpt-4o-mini"],
  );
  assert.equal(members[0].price.output_microusd_per_million, 10_000_000);
});

test("a guardrail that is changed in the browser holds for the next request", async () => {
  await page.goto("/guardrails/new");
  await page.getByLabel("Owner").selectOption({ label: "demo" });
  await page.getByLabel("Name").fill("Strict");
  await button("Add rules").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Card numbers").check();
  await dialog.getByLabel("Then").selectOption({ label: "Flag" });
  await button("Add", dialog).click();
  await button("Create").click();
  await page.waitForURL(/\/guardrails$/);

  const tenant = (await machine.get("tenants")).items.find(({ name }) => name === "demo");
  await page.goto(`/tenants/${tenant.id}`);
  await page.getByLabel("Guardrail profile").selectOption({ label: "Strict" });
  await button("Save changes").click();
  await says("Saved");
  const card = { content: "My card is 4111 1111 1111 1111" };
  await answered(200, "gpt-4o", card);

  await page.goto("/guardrails");
  await link("Strict").click();
  await button("Edit Card numbers").click();
  await dialog.getByLabel("Then").selectOption({ label: "Block" });
  await button("Update rule", dialog).click();
  await button("Save changes").click();
  await says("Saved");
  await answered(400, "gpt-4o", card);

  await page.goto("/requests");
  await page.getByLabel("Model").fill("gpt-4o");
  await page.keyboard.press("Enter");
  await page.waitForURL(/model=gpt-4o/);
  await until("the refusal is in the ledger", async () => {
    await page.reload();
    await page.getByRole("table").waitFor();
    return (await page.getByText("Refused").count()) > 0;
  });
  await page.getByRole("row").filter({ hasText: "Refused" }).first().getByRole("link").click();
  await says("content_blocked");
  await says("CREDIT_CARD: block");
  await says("Nothing was forwarded to a provider.");
  complaintsNone();
});

test("the bench shows what a profile finds where", async () => {
  await page.goto("/guardrails/bench");
  await page.getByLabel("Text").fill("😀 a@b.example and 4111 1111 1111 1111 <b>");
  await page.getByLabel("Profile").selectOption({ label: "Strict" });
  await button("Check text").click();
  await says("Blocked");
  const marks = page.locator("mark");
  assert.equal(await marks.count(), 1);
  assert.match(await marks.first().textContent(), /^4111 1111 1111 1111/);
});

test("a revoked key is refused by the gateway", async () => {
  const key = await keyFor("demo", "To be revoked");
  await answered(200, "gpt-4o", { key });
  await button("Revoke").click();
  const dialog = page.getByRole("alertdialog");
  await dialog.getByText("This cannot be undone").waitFor();
  await button("Revoke", dialog).click();
  await says("The key is revoked");
  await answered(401, "gpt-4o", { key });
  await says("Refused since");
});

test("two who change one thing see each other's version", async () => {
  const made = await machine.post("gateways", { name: "contested" });
  await page.goto(`/gateways/${made.id}`);
  await page.getByLabel("Name").fill("mine");
  await machine.patch(`gateways/${made.id}`, { name: "theirs" }, made.revision);
  await button("Save changes").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("theirs").waitFor();
  assert.equal((await machine.get(`gateways/${made.id}`)).name, "theirs");
  await button("Save mine over it", dialog).click();
  await says("Saved");
  assert.equal((await machine.get(`gateways/${made.id}`)).name, "mine");

  await button("Delete").click();
  await button("Delete", page.getByRole("alertdialog")).click();
  await page.waitForURL(/\/gateways$/);
  await until("it is gone", async () => (await page.getByText("mine", { exact: true }).count()) === 0);
});

test("what people write is text, whatever it looks like", async () => {
  const names = ['<img src=x onerror="document.title=1">', "\u202emorf thgir", "x".repeat(100), "🧪".repeat(20)];
  for (const name of names) await machine.post("tenants", { name });
  await page.goto("/tenants");
  await says(names[0]);
  assert.equal(await page.locator("main img").count(), 0);
  await page.setViewportSize(phone.viewport);
  const overflow = await tooWide(page);
  await page.setViewportSize(desktop.viewport);
  assert.ok(overflow <= 0, `${overflow} pixels too wide`);
  complaintsNone();
});

test("an API that fails is said, and asked again when wanted", async () => {
  let failing = true;
  await page.route("**/api/v1/admin/pools?*", (route) =>
    failing
      ? route.fulfill({ status: 500, json: { code: "internal", detail: "something went wrong here" } })
      : route.fallback(),
  );
  await page.goto("/pools");
  await says("something went wrong here");
  failing = false;
  await button("Try again").click();
  await page.getByRole("table").waitFor();
  await page.unroute("**/api/v1/admin/pools?*");
});

test("nodes say which policy holds where, and audit who made it", async () => {
  const revision = (await machine.get("audit?limit=1")).items[0].revision;
  await page.goto("/nodes");
  await until("the Envoy has applied the latest", async () =>
    (await page.getByRole("table", { name: "Nodes" }).textContent()).includes(String(revision)),
  );
  await page.goto("/audit");
  await page.getByRole("row").filter({ hasText: "Deleted: Gateway" }).first().waitFor();
});

test("users are made, and each sees their part and nothing else", async () => {
  await page.goto("/users/new");
  await page.getByLabel("E-mail").fill("viewer@weir.example");
  await page.getByLabel("Role").selectOption({ label: "Viewer" });
  await page.getByLabel("Tenant").selectOption({ label: "demo" });
  await page.getByLabel("Password").fill("short");
  await button("Create").click();
  await page.locator("[aria-invalid=true]").waitFor();
  await page.getByLabel("Password").fill("correct horse battery");
  await button("Create").click();
  await page.waitForURL(/\/users$/);
  complaintsNone();

  const viewer = await open(browser, phone);
  await signIn(viewer.page, "viewer@weir.example", "correct horse battery");
  await viewer.page.getByRole("button", { name: "Open menu" }).click();
  const entries = await viewer.page.getByRole("navigation").getByRole("link").allTextContents();
  for (const hidden of ["Tenants", "Nodes", "Gateways"]) assert.ok(!entries.includes(hidden), hidden);
  await viewer.page.getByRole("navigation").getByRole("link", { name: "API keys" }).click();
  await viewer.page.getByRole("main").getByRole("link", { name: "first key" }).click();
  await viewer.page.getByText("your role does not allow changes").waitFor();
  assert.ok(await viewer.page.getByLabel("Name").isDisabled());
  assert.equal(await viewer.page.getByRole("button", { name: "Save changes" }).count(), 0);
  await viewer.page.goto("/tenants");
  await viewer.page.getByText("You cannot see this").waitFor();
  const onboarded = (await machine.get("tenants")).items.find(({ name }) => name === "Onboarded");
  await viewer.page.goto(`/tenants/${onboarded.id}`);
  await viewer.page.getByText("Not found").first().waitFor();
  assert.deepEqual(viewer.complaints, []);
  await viewer.context.close();
});

test("the dashboard counts what was sent, and leads to it", async () => {
  await page.goto("/");
  const figure = page.locator("dl div").filter({ hasText: /^Requests/ });
  const listed = (await machine.get("usage?limit=200")).items.length;
  await until("every record is counted", async () => {
    await page.reload();
    await figure.waitFor();
    return new RegExp(`^Requests${listed}`).test(await figure.textContent());
  });
  await figure.getByRole("link").click();
  await page.waitForURL(/\/requests/);
  assert.ok(run.gateway_url);
});

test("the dashboard leads one tenant to its first call, whatever others have", async () => {
  const { id } = await machine.post("tenants", { name: "Without a key" });
  const failing = "**/api/v1/admin/usage?*limit=1*";
  await page.route(failing, (route) => route.fulfill({ status: 500, json: { code: "internal", detail: "no ledger" } }));
  await page.goto(`/?tenant_id=${id}`);
  await says("no ledger");
  await page.unroute(failing);
  await button("Try again").click();
  const steps = page.getByRole("region", { name: "The first call" });
  const key = steps.getByRole("listitem").filter({ hasText: "What the app shows to the gateway" });
  await key.waitFor();
  assert.doesNotMatch(await key.textContent(), /done/, "keys of others are none of this tenant");
  await machine.post("api-keys", { tenant_id: id, name: "its first" });
  await page.reload();
  await key.getByText("done").waitFor();
  complaintsNone();
});

test("a provider is asked for its models once, and again when that is wanted", async () => {
  const [provider] = (await machine.get("providers")).items;
  const other = await open(browser, desktop);
  await signIn(other.page);
  await other.page.clock.install();
  let asked = 0;
  other.page.on("request", (request) => {
    if (request.url().endsWith(`/providers/${provider.id}/check`)) asked += 1;
  });
  await other.page.goto(`/providers/${provider.id}/models`);
  await other.page.getByText(/^It answers, in/).waitFor();
  await other.page.clock.fastForward("10:00");
  const readAgain = other.page.waitForResponse((response) => response.url().endsWith(`/providers/${provider.id}`));
  await other.page.evaluate(() => dispatchEvent(new Event("visibilitychange")));
  await readAgain;
  assert.equal(asked, 1, "nobody asked for it");
  await button("Ask the provider again", other.page).click();
  await until("it is asked again", () => asked === 2);
  assert.deepEqual(other.complaints, []);
  await other.context.close();
});

test("what fails when a provider is asked is said in words, with what to look at", async () => {
  // A provider that answers as its path says.
  const provider = createServer((request, response) => {
    response.writeHead(Number(request.url.split("/")[1]), { "content-type": "text/html" }).end("<html>");
  });
  await new Promise((done) => provider.listen(0, "127.0.0.1", done));
  const here = `127.0.0.1:${provider.address().port}`;
  try {
    await page.goto("/providers/new");
    await page.getByRole("button", { name: /^Anthropic/ }).click();
    await says(/It begins with sk-ant-\. Stored encrypted/);
    await page.getByLabel("Credential").fill("not-a-real-credential");
    for (const [url, what, next] of [
      ["http://nowhere.invalid/v1", "Its name is not known", /^Look at the host/],
      ["http://127.0.0.1:1/v1", "Nobody takes the connection", /^Look at host and port/],
      [`https://${here}/200/v1`, "No secure connection can be made", /has http:\/\/ in its URL/],
      [`http://${here}/401/v1`, "It refuses the credential", /^Is it whole/],
      [`http://${here}/404/v1`, "It has no list of models at this URL", /^Look at the path/],
      [`http://${here}/429/v1`, "It was asked too often, or the account's quota is used up", /limits and its balance/],
      [`http://${here}/500/v1`, "It has a fault of its own", /^Try again in a while/],
      [`http://${here}/200/v1`, "What it sends is no list of models", /not of a website/],
    ]) {
      await page.getByLabel("Base URL").fill(url);
      await button("Check the connection").click();
      const said = page.getByRole("note").filter({ hasText: what });
      await said.getByText(next).waitFor();
    }
    assert.deepEqual(await axe(page), []);
    assert.ok((await tooWide(page)) <= 0);
  } finally {
    provider.close();
  }
  complaintsNone();
});
