// What tests and screenshots share: the running parts, a browser, and people who are signed in.
import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

/** What `weir-dev run` tells about the parts that it started. */
export const run = JSON.parse(readFileSync(process.env.WEIR_RUN_FILE ?? "../.weir/run.json", "utf8"));

const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export function launch() {
  const executablePath = process.env.WEIR_CHROMIUM ?? BROWSERS.find((path) => existsSync(path));
  if (!executablePath) throw new Error(`no browser at ${BROWSERS.join(", ")} (Debian: apt-get install chromium)`);
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

export const desktop = { viewport: { width: 1280, height: 800 } };
export const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

/**
 * How many pixels of a page lie beside the screen. A phone makes its window as wide as a page that is too wide, so that the window's
 * width tells nothing.
 */
export const tooWide = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - Math.ceil(visualViewport.width * visualViewport.scale));

/** A page with nothing kept from others. What it complains about is collected in `complaints`. */
export async function open(browser, { theme = "light", ...options } = {}) {
  const context = await browser.newContext({
    baseURL: run.console_url,
    locale: "en-US",
    timezoneId: "Europe/Berlin",
    colorScheme: theme,
    reducedMotion: "reduce",
    ...options,
  });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // A refused request is said by the browser, too; whether it was right is for the test to say.
    const isRefusal = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !isRefusal) complaints.push(`console: ${message.text()}`);
  });
  return { context, page, complaints };
}

export async function signIn(page, email = run.admin_email, password = run.admin_password) {
  await page.goto("/sign-in");
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL((url) => url.pathname !== "/sign-in");
}

/** Does something on a page of its own as somebody who signed in, and asserts that the browser complained about nothing. */
export async function signedIn(browser, options, body, who = []) {
  const { context, page, complaints } = await open(browser, options);
  try {
    await signIn(page, ...who);
    await body(page);
    assert.deepEqual(complaints, [], "the browser complains about nothing");
  } finally {
    await context.close();
  }
}

export const button = (within, name) => within.getByRole("button", { name, exact: true });

/** Moves one of an ordered list to its top, by keyboard alone. */
export async function moveToTop(page, name) {
  await button(page, `Move ${name}`).focus();
  await page.keyboard.press("Enter");
  // The places to drop it come a moment after it is taken up; a key that is pressed before is lost.
  await page
    .getByLabel(/^Insert /)
    .first()
    .waitFor({ state: "attached" });
  await page.keyboard.press("Home");
  await page.keyboard.press("Enter");
}

/** Opens a page and waits until what it shows has come. */
export async function visit(page, path) {
  await page.goto(path);
  await page.getByRole("heading", { level: 1 }).waitFor();
  const loading = page.getByLabel("Loading …").or(page.locator("option", { hasText: "Loading …" }));
  await until(`${path} has loaded`, async () => (await loading.count()) === 0);
}

/** What axe finds wrong on the page, as lines; all of its rules, or one. */
export async function axe(page, rule) {
  // By the browser's own door for tools, which the content security policy of the page does not bind.
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(`(() => { ${axeSource}; window.axe = axe; })()`);
  // What passes is not told, which spares a quarter of the time.
  const options = { resultTypes: ["violations"], ...(rule ? { runOnly: [rule] } : {}) };
  const found = await page.evaluate(`axe.run(${JSON.stringify(options)})`);
  return found.violations.flatMap(({ id, help, nodes }) =>
    nodes.map((node) => `${id}: ${help}: ${node.target.join(" ")} ${node.any[0]?.message ?? ""}`),
  );
}

/** A client of the admin API, as a machine. */
export async function api() {
  const call = async (token, method, path, body, headers = {}) => {
    const response = await fetch(`${run.console_url}/api/v1/admin/${path}`, {
      method,
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(body ? { "content-type": "application/json" } : {}),
        ...headers,
      },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  };
  const credentials = { email: run.admin_email, password: run.admin_password };
  const { token } = await call(undefined, "POST", "auth/login", credentials);
  return {
    get: (path) => call(token, "GET", path),
    post: (path, body) => call(token, "POST", path, body),
    patch: (path, body, revision) => call(token, "PATCH", path, body, { "if-match": `"${revision}"` }),
  };
}

/** An issuer of tokens, with a key of its own: its public part, and tokens with these claims that hold for an hour. */
export function tokenIssuer(issuer, audience = "weir") {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const jwks = { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "1", alg: "ES256", use: "sig" }] };
  const token = (claims) => {
    const now = Math.floor(Date.now() / 1000);
    const body = { iss: issuer, aud: audience, iat: now, exp: now + 3600, ...claims };
    const signed = `${encode({ alg: "ES256", typ: "JWT", kid: "1" })}.${encode(body)}`;
    return `${signed}.${sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
  };
  return { settings: { issuer, audiences: [audience], jwks }, token };
}

/** One request of an app through Envoy. */
export function chat(model, { key = run.api_key, content = "Hello", stream = false } = {}) {
  return fetch(`${run.gateway_url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model, stream, messages: [{ role: "user", content }] }),
  }).then(async (response) => {
    await response.text();
    return response;
  });
}

/** Waits until something holds. */
export async function until(what, condition, milliseconds = 10_000) {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Every page: its name, and how to get to it. Those of one thing take the first of its kind. */
export async function pages(machine) {
  const first = async (collection) => (await machine.get(`${collection}?limit=1`)).items[0]?.id;
  const request = (await machine.get("usage?limit=1")).items[0]?.request_id;
  const one = async (name, path, collection) => [name, `${path}/${await first(collection)}`];
  return Object.fromEntries([
    ["dashboard", "/"],
    ["requests", "/requests"],
    ["request", `/requests/${request}`],
    ["usage", "/usage"],
    ["playground", "/playground"],
    ["models", "/models"],
    ["model-new", "/models/new"],
    await one("model", "/models", "models"),
    ["pools", "/pools"],
    ["pool-new", "/pools/new"],
    await one("pool", "/pools", "pools"),
    ["providers", "/providers"],
    await one("provider", "/providers", "providers"),
    ["provider-new", "/providers/new"],
    ["provider-models", `/providers/${await first("providers")}/models`],
    ["tenants", "/tenants"],
    ["tenant-new", "/tenants/new"],
    await one("tenant", "/tenants", "tenants"),
    ["users", "/users"],
    await one("user", "/users", "users"),
    ["user-new", "/users/new"],
    ["departments", "/departments"],
    await one("department", "/departments", "departments"),
    ["department-new", "/departments/new"],
    ["service-accounts", "/service-accounts"],
    await one("service-account", "/service-accounts", "service-accounts"),
    ["service-account-new", "/service-accounts/new"],
    ["roles", "/roles"],
    await one("role", "/roles", "roles"),
    ["role-new", "/roles/new"],
    ["token-issuers", "/token-issuers"],
    await one("token-issuer", "/token-issuers", "token-issuers"),
    ["token-issuer-new", "/token-issuers/new"],
    ["identity-rules", "/identity-rules"],
    await one("identity-rule", "/identity-rules", "identity-rules"),
    ["identity-rule-new", "/identity-rules/new"],
    ["discovered", "/discovered"],
    ["limits", "/limits"],
    // The one that has a chart.
    ["limit", `/limits/${(await machine.get("limits?q=Requests a month")).items[0]?.id}`],
    ["limit-new", "/limits/new"],
    ["currency-rates", "/currency-rates"],
    ["currency-rate-new", "/currency-rates/new"],
    ["sign-in-providers", "/identity-providers"],
    ["sign-in-provider-new", "/identity-providers/new"],
    ["keys", "/keys"],
    await one("key", "/keys", "api-keys"),
    ["key-new", "/keys/new"],
    ["guardrails", "/guardrails"],
    ["guardrail-new", "/guardrails/new"],
    await one("guardrail", "/guardrails", "guardrails/profiles"),
    ["bench", "/guardrails/bench"],
    ["nodes", "/nodes"],
    ["gateways", "/gateways"],
    await one("gateway", "/gateways", "gateways"),
    ["gateway-new", "/gateways/new"],
    ["audit", "/audit"],
    ["settings", "/settings"],
    ["tokens", "/settings/tokens"],
    await one("token", "/settings/tokens", "service-tokens"),
    ["token-new", "/settings/tokens/new"],
    ["setup", "/setup"],
    ["password", "/password"],
  ]);
}
