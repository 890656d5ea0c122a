// Signing in and out, sessions, and what is sent to the browser.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { api, desktop, launch, open, run, signIn } from "./support.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

async function withPage(options, body) {
  const { context, page, complaints } = await open(browser, { ...desktop, ...options });
  try {
    await body(page, context);
    assert.deepEqual(complaints, [], "the browser complains about nothing");
  } finally {
    await context.close();
  }
}

test("one signs in and comes to the page that one wanted", () =>
  withPage({}, async (page, context) => {
    await page.goto("/requests?model=gpt-4o");
    await page.waitForURL(/\/sign-in\?next=/);
    assert.equal(await page.getByLabel("E-mail").count(), 1);
    assert.equal(await page.getByLabel("Password").count(), 1);
    assert.equal(await page.getByRole("button", { name: "Sign in" }).count(), 1);
    await page.getByLabel("E-mail").fill(run.admin_email);
    await page.getByLabel("Password").fill("another one entirely");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("There is no such user, or the password is another one.").waitFor();
    await page.getByLabel("Password").fill(run.admin_password);
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/requests\?model=gpt-4o$/);
    const links = page.getByRole("navigation").getByRole("link");
    assert.ok((await links.count()) >= 10, "pages are links in the navigation");
    const ofSession = async () => (await context.cookies()).filter(({ name }) => name === "__Host-weir-session");
    const [cookie] = await ofSession();
    const { name, httpOnly, secure, sameSite, path } = cookie;
    assert.deepEqual(
      { name, httpOnly, secure, sameSite, path },
      { name: "__Host-weir-session", httpOnly: true, secure: true, sameSite: "Strict", path: "/" },
    );
    assert.equal(await page.evaluate(() => document.cookie + JSON.stringify(localStorage)), "{}");
  }));

test("signing out ends the session for the server too", () =>
  withPage({}, async (page, context) => {
    await signIn(page);
    const ofSession = async () => (await context.cookies()).filter(({ name }) => name === "__Host-weir-session");
    const [cookie] = await ofSession();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL(/\/sign-in$/);
    assert.deepEqual(await ofSession(), []);
    const headers = { cookie: `${cookie.name}=${cookie.value}` };
    const answer = await fetch(`${run.console_url}/api/v1/admin/auth/me`, { headers });
    assert.equal(answer.status, 401);
  }));

test("a session that ends loses nothing that was entered", () =>
  withPage({}, async (page, context) => {
    await signIn(page);
    await page.goto("/gateways/new");
    await page.getByLabel("Name").fill("entered before");
    await context.clearCookies();
    await page.getByRole("button", { name: "Create" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Your session has ended").waitFor();
    await dialog.getByLabel("Password").fill(run.admin_password);
    await dialog.getByRole("button", { name: "Sign in" }).click();
    await dialog.waitFor({ state: "detached" });
    assert.equal(await page.getByLabel("Name").inputValue(), "entered before");
  }));

test("one sees one's sessions and ends another", () =>
  withPage({}, async (page) => {
    const machine = await api();
    await signIn(page);
    await page.goto("/settings");
    const row = page.getByRole("row").filter({ hasText: "A machine" }).first();
    await row.getByRole("button", { name: "End" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "End" }).click();
    await page.getByText("The session has ended").waitFor();
    await assert.rejects(machine.get("auth/me"), /401/);
    assert.equal(await page.getByText("This one").count(), 1);
  }));

test("another site's page changes nothing", () =>
  withPage({}, async (page, context) => {
    await signIn(page);
    // The same machine by another name is another site.
    const elsewhere = createServer((_, answer) => answer.end("<title>Elsewhere</title>")).listen(0);
    const foreign = await context.newPage();
    await foreign.goto(`http://localhost:${elsewhere.address().port}/`);
    const answer = foreign.waitForResponse(/auth\/logout/);
    await foreign.evaluate(
      (url) => fetch(url, { method: "POST", mode: "no-cors", credentials: "include" }).catch(() => undefined),
      `${run.console_url}/api/v1/admin/auth/logout`,
    );
    assert.equal((await answer).status(), 401, "it came without the session");
    elsewhere.close();
    elsewhere.closeAllConnections();
    await page.reload();
    await page.getByRole("heading", { name: "Dashboard" }).waitFor();
  }));

test("the first view is small, and its parts are kept for ever", () =>
  withPage({}, async (page) => {
    await signIn(page);
    const kept = [];
    page.on("response", (response) => {
      const { pathname } = new URL(response.url());
      if (pathname.startsWith("/assets/")) kept.push([pathname, response.headers()["cache-control"]]);
    });
    await page.goto("/");
    await page.getByRole("heading", { name: "Dashboard" }).waitFor();
    await page.waitForLoadState("networkidle");
    const bytes = await page.evaluate(() =>
      performance
        .getEntriesByType("resource")
        .filter(({ name }) => name.includes("/assets/"))
        .reduce((total, { encodedBodySize }) => total + encodedBodySize, 0),
    );
    console.log(`first view: ${bytes} bytes in ${kept.length} files`);
    assert.ok(bytes > 50_000 && bytes < 250_000, `${bytes} bytes`);
    for (const [path, control] of kept) assert.match(control, /immutable/, path);
    const answer = await fetch(`${run.console_url}/models`, { headers: { accept: "text/html" } });
    assert.equal(answer.headers.get("cache-control"), "no-cache");
    assert.match(answer.headers.get("content-security-policy"), /default-src 'none'; script-src 'self'/);
  }));
