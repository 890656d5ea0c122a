// The playground: what an app would get, through the gateway, and what its record says.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, axe, desktop, launch, open, phone, run, signIn, tooWide, visit } from "./support.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const PICTURE = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

test("two models answer as streams, with a key of the page's own, and their records say what happened", async () => {
  const { context, page, complaints } = await open(browser, desktop);
  await signIn(page);
  await visit(page, "/playground");
  await page.getByRole("button", { name: "Make a key for an hour" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("It expires in an hour").waitFor();
  await dialog.getByLabel("Tenant").selectOption({ label: "demo" });
  await dialog.getByRole("button", { name: "Make the key" }).click();
  await page.getByText("This page's key expires").waitFor();

  await page.getByLabel("Model", { exact: true }).fill("gpt-4o");
  await page.getByLabel("Second model").fill("gpt-4o-mini");
  await page.getByLabel("Add pictures").setInputFiles({ name: "dot.png", mimeType: "image/png", buffer: PICTURE });
  await page.getByLabel("Message").fill("Say tangerine");
  await page.getByRole("button", { name: "Send" }).click();
  const answers = page.getByRole("article");
  for (const at of [0, 1]) {
    await answers.nth(at).getByText("tangerine").waitFor();
    await answers.nth(at).getByRole("heading", { name: "What happened" }).waitFor({ timeout: 20_000 });
  }
  assert.deepEqual(await axe(page), []);

  const key = await page.getByLabel("API key").inputValue();
  await page.getByRole("button", { name: "Copy as code" }).click();
  const code = await page.getByRole("dialog").locator("pre").textContent();
  assert.ok(code.includes(`${run.gateway_url}/v1/chat/completions`) && code.includes("Say tangerine"));
  assert.ok(!code.includes(key), "the key is in no code");
  await page.getByRole("button", { name: "Close" }).click();

  await page.getByRole("button", { name: "End it now" }).click();
  await page.getByText("This page's key expires").waitFor({ state: "detached" });
  const machine = await api();
  const made = (await machine.get("api-keys?q=Playground")).items[0];
  assert.ok(made.revoked_at && made.expires_at);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a refusal is said in the gateway's words, and the session goes on", async () => {
  const { context, page, complaints } = await open(browser, phone);
  await signIn(page);
  await visit(page, "/playground");
  await page.getByRole("button", { name: "Send" }).waitFor();
  await page.getByLabel("Message").fill("Hello");
  await page.getByRole("button", { name: "Send" }).click();
  assert.equal(await page.locator("[aria-invalid=true]").count(), 2, "a key and a model are needed");
  await page.getByLabel("API key").fill("weir_wrong");
  await page.getByLabel("Model", { exact: true }).fill("gpt-4o");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("Refused, HTTP 401").waitFor();
  assert.equal(await page.getByRole("dialog").count(), 0, "it is not the session that was refused");

  await page.getByLabel("API key").fill(run.api_key);
  await page.getByLabel("Message").fill("Say mandarin");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("article").nth(1).getByText("mandarin").waitFor();
  const overflow = await tooWide(page);
  assert.ok(overflow <= 0, `${overflow} pixels too wide`);
  assert.deepEqual(complaints, []);
  await context.close();
});
