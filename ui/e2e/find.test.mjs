// Finding things: the search over all kinds, and who changed what.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, axe, desktop, launch, open, phone, signIn, tooWide, visit } from "./support.mjs";

let browser;
let machine;
before(async () => {
  browser = await launch();
  machine = await api();
});
after(() => browser.close());

test("the search leads to things of all kinds by keyboard, on a desktop and on a phone", async () => {
  await machine.post("tenants", { name: "Findable tenant" });
  await machine.post("gateways", { name: "findable-gateway" });
  const { context, page, complaints } = await open(browser, desktop);
  await signIn(page);
  await visit(page, "/");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: /^Search/ }).fill("FINDABLE");
  await page.getByRole("listbox").getByRole("option", { name: "Findable tenant" }).waitFor();
  await page.getByRole("listbox").getByRole("option", { name: "findable-gateway" }).waitFor();
  assert.deepEqual(await axe(page), []);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: /^findable/i }).waitFor();
  assert.deepEqual(complaints, []);
  await context.close();

  const small = await open(browser, phone);
  await signIn(small.page);
  await visit(small.page, "/");
  await small.page.getByRole("button", { name: "Search" }).click();
  await small.page.getByRole("combobox", { name: /^Search/ }).fill("no such thing anywhere");
  await small.page.getByText("Nothing has this in its name").waitFor();
  await small.page.getByRole("combobox", { name: /^Search/ }).fill("Audit");
  await small.page.getByRole("listbox").getByRole("option", { name: "Audit" }).tap();
  await small.page.waitForURL(/\/audit$/);
  await small.context.close();
});

test("the audit shows each field before and after, and is narrowed to one thing", async () => {
  const made = await machine.post("gateways", { name: "before" });
  await machine.patch(`gateways/${made.id}`, { name: "<b>after</b>" }, made.revision);
  const { context, page, complaints } = await open(browser, desktop);
  await signIn(page);
  await visit(page, "/audit");
  await page.getByLabel("Kind").selectOption({ label: "Gateway" });
  await page.waitForURL(/resource_type=gateway/);
  const row = page.getByRole("row").filter({ hasText: "Changed: Gateway" }).filter({ hasText: "<b>after</b>" });
  await row.getByRole("button").click();
  const dialog = page.getByRole("dialog");
  assert.equal(await dialog.locator("del").first().textContent(), "before");
  assert.equal(await dialog.locator("ins").first().textContent(), "<b>after</b>");
  assert.deepEqual(await axe(page), []);
  await dialog.getByRole("link", { name: "Only this one" }).click();
  await page.waitForURL(new RegExp(made.id));
  await page.getByText("2 in all").waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test("what guardrails found in several requests is told by digests", async () => {
  const hmac_sha256 = "0123456789abcdef".repeat(4);
  const digests = [{ key_id: "20261130", hmac_sha256, requests: 1_234 }];
  const after = {
    requests: 2_000,
    from: "2026-11-30T10:00:00Z",
    until: "2026-11-30T10:01:00Z",
    request_ids: [],
    digests,
  };
  const { context, page, complaints } = await open(browser, phone);
  await signIn(page);
  // What traffic leaves comes minutes later: an entry that is there says it instead.
  await page.route("**/api/v1/admin/audit?*", async (route) => {
    const response = await route.fetch();
    const list = await response.json();
    const changes = [{ path: "CREDIT_CARD:block", before: null, after }];
    const entry = { ...list.items[0], action: "guardrail.trigger", resource_type: "api_key", changes };
    await route.fulfill({ response, json: { items: [entry], next_cursor: null } });
  });
  await visit(page, "/audit");
  await page.getByRole("rowheader").getByRole("button").click();
  const dialog = page.getByRole("dialog");
  const row = dialog.getByRole("region", { name: "What was the same" }).getByRole("row").nth(1);
  const cells = await row.locator("th, td").allTextContents();
  assert.deepEqual(cells, ["CREDIT_CARD", "0123456789ab", "2026-11-30", "1,234"]);
  assert.ok(!(await dialog.locator("ins").textContent()).includes("hmac_sha256"), "they are told once");
  const beside = await row.evaluate((element) => {
    const table = element.closest("table");
    return table.scrollWidth - table.parentElement.clientWidth;
  });
  assert.ok(beside <= 0, `${beside} pixels too wide`);
  assert.deepEqual(await axe(page), []);
  await page.evaluate(() => document.documentElement.setAttribute("data-theme", "dark"));
  assert.deepEqual(await axe(page, "color-contrast"), []);
  assert.deepEqual(complaints, []);
  await page.unrouteAll({ behavior: "wait" });
  await context.close();
});

test("the audit log is proved, by a kept head too, and taken away", async () => {
  const { context, page, complaints } = await open(browser, phone);
  await signIn(page);
  await visit(page, "/audit");
  await page.getByRole("button", { name: "Verify" }).click();
  const dialog = page.getByRole("dialog");
  const head = dialog.getByLabel("A head that was kept");
  await head.fill("something else");
  await dialog.getByRole("button", { name: "Verify" }).click();
  await dialog.getByText("This is not a head of an audit log.").waitFor();
  await head.fill(JSON.stringify(await machine.get("audit/head")));
  await dialog.getByRole("button", { name: "Verify" }).click();
  await dialog.getByText(/Intact: [\d,]+ entries/).waitFor();
  assert.deepEqual(await axe(page), []);
  await dialog.getByRole("button", { name: "Close" }).click();
  const lines = await page
    .getByRole("link", { name: "Export as JSON lines" })
    .evaluate((link) => fetch(link.href).then((answer) => answer.text()));
  const entries = lines.trim().split("\n").map(JSON.parse);
  assert.ok(entries.some(({ action }) => action === "session.create"));
  assert.ok((await tooWide(page)) <= 0);
  assert.deepEqual(complaints, []);
  await context.close();
});
