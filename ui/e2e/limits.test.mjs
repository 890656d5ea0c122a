// Limits: made, said of whom they hold, how much of them is used.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, axe, button, chat, desktop, launch, phone, signedIn, tooWide, until, visit } from "./support.mjs";

const AMOUNT = 1000;
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

const withPage = (options, body) => signedIn(browser, options, body);
const make = (path, body) => machine.post(path, { tenant_id: tenant.id, ...body });

/** Both themes: they differ in their colours only. */
async function expectAccessible(page) {
  assert.deepEqual(await axe(page), []);
  await page.evaluate(() => document.documentElement.setAttribute("data-theme", "dark"));
  assert.deepEqual(await axe(page, "color-contrast"), []);
}

test("a limit is made, and what it lacks is said at the field", () =>
  withPage(desktop, async (page) => {
    await make("departments", { name: "Marketing" });
    await visit(page, "/limits/new");
    await page.getByLabel("Owner").selectOption({ label: "demo" });
    await page.getByLabel("Name").fill("Marketing a day");
    await page.getByLabel("Holds for").selectOption({ label: "A department" });
    await page.getByLabel("Counts").selectOption({ label: "Requests" });
    await page.getByLabel("Amount").fill("5000");
    await page.getByLabel("Period").selectOption({ label: "Day" });
    await page.getByLabel("Time zone").fill("Mars/Olympus");
    await button(page, "Create").click();
    const wrong = page.locator("[aria-invalid=true]");
    await wrong.first().waitFor();
    await page.getByLabel("Which one").selectOption({ label: "Marketing" });
    await button(page, "Create").click();
    await until("only the time zone is wrong", async () => (await wrong.count()) === 1);
    assert.equal(await page.getByLabel("Time zone").getAttribute("aria-invalid"), "true");
    await page.getByLabel("Time zone").fill("Europe/Berlin");
    await page.getByLabel("Released after, seconds").fill("59");
    await button(page, "Create").click();
    await page.getByText("must be between 60 and").waitFor();
    await page.getByLabel("Released after, seconds").fill("600");
    await page.getByLabel("Tell at, percent").fill("50, 101");
    await button(page, "Try it").click();
    await page.getByText("Whole numbers from 1 to 100").waitFor();
    await page.getByLabel("Tell at, percent").fill("50, 90");
    await button(page, "Try it").click();
    await page.getByText(/^There would have been no room for 0 of [\d,]+ requests\.$/).waitFor();
    await expectAccessible(page);
    await button(page, "Create").click();
    const row = page.getByRole("row", { name: /Marketing a day/ });
    await row.getByText("5,000 Requests").waitFor();
    // Whom it holds for, by name, and what is left of it.
    await row.getByText("A department: Marketing").waitFor();
    await row.getByText("5,000", { exact: true }).waitFor();
    await expectAccessible(page);
    const [made] = (await machine.get("limits?q=Marketing a day")).items;
    assert.equal(made.unreconciled_release_after_s, 600);
  }));

test("the page of each owner and of a key says which limits hold, whence, and what is left", async () => {
  const team = await make("departments", { name: "Limited team" });
  const account = await make("service-accounts", { name: "limited app", department_id: team.id });
  const key = await make("api-keys", { name: "limited key", service_account_id: account.id });
  const day = { unit: "requests", window: { kind: "calendar", period: "day" }, action: "refuse" };
  const each = (kind, name) => make("limits", { ...day, name, subject: { kind, each: true }, amount: AMOUNT });
  await each("department", "Each team");
  await each("service_account", "Each app");
  const served = () => chat("gpt-4o", { key: key.key });
  await until("the key is served", async () => (await served()).status === 200);
  await withPage(desktop, async (page) => {
    for (const [path, names] of [
      [`/departments/${team.id}`, ["Each team"]],
      [`/service-accounts/${account.id}`, ["Each team", "Each app"]],
      [`/keys/${key.id}`, ["Each team", "Each app"]],
    ]) {
      await visit(page, path);
      const section = page.getByRole("region", { name: "Limits that hold" });
      for (const name of names) {
        const row = section.getByRole("row").filter({ hasText: name });
        await row.getByText(name === "Each team" ? "Limited team" : "A service account, each").waitFor();
        await row.getByText(/^begins anew /).waitFor();
        // Some are spent or held by now.
        await row.getByText(/^9\d\d$/).waitFor();
      }
      await expectAccessible(page);
    }
    await page.getByRole("link", { name: "Each app" }).click();
    await page.getByRole("heading", { level: 1, name: "Each app" }).waitFor();
  });
  await withPage(phone, async (page) => {
    await visit(page, `/keys/${key.id}`);
    await page.getByRole("region", { name: "Limits that hold" }).getByText("Each app").waitFor();
    assert.ok((await tooWide(page)) <= 0);
  });
});

test("the list of models says who serves them, also behind the first pools", async () => {
  const provider = (await machine.get("providers")).items[0];
  const owner = { tenant_id: provider.tenant_id };
  const pool = (name) => machine.post("pools", { ...owner, name, members: [{ provider_id: provider.id, model: "m" }] });
  for (let at = 0; at < 51; at++) await pool(`many ${at}`);
  const last = await pool("the last of many");
  await machine.post("models", { ...owner, name: "behind-many", pool_id: last.id });
  await withPage(desktop, async (page) => {
    await visit(page, "/models?q=behind-many");
    await page
      .getByRole("row", { name: /behind-many/ })
      .getByText(provider.name, { exact: true })
      .waitFor();
    await expectAccessible(page);
  });
});

test("a limit that is used up is raised, begins anew and is adjusted, each by a dialog", () =>
  withPage(desktop, async (page) => {
    const key = await make("api-keys", { name: "raised key" });
    const limit = await make("limits", {
      name: "One request",
      subject: { kind: "api_key", id: key.id },
      unit: "requests",
      window: { kind: "calendar", period: "year" },
      amount: 1,
      action: "refuse",
    });
    const status = async () => (await chat("gpt-4o", { key: key.key })).status;
    await until("it is used up", async () => (await status()) === 429);
    await visit(page, `/limits/${limit.id}`);
    const used = page.getByRole("region", { name: "Used" });
    const dialog = page.getByRole("dialog");
    await button(used, "Raise for a time").click();
    await dialog.getByLabel("Amount").fill("1");
    await button(dialog, "Raise for a time").click();
    await dialog.getByText("Enter more than the limit's own amount.").waitFor();
    await dialog.getByLabel("Amount").fill("3");
    await dialog.getByLabel("Reason").fill("the demonstration");
    await expectAccessible(page);
    await button(dialog, "Raise for a time").click();
    await used.getByText(/^Raised to 3 until .*the demonstration$/).waitFor();
    await until("there is room", async () => (await status()) === 200);
    await until("that is used up, too", async () => (await status()) === 429);

    await button(used, "Reset").click();
    await button(dialog, "Reset").click();
    await until("it begins anew", async () => (await status()) === 200);
    await button(used, "Adjust").click();
    await dialog.getByLabel("Amount to add").fill("0");
    await button(dialog, "Adjust").click();
    await dialog.getByText("An amount other than 0").waitFor();
    await dialog.getByLabel("Amount to add").fill("3");
    await expectAccessible(page);
    await button(dialog, "Adjust").click();
    await dialog.waitFor({ state: "detached" });
    await until("what was added counts", async () => (await status()) === 429);

    await button(used, "Raise for a time").click();
    await button(dialog, "End the raise").click();
    await used.getByText(/^Raised to 3/).waitFor({ state: "detached" });
    await expectAccessible(page);
  }));

test("of a limit on each of a kind the page says who has used how much", async () => {
  const key = await make("api-keys", { name: "counted key" });
  const limit = await make("limits", {
    name: "Each key a year",
    subject: { kind: "api_key", each: true },
    unit: "requests",
    window: { kind: "calendar", period: "year" },
    amount: AMOUNT,
    action: "refuse",
  });
  await until("the key is served", async () => (await chat("gpt-4o", { key: key.key })).status === 200);
  for (const options of [desktop, phone]) {
    await withPage(options, async (page) => {
      await visit(page, `/limits/${limit.id}`);
      const row = page
        .getByRole("region", { name: "Who has used how much" })
        .getByRole("row")
        .filter({ hasText: "counted key" });
      await row.getByText(/^9\d\d$/).waitFor();
      await button(row, "Raise for a time: counted key").waitFor();
      await expectAccessible(page);
      assert.ok((await tooWide(page)) <= 0);
    });
  }
  await withPage(desktop, async (page) => {
    await visit(page, `/limits/${limit.id}`);
    const all = page.getByRole("region", { name: "Who has used how much" });
    const row = all.getByRole("row").filter({ hasText: "counted key" });
    const dialog = page.getByRole("dialog");
    await button(all, "Raise for a time: all of them").click();
    await dialog.getByLabel("Amount").fill("5000");
    await button(dialog, "Raise for a time").click();
    await row.getByText(/^Raised to 5,000 until /).waitFor();
    // In the row of one, too: what holds for all is told, and ended for all.
    await button(row, "Raise for a time: counted key").click();
    await button(dialog, "End the raise").click();
    await dialog.getByText(/^A raise of all of them holds here: to 5,000 until /).waitFor();
    await expectAccessible(page);
    await button(dialog, "End it for all of them").click();
    await row.getByText(/^Raised to /).waitFor({ state: "detached" });
    await button(all, "Reset: all of them").click();
    await button(dialog, "Reset").click();
    await dialog.waitFor({ state: "detached" });

    // What an Envoy left that is heard of no longer, until it is released.
    let released;
    await page.route("**/limits/*/release", (route) => {
      released = route.request().postDataJSON();
      return route.continue();
    });
    await page.route("**/limit-states?*", async (route) => {
      const response = await route.fetch();
      const states = await response.json();
      for (const { state } of states.items) state.unreconciled = released ? 0 : 7;
      await route.fulfill({ response, json: states });
    });
    await visit(page, `/limits/${limit.id}`);
    await row.getByText("of that not accounted for: 7").waitFor();
    await button(row, "Release: counted key").click();
    await dialog.getByLabel("Reason").fill("it was replaced");
    await expectAccessible(page);
    await button(dialog, "Release").click();
    await row.getByText(/^of that not accounted for/).waitFor({ state: "detached" });
    assert.deepEqual(released, { subject_id: key.id, reason: "it was replaced" });
    assert.equal(await button(row, "Release: counted key").count(), 0);
  });
});

test("a limit says how it went, what holds beside it, and where it cannot be enforced and why", async () => {
  const provider = (await machine.get("providers")).items.find(({ tenant_id }) => tenant_id === tenant.id);
  const account = await make("service-accounts", { name: "burning app" });
  const key = await make("api-keys", { name: "burning key", service_account_id: account.id });
  const window = { kind: "calendar", period: "month" };
  const ofApp = { subject: { kind: "service_account", id: account.id }, window, action: "refuse" };
  await make("limits", { ...ofApp, name: "Tokens of the app", unit: "input_tokens", amount: 1_000_000 });
  const ofKey = { subject: { kind: "api_key", id: key.id }, window, action: "refuse" };
  const limit = await make("limits", { ...ofKey, name: "Requests of the key", unit: "requests", amount: AMOUNT });
  const pool = await make("pools", { name: "no price", members: [{ provider_id: provider.id, model: "gpt-4o" }] });
  const model = await make("models", { name: "open-ended", pool_id: pool.id });
  const budget = await make("limits", {
    name: "Budget for the open-ended",
    subject: { kind: "model", id: model.id },
    unit: "cost_microusd",
    window,
    amount: 5_000_000,
    action: "refuse",
  });
  await until("the key is served", async () => (await chat("gpt-4o", { key: key.key })).status === 200);
  const refused = await chat("open-ended", { key: key.key });
  assert.equal(refused.status, 400);
  await withPage(desktop, async (page) => {
    await visit(page, `/limits/${limit.id}`);
    const used = page.getByRole("region", { name: "Used" });
    await used.getByRole("img", { name: /^9\d\d are left; from / }).waitFor();
    await used.getByText("As a table").click();
    await used.getByRole("cell", { name: /^9\d\d$/ }).waitFor();
    const beside = page.getByRole("region", { name: "Limits that hold" });
    await beside.getByRole("link", { name: "Tokens of the app" }).waitFor();
    await expectAccessible(page);

    await visit(page, `/limits/${budget.id}`);
    await page.getByText(/nobody can say what they cost: no price\.$/).waitFor();
    await page.getByText(/neither a default nor a cap: open-ended\.$/).waitFor();
    await expectAccessible(page);
    await visit(page, `/models/${model.id}`);
    await page.getByText(/members of its pool have no price: .*gpt-4o\.$/).waitFor();
    const fallback = page.getByLabel("Output tokens by default");
    await fallback.fill("many");
    await button(page, "Save changes").click();
    await page.getByText("Enter a whole number of tokens, 1 or more.").waitFor();
    await fallback.fill("512");
    await page.getByLabel("Output tokens at most").fill("2048");
    await expectAccessible(page);
    await button(page, "Save changes").click();
    await page.getByText("Saved").first().waitFor();
    await visit(page, `/limits/${budget.id}`);
    await page.getByText(/nobody can say what they cost: no price\.$/).waitFor();
    assert.equal(await page.getByText(/neither a default nor a cap/).count(), 0);
  });
  const { default_max_tokens, max_tokens_cap } = await machine.get(`models/${model.id}`);
  assert.deepEqual([default_max_tokens, max_tokens_cap], [512, 2048]);
  await withPage(phone, async (page) => {
    await visit(page, `/limits/${limit.id}`);
    await page.getByRole("img", { name: /are left; from / }).waitFor();
    assert.ok((await tooWide(page)) <= 0);
  });
});
