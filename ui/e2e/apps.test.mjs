// Apps that are known without a key: token issuers, identity rules, who is discovered, the ways in, and streams that end.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  api,
  axe,
  button,
  chat,
  desktop,
  launch,
  phone,
  run,
  signedIn,
  tokenIssuer,
  tooWide,
  until,
  visit,
} from "./support.mjs";

let browser;
let machine;
let tenant;
before(async () => {
  browser = await launch();
  machine = await api();
  tenant = await machine.post("tenants", { name: "App House" });
  const known = (await machine.get("providers")).items.find(({ schema }) => schema === "openai");
  await model("app-model", known.base_url);
  await model("other-model", known.base_url);
  await model("long-model", await longAnswers(new URL(known.base_url).origin));
  await until("the gateway answers", async () => (await chat("gpt-4o")).status === 200);
});
after(() => browser.close());

const withPage = (options, body) => signedIn(browser, options, body);
const make = (path, body) => machine.post(path, { tenant_id: tenant.id, ...body });

/** A model of the tenant's that is served there. */
async function model(name, base_url) {
  const provider = await make("providers", { name, schema: "openai", base_url, credential: "demo" });
  const pool = await make("pools", { name, members: [{ provider_id: provider.id, model: "gpt-4o" }] });
  await make("models", { name, pool_id: pool.id });
}

/** Where each answer takes a minute, word by word. */
async function longAnswers(origin) {
  const behaviour = { type: "ok", text: "word ".repeat(600), delay_ms: 100 };
  const body = JSON.stringify({ responses: [behaviour] });
  const headers = { "content-type": "application/json" };
  const made = await fetch(`${origin}/_control/scenarios`, { method: "POST", headers, body });
  return `${origin}/s/${(await made.json()).id}`;
}

/** A stream under way, and what it says next; nothing: it is over, or broken off. */
async function underWay(key) {
  const request = { model: "long-model", stream: true, messages: [{ role: "user", content: "Go on" }] };
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const url = `${run.gateway_url}/v1/chat/completions`;
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(request) });
  const reader = answer.body.getReader();
  const over = { value: new Uint8Array() };
  const next = async () => new TextDecoder().decode((await reader.read().catch(() => over)).value ?? over.value);
  assert.match(await next(), /^data: /);
  return { next, leave: () => reader.cancel() };
}

/** Both themes: they differ in their colours only. */
async function expectAccessible(page) {
  assert.deepEqual(await axe(page), []);
  await page.evaluate(() => document.documentElement.setAttribute("data-theme", "dark"));
  assert.deepEqual(await axe(page, "color-contrast"), []);
}

test("an issuer and a rule are made, and what the API refuses is said at the field", async () => {
  const { settings, token } = tokenIssuer("https://issuer.apps.example");
  await make("service-accounts", { name: "chat app" });
  await withPage(desktop, async (page) => {
    await visit(page, "/token-issuers/new");
    await page.getByLabel("Owner").selectOption({ label: "App House" });
    await page.getByLabel("Name").fill("Apps");
    await page.getByLabel("Issuer", { exact: true }).fill(settings.issuer);
    await page.getByLabel("Audiences").fill("weir");
    await page.getByLabel("Its public keys").selectOption({ label: "Given here" });
    await page.getByLabel("Keys (JWKS)").fill("{");
    await button(page, "Create").click();
    await page.getByText("This is not JSON.").waitFor();
    await page.getByLabel("Keys (JWKS)").fill('{"keys": [{"kty": "none"}]}');
    await button(page, "Create").click();
    await page.locator("textarea[name=jwks][aria-invalid=true]").waitFor();
    await page.getByLabel("Keys (JWKS)").fill(JSON.stringify(settings.jwks));
    await expectAccessible(page);
    await button(page, "Create").click();
    await page.getByRole("link", { name: "Add an identity rule" }).click();

    await page.getByLabel("Name").fill("Chat");
    await button(page, "Add a claim").click();
    const claim = page.getByRole("group", { name: "Claim 1" });
    await claim.getByLabel("Claim", { exact: true }).fill("$.azp");
    await claim.getByLabel("Value").fill("chat");
    await page.getByLabel("Service account").selectOption({ label: "chat app" });
    await page
      .getByText("Tokens of Apps whose claim $.azp is “chat” lead to the service account chat app.")
      .waitFor({ state: "attached" });
    await button(page, "Create").click();
    await page.getByText("must be a claim's name").waitFor();
    assert.equal(await claim.getByLabel("Claim", { exact: true }).getAttribute("aria-invalid"), "true");
    await claim.getByLabel("Claim", { exact: true }).fill("azp");
    await expectAccessible(page);
    await button(page, "Create").click();
    await page
      .getByRole("row", { name: /Chat/ })
      .getByText("Tokens of Apps whose claim azp is “chat” lead to the service account chat app.")
      .waitFor();
    await expectAccessible(page);
  });
  const status = async () => (await chat("app-model", { key: token({ sub: "1", azp: "chat" }) })).status;
  await until("the app is known by its token", async () => (await status()) === 200);
});

test("a rule gives users labels that their tokens say", async () => {
  const { settings, token } = tokenIssuer("https://issuer.labels.example");
  const issuer = await make("token-issuers", { name: "Labels", ...settings });
  await withPage(phone, async (page) => {
    await visit(page, `/identity-rules/new?tenant_id=${tenant.id}&token_issuer_id=${issuer.id}`);
    const labels = page.getByLabel("Labels from claims");
    await page.getByLabel("Name").fill("People by team");
    assert.equal(await labels.count(), 0);
    await page.getByLabel("Their requests are those of").selectOption({ label: "The user whom the token names" });
    await page.getByLabel("Makes users").check();
    await labels.fill("team");
    await button(page, "Create").click();
    await page.getByText("Write name=claim, one on each line.").waitFor();
    await labels.fill("team=..group");
    await button(page, "Create").click();
    await page.locator("textarea[name=label_claims][aria-invalid=true]").waitFor();
    await expectAccessible(page);
    assert.ok((await tooWide(page)) <= 0);
    assert.ok((await labels.boundingBox()).height >= 44);
    await labels.fill("team=org.team");
    await button(page, "Create").click();
    // The form says the same sentence before it is sent.
    await page.getByRole("row", { name: /People by team/ }).waitFor();
  });
  const key = token({ sub: "1", email: "anna@labels.example", org: { team: "research" } });
  await until("the user is known by their token", async () => (await chat("app-model", { key })).status === 200);
  const { items } = await machine.get(`api-keys?tenant_id=${tenant.id}&label=team%3Dresearch`);
  assert.deepEqual(
    items.map(({ way, labels }) => [way, labels]),
    [["token", { team: "research" }]],
  );
});

test("whom no rule knows is listed, and known after one dialog", async () => {
  const { settings, token } = tokenIssuer("https://issuer.unknown.example");
  await make("token-issuers", { name: "Unknown", ...settings });
  await make("departments", { name: "Back office" });
  const key = token({ sub: "nightly-job" });
  const status = async () => (await chat("app-model", { key })).status;
  await until("a token of the issuer is a good one", async () => (await status()) === 403);
  await withPage(phone, async (page) => {
    await visit(page, "/discovered");
    const row = page.getByRole("row").filter({ hasText: "nightly-job" });
    await row.getByText("No rule matches").waitFor();
    const isTold = async () => (await status()) === 403 && (await row.getByText("app-model").count()) > 0;
    await until("what they asked for is told", isTold, 60_000);
    await expectAccessible(page);
    assert.ok((await tooWide(page)) <= 0);
    await button(row, "Assign nightly-job").click();
    const dialog = page.getByRole("dialog");
    assert.equal(await dialog.getByLabel("Name of the rule").inputValue(), "nightly-job");
    await dialog.getByLabel("Their requests are those of").selectOption({ label: "A department" });
    await button(dialog, "Assign").click();
    await dialog.getByText("This field is needed.").waitFor();
    await dialog.getByLabel("Department").selectOption({ label: "Back office" });
    await expectAccessible(page);
    await button(dialog, "Assign").click();
    await row.waitFor({ state: "detached" });
    await visit(page, `/identity-rules?tenant_id=${tenant.id}`);
    await page.getByText("whose claim sub is “nightly-job” lead to the department Back office.").waitFor();
  });
  await until("the caller is known", async () => (await status()) === 200);
});

test("of many models that a caller asked for the first are shown, the others where wanted", async () => {
  const { settings, token } = tokenIssuer("https://issuer.curious.example");
  await make("token-issuers", { name: "Curious", ...settings });
  const status = async () => (await chat("app-model", { key: token({ sub: "curious" }) })).status;
  await until("a token of the issuer is a good one", async () => (await status()) === 403);
  await withPage(phone, async (page) => {
    const models = Array.from({ length: 20 }, (_, at) => `a-model-with-quite-a-long-name-${at + 1}`);
    await page.route("**/api/v1/admin/discovered?*", async (route) => {
      const response = await route.fetch();
      const list = await response.json();
      const items = list.items.map((caller) => ({ ...caller, models }));
      await route.fulfill({ response, json: { ...list, items } });
    });
    await visit(page, "/discovered");
    const row = page.getByRole("row").filter({ hasText: "curious" });
    const more = row.getByText("17 more");
    const last = row.getByText(models.at(-1));
    assert.equal(await last.isVisible(), false);
    assert.ok((await more.boundingBox()).height >= 44);
    await more.tap();
    await last.waitFor();
    await expectAccessible(page);
    assert.ok((await tooWide(page)) <= 0);
    await page.unrouteAll({ behavior: "wait" });
  });
});

test("whoever revokes a key says what becomes of its streams, and sees when they ended", () =>
  withPage(desktop, async (page) => {
    const [ended, finishing] = [
      await make("api-keys", { name: "ended" }),
      await make("api-keys", { name: "finishing" }),
    ];
    const refused = (key) => until("the key is refused", async () => (await chat("app-model", { key })).status === 401);
    const dialog = page.getByRole("alertdialog");
    const streams = page.getByRole("region", { name: "Streams that were ended" });

    const stream = await underWay(ended.key);
    await visit(page, `/keys/${ended.id}`);
    await button(page, "Revoke").click();
    await dialog.getByLabel("Streams under way").waitFor();
    await expectAccessible(page);
    await button(dialog, "Revoke").click();
    await streams.getByText(/^1 stream was ended; its last byte went /).waitFor();
    const [node] = (await machine.get("nodes")).items;
    await streams.getByRole("row").filter({ hasText: node.id }).waitFor();
    await expectAccessible(page);
    for (let piece = await stream.next(); piece; piece = await stream.next()) assert.doesNotMatch(piece, /\[DONE\]/);

    const other = await underWay(finishing.key);
    await visit(page, `/keys/${finishing.id}`);
    await button(page, "Revoke").click();
    await dialog.getByLabel("Streams under way").selectOption({ label: "May finish" });
    await button(dialog, "Revoke").click();
    await refused(finishing.key);
    for (let at = 0; at < 5; at++) assert.match(await other.next(), /word/);
    await streams.getByText("None was under way, or no Envoy has said so yet.").waitFor();
    await other.leave();
  }));

test("a tenant that refuses keys is told so by the next request", () =>
  withPage(desktop, async (page) => {
    const key = await make("api-keys", { name: "by key" });
    assert.equal((await chat("app-model", { key: key.key })).status, 200);
    await visit(page, `/tenants/${tenant.id}`);
    const ways = page.getByRole("group", { name: "Ways in for apps" });
    await ways.getByLabel("API key").selectOption({ label: "Refused" });
    await expectAccessible(page);
    await button(page, "Save changes").click();
    await page.getByText("Saved").waitFor();
    await until("keys do not count", async () => (await chat("app-model", { key: key.key })).status === 403);
    await ways.getByLabel("API key").selectOption({ label: "Allowed" });
    await button(page, "Save changes").click();
    await until("the key counts again", async () => (await chat("app-model", { key: key.key })).status === 200);
  }));

test("a gateway's ways in are changed on its page", () =>
  withPage(phone, async (page) => {
    const { id } = await machine.post("gateways", { name: "edge of apps" });
    await visit(page, `/gateways/${id}`);
    await page.getByRole("group", { name: "Ways in for apps" }).getByLabel("Token (JWT)").selectOption("required");
    await button(page, "Save changes").click();
    await page.getByText("Saved").waitFor();
    assert.equal((await machine.get(`gateways/${id}`)).ways_in.token, "required");
    assert.ok((await tooWide(page)) <= 0);
  }));

test("a model's ways in hold for who asks for it, and for nothing else", () =>
  withPage(phone, async (page) => {
    const { key } = await make("api-keys", { name: "by key of a model" });
    const status = async (name) => (await chat(name, { key })).status;
    assert.equal(await status("app-model"), 200);
    const { id } = (await machine.get(`models?tenant_id=${tenant.id}&q=app-model`)).items[0];
    await visit(page, `/models/${id}`);
    const ways = page.getByRole("group", { name: "Ways in for apps" });
    await ways.getByLabel("API key").selectOption({ label: "Refused" });
    assert.ok((await ways.getByLabel("API key").boundingBox()).height >= 44);
    await expectAccessible(page);
    assert.ok((await tooWide(page)) <= 0);
    await button(page, "Save changes").click();
    await page.getByText("Saved").waitFor();
    await until("keys do not count for it", async () => (await status("app-model")) === 403);
    assert.equal(await status("other-model"), 200);
    await ways.getByLabel("API key").selectOption({ label: "Allowed" });
    await button(page, "Save changes").click();
    await until("the key counts again", async () => (await status("app-model")) === 200);
  }));
