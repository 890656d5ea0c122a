// The first set-up, at a control plane whose database is empty.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { axe, desktop, launch, open, phone, tooWide, until } from "./support.mjs";

const EMAIL = "first@weir.example";
const PASSWORD = "correct horse battery";
let browser;
let empty;

before(async () => {
  browser = await launch();
  empty = await start();
});
after(async () => {
  await empty?.stop();
  await browser.close();
});

/** A port that nobody listens at. */
function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** A control plane with a database of its own, and the address that it prints. */
async function start() {
  const tool = resolve(process.env.WEIR_DEV_BINARY ?? "../target/debug/weir-dev");
  const serve = `WEIR_DATABASE_URL="$WEIR_TEST_DATABASE_URL" exec "${join(dirname(tool), "weir")}" serve`;
  const { WEIR_TEST_DATABASE_URL, ...environment } = process.env;
  const child = spawn(tool, ["postgres", "--", "sh", "-c", serve], {
    cwd: resolve(".."),
    env: {
      ...environment,
      WEIR_HTTP_ADDR: `127.0.0.1:${await freePort()}`,
      WEIR_GRPC_ADDR: `127.0.0.1:${await freePort()}`,
      WEIR_MASTER_KEYS: randomBytes(32).toString("base64"),
      WEIR_MODULE_FILE: resolve(process.env.WEIR_WASM ?? "../target/weir.wasm"),
      WEIR_CONSOLE_DIR: resolve(process.env.WEIR_CONSOLE_DIR ?? "dist"),
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (piece) => {
    said += piece;
  });
  const exit = new Promise((done) => child.once("exit", done));
  const address = () => /http:\/\/\S+\/setup#token=\S+/.exec(said)?.[0];
  await until(
    "the control plane prints where to begin",
    () => address() ?? assert.equal(child.exitCode, null, said),
    60_000,
  );
  const { origin } = new URL(address());
  const isReady = () =>
    fetch(`${origin}/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until("it is ready", isReady, 60_000);
  const stop = () => {
    child.kill("SIGTERM");
    return exit;
  };
  return { address: address(), origin, stop };
}

test("the first administrator is made with the printed token, and nobody after", async () => {
  const { context, page, complaints } = await open(browser, { ...phone, baseURL: empty.origin });
  // Whoever opens the console without the token is told where it is.
  await page.goto("/");
  await page.waitForURL(/\/sign-in/);
  await page.getByText("Nobody administers this platform yet").waitFor();

  await page.goto("/setup");
  await page.getByLabel("Token").fill("weir_setup_invented");
  await page.getByLabel("E-mail").fill(EMAIL);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("Password again").fill(`${PASSWORD}!`);
  await page.getByRole("button", { name: "Make the administrator" }).click();
  await page.getByText("The two passwords are not the same.").waitFor();
  await page.getByLabel("Password again").fill(PASSWORD);
  await page.getByRole("button", { name: "Make the administrator" }).click();
  await page.getByText("The token does not hold").waitFor();
  assert.ok((await tooWide(page)) <= 0);
  assert.deepEqual(await axe(page), []);

  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto("about:blank");
  await page.goto(empty.address);
  assert.notEqual(await page.getByLabel("Token").inputValue(), "");
  await page.getByLabel("E-mail").fill(EMAIL);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("Password again").fill(PASSWORD);
  await page.getByRole("button", { name: "Make the administrator" }).click();
  await page.getByRole("heading", { name: "Dashboard" }).waitFor();
  const [, token] = empty.address.split("#token=");
  assert.deepEqual(
    asked.filter((url) => new URL(url).href.split("#")[0].includes(token)),
    [],
    "the token is in no address that a server sees",
  );
  assert.ok(!page.url().includes(token), "nor does it stay in the browser's");

  await page.goto("/setup");
  await page.getByText("This platform has an administrator already.").waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a new platform says what comes next, step by step", async () => {
  const { context, page, complaints } = await open(browser, { ...desktop, baseURL: empty.origin });
  await page.goto("/sign-in");
  await page.getByLabel("E-mail").fill(EMAIL);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Dashboard" }).waitFor();
  const steps = page.getByRole("region", { name: "The first call" });
  await steps.getByRole("link", { name: "New tenant" }).click();
  await page.getByLabel("Name").fill("First");
  await page.getByRole("button", { name: "Create" }).click();
  await page.waitForURL(/\/keys\/new/);
  await page.goto("/");
  assert.match(await steps.getByRole("listitem").filter({ hasText: "Tenant" }).first().textContent(), /done/);
  await steps.getByRole("link", { name: "New provider" }).waitFor();
  assert.equal(await steps.getByRole("link", { name: "New tenant" }).count(), 0, "one step at a time");
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(complaints, []);
  await context.close();
});
