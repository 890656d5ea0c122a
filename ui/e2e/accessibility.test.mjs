// What axe says of every page in both themes, and whether every page fits on a phone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { furnish } from "./furnish.mjs";
import { axe, desktop, launch, open, pages, phone, signIn, tooWide, visit } from "./support.mjs";

let browser;
let all;
before(async () => {
  const machine = await furnish();
  all = Object.entries(await pages(machine));
  browser = await launch();
});
after(() => browser.close());

/** Both themes at once: they differ in their colours only. */
async function violations(page) {
  const theme = (name) => page.evaluate((value) => document.documentElement.setAttribute("data-theme", value), name);
  await theme("light");
  const light = await axe(page);
  await theme("dark");
  return [...light, ...(await axe(page, "color-contrast")).map((line) => `dark: ${line}`)];
}

/** Headings of columns that have no room: what stands below them has none either. */
const cutOff = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll("[role=columnheader]")]
      .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)
      .map(({ textContent }) => textContent),
  );

/** Looks at every page, in two windows at once: axe takes a processor whole. */
async function onEachPage(options, look) {
  const left = [...all];
  const walk = async () => {
    const { context, page, complaints } = await open(browser, options);
    await signIn(page);
    for (let next = left.shift(); next; next = left.shift()) {
      const [name, path] = next;
      await visit(page, path);
      await look(page, name);
    }
    assert.deepEqual(complaints, []);
    await context.close();
  };
  await Promise.all([walk(), walk()]);
}

test("axe finds nothing on any page, in either theme", async () => {
  const { context, page } = await open(browser, desktop);
  await visit(page, "/sign-in");
  const found = (await violations(page)).map((line) => `sign-in: ${line}`);
  await context.close();
  await onEachPage(desktop, async (page, name) => {
    if (name === "bench") {
      await page.getByRole("button", { name: "Check text" }).click();
      await page.locator("mark").first().waitFor();
    }
    found.push(...(await violations(page)).map((line) => `${name}: ${line}`));
    found.push(...(await cutOff(page)).map((heading) => `${name}: the heading ${heading} is cut off`));
  });
  assert.deepEqual(found, []);
});

test("axe finds nothing on dialogs", async () => {
  const { context, page } = await open(browser, desktop);
  await signIn(page);
  const found = [];
  const check = async (what) => found.push(...(await violations(page)).map((line) => `${what}: ${line}`));
  await visit(page, "/pools/new");
  await page.getByRole("button", { name: "Add member" }).click();
  await page.getByRole("dialog").waitFor();
  await check("a member of a pool");
  await visit(page, all.find(([name]) => name === "key")[1]);
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("alertdialog").waitFor();
  await check("a confirmation");
  assert.deepEqual(found, []);
  await context.close();
});

test("every page fits on a phone, and what is touched is large enough", async () => {
  const wrong = [];
  await onEachPage(phone, async (page, name) => {
    const overflow = await tooWide(page);
    if (overflow > 0) wrong.push(`${name}: ${overflow} pixels too wide`);
    const small = await page.evaluate(() => {
      const touched =
        "main button, main input:not([type=checkbox]), main label:has([type=checkbox]), main select, main textarea, main summary, header button";
      const places = [...document.querySelectorAll(touched)].map((element) => [
        element.getAttribute("aria-label") ?? element.textContent ?? "",
        element.getBoundingClientRect(),
      ]);
      // What has no size to speak of is for screen readers.
      return places
        .filter(([, { width, height }]) => height > 1 && width > 1 && (height < 43.9 || width < 43.9))
        .map(([text, { width, height }]) => `${text.slice(0, 30)} ${width}x${height}`);
    });
    wrong.push(...small.map((line) => `${name}: ${line}`));
  });
  assert.deepEqual(wrong, []);
});
