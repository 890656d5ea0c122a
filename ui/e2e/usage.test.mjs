// Sums over the ledger and what they lead to; one request whole; a provider that is asked before it is stored.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, axe, chat, desktop, launch, open, phone, signIn, until, visit } from "./support.mjs";

let browser;
let machine;
before(async () => {
  browser = await launch();
  machine = await api();
  await until("the gateway answers", async () => (await chat("gpt-4o")).status === 200);
  await chat("no-such-model");
  await until("both are in the ledger", async () => (await machine.get("usage?limit=5")).items.length >= 2);
});
after(() => browser.close());

test("usage is grouped, leads to its records, and comes as CSV", async () => {
  const { context, page, complaints } = await open(browser, desktop);
  await signIn(page);
  await visit(page, "/usage");
  await page.getByLabel("Group by").selectOption({ label: "Model" });
  await page.getByLabel("Then by").selectOption({ label: "Outcome" });
  const row = page.getByRole("row").filter({ hasText: "gpt-4o" }).filter({ hasText: "Complete" });
  await row.first().waitFor();
  assert.match(page.url(), /then_by=outcome/);
  await page.getByLabel("Then by").selectOption({ label: "None" });
  await page.getByRole("row").filter({ hasText: "gpt-4o" }).getByRole("link").first().click();
  await page.waitForURL(/\/requests\?.*model=gpt-4o/);
  await page.getByRole("row").filter({ hasText: "gpt-4o" }).first().waitFor();

  await visit(page, "/usage");
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Records as CSV" }).click();
  const file = await download;
  const chunks = [];
  for await (const chunk of await file.createReadStream()) chunks.push(chunk);
  assert.match(Buffer.concat(chunks).toString(), /request_id.*\n.*gpt-4o/s);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("what does not fit into a part of the usage is reached", async () => {
  const { context, page, complaints } = await open(browser, phone);
  await signIn(page);
  // Of more groups than the tests can make: the first part of them, then the rest.
  const group = (at) => ({ model: { id: null, name: `model ${at}` } });
  await page.route("**/api/v1/admin/usage/summary?*group_by=model*", async (route) => {
    const answer = await route.fetch({
      url: route
        .request()
        .url()
        .replace(/&cursor=[^&]*/, ""),
    });
    const json = await answer.json();
    const isRest = route.request().url().includes("cursor=rest");
    const items = Array.from({ length: isRest ? 20 : 100 }, (_, at) => ({
      ...json.items[0],
      group: group(isRest ? 100 + at : at),
    }));
    await route.fulfill({ json: { ...json, items, next_cursor: isRest ? null : "rest" } });
  });
  await visit(page, "/usage?group_by=model");
  await page.getByText("100 shown, there are more").waitFor();
  await page.getByRole("button", { name: "Load more" }).click();
  await page.getByText("120 in all").waitFor();
  await page
    .getByRole("table", { name: "Usage" })
    .getByRole("rowgroup")
    .evaluate((list) => list.scrollTo(0, list.scrollHeight));
  await page.getByText("model 119", { exact: true }).waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test("one request says who refused it, or what it cost line by line", async () => {
  const { context, page, complaints } = await open(browser, phone);
  await signIn(page);
  const records = (await machine.get("usage?limit=20")).items;
  const refused = records.find(({ outcome }) => outcome === "refused");
  await visit(page, `/requests/${refused.request_id}`);
  await page.getByText("model_not_found").first().waitFor();
  const complete = records.find(({ outcome }) => outcome === "complete");
  await visit(page, `/requests/${complete.request_id}`);
  await page.getByRole("heading", { name: "Cost" }).waitFor();
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a provider is asked before it is stored, and an API that fails in between loses nothing", async () => {
  const { context, page } = await open(browser, desktop);
  await signIn(page);
  const { base_url } = (await machine.get("providers")).items.find(({ schema }) => schema === "openai");
  await visit(page, "/providers/new");
  await page.getByRole("button", { name: /^Another server/ }).click();
  await page.getByLabel("Name").fill("checked");
  await page.getByLabel("Base URL").fill("http://127.0.0.1:9");
  await page.getByLabel("Credential").fill("secret");
  await page.getByRole("button", { name: "Check the connection" }).click();
  await page.getByText("Nobody takes the connection", { exact: true }).waitFor();
  await page.getByLabel("Base URL").fill(base_url);
  await page.getByRole("button", { name: "Check the connection" }).click();
  await page.getByText(/^It answers, in/).waitFor();

  const fault = { status: 500, json: { code: "internal", detail: "something went wrong here" } };
  await page.route("**/api/v1/admin/providers", (route) => route.fulfill(fault));
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByText("something went wrong here").waitFor();
  assert.equal(await page.getByLabel("Name").inputValue(), "checked");
  assert.equal(await page.getByLabel("Credential").inputValue(), "secret");
  await page.unroute("**/api/v1/admin/providers");
  await page.getByRole("button", { name: "Create" }).click();
  await page.waitForURL(/\/providers\/[^/]+\/models$/);
  // The models of a provider that answers; of one that does not, a name is written whole.
  await page.getByText(/^It answers, in/).waitFor();
  await page.getByLabel("gpt-4o-mini", { exact: true }).check();
  await page.getByLabel("Name, or a part of one").fill("house-special");
  await page.getByLabel("house-special", { exact: true }).check();
  await page.getByRole("button", { name: "Make 2 models" }).click();
  const made = page.getByRole("region", { name: "Made" });
  await made.getByRole("listitem").filter({ hasText: "house-special" }).getByLabel("done").waitFor();
  assert.deepEqual(await axe(page), []);
  const pool = (await machine.get("pools?name=house-special")).items[0];
  assert.deepEqual(
    pool.members.map(({ provider_name, model }) => [provider_name, model]),
    [["checked", "house-special"]],
  );
  assert.equal((await machine.get("models?name=house-special")).items[0].pool_id, pool.id);
  // A second time the names are taken, and each says so.
  await page.reload();
  await page.getByLabel("gpt-4o-mini", { exact: true }).check();
  await page.getByRole("button", { name: "Make 1 model" }).click();
  await made.getByRole("listitem").filter({ hasText: "gpt-4o-mini" }).getByText("taken").waitFor();
  await context.close();
});

test("a key says what it was used for", async () => {
  const { context, page } = await open(browser, desktop);
  await signIn(page);
  const key = (await machine.get("api-keys?q=first")).items[0];
  await visit(page, `/keys/${key.id}`);
  const statistics = page.getByRole("region", { name: "The last 30 days" });
  await statistics.getByRole("link", { name: "Its usage" }).click();
  await page.waitForURL(new RegExp(`/usage\\?.*${key.id}`));
  await page.getByRole("row").filter({ hasText: "gpt-4o" }).first().waitFor();
  await context.close();
});
