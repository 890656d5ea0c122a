// How soon each page can be used and is whole, how many requests of the API it takes, and what its own files weigh.
// Beside a gateway that runs already, whose data are what is measured: WEIR_RUN_FILE=.weir/run.json node e2e/measure.mjs
import { api, desktop, launch, open, pages, signIn, until } from "./support.mjs";

/** How often each page is opened; the middle one counts. */
const TIMES = 3;
const MOST_MS = 60_000;
/** Views of pages that ask for more than their first one. */
const VIEWS = {
  "dashboard, 30 days": "/?range=month",
  "usage by key": "/usage?group_by=api_key",
  "usage by day and model": "/usage?bucket=day&order=bucket",
  "keys by a part of the name": "/keys?q=9999",
};
const median = (values) => values.sort((left, right) => left - right)[Math.floor(values.length / 2)];

const browser = await launch();
const machine = await api();
const { context, page } = await open(browser, desktop);
await signIn(page);
const wanted = process.argv.slice(2);
console.log("| page | usable ms | whole ms | requests | kB of the API | kB of its own code |");
console.log("|---|---:|---:|---:|---:|---:|");
/** Files that a page before has brought: what comes with the frame is nobody's own. */
const frame = new Set();
try {
  for (const [name, path] of Object.entries({ ...(await pages(machine)), ...VIEWS })) {
    // There may be none of a kind.
    if (path.endsWith("/undefined")) continue;
    if (wanted.length > 0 && !wanted.includes(name) && name !== "settings") continue;
    const usable = [];
    const whole = [];
    let requests = 0;
    let received = 0;
    for (let time = 0; time < TIMES; time++) {
      const answers = [];
      const listen = (response) => {
        const { pathname } = new URL(response.url());
        if (pathname.startsWith("/api/") && !pathname.endsWith("/events")) answers.push(response);
      };
      page.on("response", listen);
      const began = performance.now();
      await page.goto(path, { waitUntil: "commit" });
      await page.getByRole("heading", { level: 1 }).waitFor({ timeout: MOST_MS });
      usable.push(performance.now() - began);
      await until(`${path} is whole`, async () => (await page.getByLabel("Loading …").count()) === 0, MOST_MS);
      whole.push(performance.now() - began);
      page.off("response", listen);
      requests = answers.length;
      const bodies = await Promise.all(answers.map((answer) => answer.body().catch(() => "")));
      received = bodies.reduce((total, body) => total + body.length, 0);
    }
    const files = await page.evaluate(() =>
      performance
        .getEntriesByType("resource")
        .filter(({ name }) => name.includes("/assets/") && name.endsWith(".js"))
        .map(({ name, encodedBodySize }) => [name, encodedBodySize]),
    );
    if (frame.size === 0) for (const [file] of files) if (/\/(index|States)-/.test(file)) frame.add(file);
    const own = files.filter(([file]) => !frame.has(file)).reduce((total, [, bytes]) => total + bytes, 0);
    const kilobytes = (bytes) => (bytes / 1000).toFixed(1);
    const figures = [
      median(usable).toFixed(0),
      median(whole).toFixed(0),
      requests,
      kilobytes(received),
      kilobytes(own),
    ];
    console.log(`| ${[name, ...figures].join(" | ")} |`);
  }
} finally {
  await context.close();
  await browser.close();
}
