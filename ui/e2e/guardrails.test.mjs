// Rules of guardrail profiles that only tell, that want a score, and that keep a part of what they redact.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, axe, button, desktop, launch, moveToTop, phone, signedIn, tooWide, visit } from "./support.mjs";

let browser;
let machine;
before(async () => {
  browser = await launch();
  machine = await api();
});
after(() => browser.close());

/** Both themes: they differ in their colours only. */
async function expectAccessible(page) {
  assert.deepEqual(await axe(page), []);
  await page.evaluate(() => document.documentElement.setAttribute("data-theme", "dark"));
  assert.deepEqual(await axe(page, "color-contrast"), []);
}

test("a rule in shadow only tells, and what is redacted keeps its end", async () => {
  await signedIn(browser, desktop, async (page) => {
    await visit(page, "/guardrails/new");
    await page.getByLabel("Name").fill("Careful");
    const dialog = page.getByRole("dialog");
    await button(page, "Create").click();
    await page.getByText("A profile needs at least one rule.").waitFor();
    await button(page, "Add rules").click();
    await button(dialog, "Add").click();
    await dialog.getByText("Choose at least one.").waitFor();
    await expectAccessible(page);
    // A group at once, but for one of it.
    await dialog.getByLabel("Money", { exact: true }).check();
    for (const other of ["IBANs", "Bank account numbers", "US bank routing numbers", "Addresses of wallets"])
      await dialog.getByLabel(other).uncheck();
    for (const other of [/IFSC/, /UPI/]) await dialog.getByLabel(other).uncheck();
    await dialog.getByLabel("Then").selectOption({ label: "Redact" });
    await dialog.getByLabel("In its place").selectOption({ label: "Stars, but for the end" });
    await dialog.getByLabel("Characters kept at the end").fill("9");
    await button(dialog, "Add").click();
    await dialog.getByText("Enter a number from 0 to 8.").waitFor();
    await dialog.getByLabel("Characters kept at the end").fill("4");
    await button(dialog, "Add").click();
    await button(page, "Add rules").click();
    await dialog.getByLabel("E-mail addresses").check();
    await dialog.getByLabel("Mode").selectOption({ label: "Shadow: only tells" });
    await dialog.getByLabel("From score").fill("75");
    await button(dialog, "Add").click();
    await dialog.getByText("Enter a number from 0 to 1.").waitFor();
    await dialog.getByLabel("From score").fill("0.5");
    await button(dialog, "Add").click();
    await button(page, "Add rules").click();
    await dialog.getByLabel("Entries of your own").check();
    await dialog.getByLabel("Name of the list").fill("Code names");
    await button(dialog, "Add").click();
    await dialog.getByText("Give the list a name and at least one entry.").waitFor();
    await dialog.getByLabel("Entries, one a line").fill("bluebird\nred kite");
    await expectAccessible(page);
    await button(dialog, "Add").click();
    const rows = page.getByRole("grid", { name: "Rules" }).getByRole("row");
    await rows.nth(0).getByText("In its place: Stars, but for the last 4").waitFor();
    await rows.nth(1).getByText("From score 0.5 · Shadow: only tells").waitFor();
    await rows.nth(2).getByText("Keywords and phrases: 2").waitFor();
    await expectAccessible(page);
    await button(page, "Create").click();
    await page.getByText("E-mail addresses: Block (shadow)").waitFor();
    await page.getByRole("link", { name: "Careful" }).click();
    await page.getByRole("link", { name: "Try a text" }).click();
    await page.getByLabel("Stands in").selectOption({ label: "A document" });
    await page.getByLabel("Text").fill("Card 4111 1111 1111 1111 of jane@example.com");
    await button(page, "Check text").click();
    await page.getByText("Card **** **** **** 1111 of jane@example.com").waitFor();
    await page
      .getByRole("row", { name: /E-mail addresses/ })
      .getByText("in shadow")
      .waitFor();
    await expectAccessible(page);
  });
  const { id } = (await machine.get("guardrails/profiles?name=Careful")).items[0];
  await signedIn(browser, phone, async (page) => {
    await visit(page, `/guardrails/${id}`);
    // By keyboard alone: the second rule becomes the first.
    await moveToTop(page, "E-mail addresses");
    const rows = page.getByRole("grid", { name: "Rules" }).getByRole("row");
    await rows.first().getByText("E-mail addresses").waitFor();
    await page.getByLabel("What no guardrail can read").selectOption({ label: "Is refused" });
    await button(page, "Save changes").click();
    await page.getByText("Saved").waitFor();
    assert.ok((await tooWide(page)) <= 0);
  });
  const { rules, uninspectable } = await machine.get(`guardrails/profiles/${id}`);
  const entries = ["bluebird", "red kite"];
  const custom = { name: "Code names", kind: "keywords", entries, case_sensitive: false, parts_of_words: false };
  assert.deepEqual(rules[2].custom, custom);
  assert.equal(uninspectable, "refuse");
  assert.deepEqual(
    rules.map(({ type, form, mode, threshold }) => [type, form?.kind, form?.keep_last, mode, threshold]),
    [
      ["EMAIL", undefined, undefined, "shadow", 0.5],
      ["CREDIT_CARD", "mask", 4, undefined, undefined],
      ["CUSTOM", undefined, undefined, undefined, undefined],
    ],
  );
});

test("a file of examples says how often a profile is right, and a false alarm becomes one", () =>
  signedIn(browser, desktop, async (page) => {
    await visit(page, "/guardrails/bench");
    const bench = page.getByRole("region", { name: "A file of examples" });
    const text = "Write to jane@example.com";
    const rows = [
      { text, spans: [{ type: "EMAIL", start: 9, end: 25 }] },
      { text: "mail max@example.org", spans: [] },
      { text: "Nothing here", spans: [] },
      { text: "nobody", spans: [{ type: "IBAN", start: 0, end: 6 }] },
    ];
    const lines = [...rows.map((row) => JSON.stringify(row)), "no JSON"].join("\n");
    await bench
      .getByLabel("File")
      .setInputFiles({ name: "examples.jsonl", mimeType: "application/jsonl", buffer: Buffer.from(lines) });
    await bench.getByText("1 lines are no examples: 5.").waitFor();
    await button(bench, "Look through it").click();
    await bench.getByText("In 1 of 2 texts with nothing to be found something was found.").waitFor();
    const scored = bench.getByRole("table", { name: "How often it was right" });
    const cells = async (name) => scored.getByRole("row").filter({ hasText: name }).getByRole("cell").allInnerTexts();
    assert.deepEqual((await cells("E-mail addresses")).slice(-5), ["0.500", "1.000", "1", "1", "0"]);
    assert.deepEqual((await cells("IBANs")).slice(-5), ["–", "0.000", "0", "0", "1"]);
    const mistakes = bench.getByRole("table", { name: "Mistakes: 2" });
    await mistakes.getByRole("row").filter({ hasText: "False alarm" }).getByText("max@example.org").waitFor();
    await expectAccessible(page);

    await page.getByLabel("Text").fill("max@example.org");
    await button(page, "Check text").click();
    await page.getByLabel("False alarm: E-mail addresses at 0–15").check();
    await button(page, "Keep as an example").click();
    await expectAccessible(page);
    const [download] = await Promise.all([page.waitForEvent("download"), button(bench, "Save 1 example").click()]);
    const parts = [];
    for await (const part of await download.createReadStream()) parts.push(part);
    assert.equal(Buffer.concat(parts).toString(), '{"text":"max@example.org","spans":[]}\n');
  }));

test("a profile's versions stand beside what holds now, and an earlier one is made to hold again", async () => {
  const rules = [
    { type: "EMAIL", action: "redact", direction: "both" },
    { type: "IBAN", action: "block", direction: "input", threshold: 0.5 },
  ];
  const made = await machine.post("guardrails/profiles", { name: "Versioned", rules });
  const changed = [{ ...rules[0], action: "block" }, { type: "SECRET", action: "flag", direction: "both" }, rules[1]];
  const path = `guardrails/profiles/${made.id}`;
  const second = await machine.patch(path, { rules: changed, uninspectable: "refuse" }, made.revision);
  await machine.patch(path, { name: "Renamed", rules: [{ ...rules[0], action: "flag" }] }, second.revision);
  for (const options of [desktop, phone]) {
    await signedIn(browser, options, async (page) => {
      await visit(page, `/guardrails/${made.id}`);
      const versions = page.getByRole("region", { name: "Versions" });
      const row = (text) => versions.getByRole("row").filter({ hasText: text });
      await row("Name, Rules").getByText("Holds now").waitFor();
      await row("Created").getByRole("button").click();
      const dialog = page.getByRole("dialog");
      const line = (text) => dialog.getByRole("listitem").filter({ hasText: text });
      await line("E-mail addresses: Flag").getByText("now", { exact: true }).waitFor();
      await line("E-mail addresses: Redact").getByText("then", { exact: true }).waitFor();
      await line("IBANs: Block · Prompts · From score 0.5").getByText("then", { exact: true }).waitFor();
      await dialog.getByRole("row", { name: /What no guardrail can read.*allow.*refuse/ }).waitFor();
      await expectAccessible(page);
      assert.ok((await tooWide(page)) <= 0);
      await button(dialog, "Close").click();
    });
  }
  await signedIn(browser, desktop, async (page) => {
    await visit(page, `/guardrails/${made.id}`);
    const versions = page.getByRole("region", { name: "Versions" });
    await versions.getByRole("row").filter({ hasText: "Created" }).getByRole("button").click();
    await button(page.getByRole("dialog"), "Roll back to it").click();
    await page.getByText("That version holds again").waitFor();
    const rows = page.getByRole("grid", { name: "Rules" }).getByRole("row");
    await rows.nth(1).getByText("IBANs").waitFor();
    assert.equal(await page.getByLabel("Name").inputValue(), "Versioned");
    await expectAccessible(page);
  });
  const { name, uninspectable, ...now } = await machine.get(path);
  assert.deepEqual([name, uninspectable, now.rules], ["Versioned", "allow", rules]);
});
