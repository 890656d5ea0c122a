// Pictures of every page into docs/screenshots: light, dark, and on a phone.
import { mkdirSync } from "node:fs";
import { furnish } from "./furnish.mjs";
import { desktop, launch, open, pages, phone, signIn, visit } from "./support.mjs";

const FOLDER = process.env.WEIR_SCREENSHOTS ?? "../docs/screenshots";
/** Of a long list the first part says enough. */
const MOST_PIXELS = 1000;
mkdirSync(FOLDER, { recursive: true });
const machine = await furnish();
const browser = await launch();
const wanted = process.argv.slice(2);
try {
  const all = Object.entries(await pages(machine)).filter(([name]) => wanted.length === 0 || wanted.includes(name));
  for (const [suffix, options] of [
    ["light", { ...desktop, theme: "light" }],
    ["dark", { ...desktop, theme: "dark" }],
    ["phone", { ...phone, deviceScaleFactor: 1 }],
  ]) {
    const { context, page, complaints } = await open(browser, options);
    await page.goto("/sign-in");
    const shoot = async (name) => {
      const { width } = options.viewport;
      const height = Math.min(MOST_PIXELS, await page.evaluate(() => document.documentElement.scrollHeight));
      const clip = { x: 0, y: 0, width, height };
      await page.screenshot({ path: `${FOLDER}/${name}-${suffix}.png`, fullPage: true, clip });
    };
    if (wanted.length === 0) {
      await page.getByLabel("E-mail").waitFor();
      await shoot("sign-in");
    }
    await signIn(page);
    for (const [name, path] of all) {
      await visit(page, path);
      if (name === "bench") await page.getByRole("button", { name: "Check text" }).click();
      if (name === "bench") await page.locator("mark").first().waitFor();
      await shoot(name);
    }
    if (complaints.length > 0) console.error(suffix, [...new Set(complaints)]);
    await context.close();
  }
} finally {
  await browser.close();
}
