// Prices: taken from the catalogue, written for a time to come, and what holds when.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, axe, button, chat, desktop, launch, phone, signedIn, tooWide, until, visit } from "./support.mjs";

let browser;
let machine;
let provider;
before(async () => {
  browser = await launch();
  machine = await api();
  provider = (await machine.get("providers")).items[0];
});
after(() => browser.close());

const withPage = (options, body) => signedIn(browser, options, body);
const make = (path, body) => machine.post(path, { tenant_id: provider.tenant_id, ...body });

/** Both themes: they differ in their colours only. */
async function expectAccessible(page) {
  assert.deepEqual(await axe(page), []);
  await page.evaluate(() => document.documentElement.setAttribute("data-theme", "dark"));
  assert.deepEqual(await axe(page, "color-contrast"), []);
}

test("a member's price is taken from the catalogue, another holds from a time on, and both are kept", async () => {
  const pool = await make("pools", { name: "priced", members: [{ provider_id: provider.id, model: "gpt-4o" }] });
  const [listed] = (await machine.get("catalogue/models?q=gpt-4o")).items.filter(({ name }) => name === "gpt-4o");
  const dollars = (part) => String(listed.price[`${part}_microusd_per_million`] / 1_000_000);
  await withPage(desktop, async (page) => {
    await visit(page, `/pools/${pool.id}`);
    const history = page.getByRole("region", { name: "Prices" });
    await history.getByText("No member has had a price yet.").waitFor();
    await button(page, `Edit ${provider.name} / gpt-4o`).click();
    const member = page.getByRole("dialog", { name: /^Edit/ });
    await button(member, "Take from the catalogue").click();
    const catalogue = page.getByRole("dialog", { name: "Public prices" });
    await catalogue.getByRole("option").first().waitFor();
    await expectAccessible(page);
    await catalogue.getByRole("combobox").fill("no such model");
    await catalogue.getByText("No model of the catalogue has this in its name.").waitFor();
    await catalogue.getByRole("combobox").fill("gpt-4o");
    await catalogue.getByRole("option", { name: /^gpt-4o\b(?!-)/ }).click();
    assert.equal(await member.getByLabel("Input", { exact: true }).inputValue(), dollars("input"));
    assert.equal(await member.getByLabel("Output", { exact: true }).inputValue(), dollars("output"));

    await button(member, "Add a price to come").click();
    await button(member, "Update member").click();
    const next = member.getByRole("group", { name: "price to come 1" });
    await next.getByText("This field is needed.").waitFor();
    await next.getByLabel("From", { exact: true }).fill("2099-01-02T03:00");
    await next.getByLabel("Output", { exact: true }).fill("99");
    await expectAccessible(page);
    await button(member, "Update member").click();
    await page.getByText(/, 1 price to come$/).waitFor();
    await button(page, "Save changes").click();
    const row = (text) => history.getByRole("row").filter({ hasText: text });
    await row("Will hold").getByText(/\$99/).waitFor();
    await row("Holds")
      .getByText(`$${dollars("input")} ·`)
      .waitFor();
    await expectAccessible(page);
  });
  const [stored] = (await machine.get(`pools/${pool.id}`)).members;
  assert.deepEqual(stored.price, listed.price);
  assert.equal(stored.next_prices[0].valid_from, "2099-01-02T02:00:00Z");
  assert.equal(stored.next_prices[0].price.output_microusd_per_million, 99_000_000);
  await withPage(phone, async (page) => {
    await visit(page, `/pools/${pool.id}`);
    await button(page, `Edit ${provider.name} / gpt-4o`).click();
    const member = page.getByRole("dialog");
    await button(member, "Remove: price to come 1").click();
    await button(member, "Update member").click();
    await button(page, "Save changes").click();
    await page.getByRole("region", { name: "Prices" }).getByText("Withdrawn").waitFor();
    assert.ok((await tooWide(page)) <= 0);
  });
  await until("no price is to come", async () => {
    const [{ next_prices }] = (await machine.get(`pools/${pool.id}`)).members;
    return (next_prices ?? []).length === 0;
  });
});

test("a rate of a currency is written, and usage is told in it", () =>
  withPage(desktop, async (page) => {
    await visit(page, "/currency-rates");
    await page.getByRole("link", { name: "New rate" }).first().click();
    await page.getByLabel("Name").fill("GBP for ever");
    await page.getByLabel("Currency").fill("pound");
    await page.getByLabel("For one US dollar").fill("0,5");
    await page.getByLabel("From the day").fill("2020-01-01");
    await button(page, "Create").click();
    await page.getByText("Enter three capital letters, for example EUR.").waitFor();
    await page.getByText("Enter a number with at most twelve digits on either side of the point.").waitFor();
    await expectAccessible(page);
    await page.getByLabel("Currency").fill("GBP");
    await page.getByLabel("For one US dollar").fill("0.5");
    await button(page, "Create").click();
    await page
      .getByRole("row", { name: /GBP for ever/ })
      .getByText("0.5 GBP")
      .waitFor();
    await expectAccessible(page);

    // Priced, so that there is a cost to tell.
    const rates = { input_microusd_per_million: 1_000_000_000, cached_input_microusd_per_million: 1_000_000_000 };
    const price = { ...rates, output_microusd_per_million: 1_000_000_000 };
    const pool = await make("pools", { name: "dear", members: [{ provider_id: provider.id, model: "gpt-4o", price }] });
    await make("models", { name: "dear-model", pool_id: pool.id });
    const served = async () => (await chat("dear-model")).status === 200;
    await until("the model is served", served);
    const from = new Date(Date.now() - 3_600_000).toISOString();
    const to = new Date(Date.now() + 3_600_000).toISOString();
    const summary = () =>
      machine.get(`usage/summary?${new URLSearchParams({ from, to, model: "dear-model", currency: "GBP" })}`);
    await until("its cost is known", async () => Number((await summary()).totals.cost_usd) > 0);
    const { cost_usd, cost_in_currency } = (await summary()).totals;
    assert.equal(Number(cost_in_currency), Number(cost_usd) / 2);
    await page.goto(`/usage?${new URLSearchParams({ from, to, model: "dear-model", currency: "gbp" })}`);
    await page.getByRole("heading", { level: 1, name: "Usage" }).waitFor();
    const shown = page.getByRole("row").filter({ hasText: "dear-model" });
    await shown.getByText(/^£0\.\d+$/).waitFor();
    await page.getByLabel("Currency").fill("xts");
    await page.keyboard.press("Enter");
    await page.getByText("a day has no rate in XTS").waitFor();
    await expectAccessible(page);
  }));
