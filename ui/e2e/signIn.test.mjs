// Signing in by a real OpenID provider, invitations, and the account for when the provider is away.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { api, axe, button, desktop, launch, open, run, signedIn, until, visit } from "./support.mjs";

const PASSWORD = "vK3-tulip-Ozean-92";
const tag = randomUUID().slice(0, 8);
let browser;
let machine;
let provider;
let issuer;

before(async () => {
  browser = await launch();
  machine = await api();
  provider = spawn(process.execPath, [resolve("../tests/e2e/node/identity.mjs")], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  issuer = await new Promise((done) => createInterface({ input: provider.stdout }).once("line", done));
});
after(async () => {
  provider?.stdin.end();
  await browser.close();
});

/** Changes what the OpenID provider knows. */
async function tell(what, to) {
  const answer = await fetch(`${issuer}/test/${what}`, { method: "POST", body: JSON.stringify(to) });
  assert.equal(answer.status, 204);
}

/** Somebody's own browser. */
async function elsewhere(body) {
  const { context, page, complaints } = await open(browser, desktop);
  try {
    await body(page);
    // The provider's own pages look for a font in the internet.
    assert.deepEqual(
      complaints.filter((line) => !line.includes("fonts.googleapis")),
      [],
    );
  } finally {
    await context.close();
  }
}

test("an identity provider is tried, stored, and lets its people in and out", async () => {
  const tenant = await machine.post("tenants", { name: `acme-${tag}` });
  let redirect;
  await signedIn(browser, desktop, async (page) => {
    await visit(page, "/identity-providers");
    await page.getByRole("main").getByRole("link", { name: "New sign-in provider" }).click();
    await page.getByLabel("Name", { exact: true }).fill(`Acme ${tag}`);
    await page.getByLabel("Issuer").fill(`${issuer}/elsewhere`);
    await button(page, "Test the connection").click();
    await page.getByText("People could not sign in by it now").waitFor();
    await page.getByLabel("Issuer").fill(issuer);
    await button(page, "Test the connection").click();
    await page.getByText("It can tell when a session there is over.").waitFor();
    await page.getByLabel("Client id").fill("weir");
    await page.getByLabel(/Client secret/).fill("a secret of the client");
    await button(page, "Add a rule").click();
    await page.getByLabel("Group", { exact: true }).fill("staff");
    await page
      .getByRole("group", { name: "Who may do what" })
      .getByLabel("Tenant")
      .selectOption({ label: tenant.name });
    await page.getByLabel("Makes users").check();
    assert.deepEqual(await axe(page), []);
    await button(page, "Create").click();
    redirect = await page.getByText(/\/auth\/oidc\/[^/]+\/callback$/).textContent();
  });
  const client = { client_id: "weir", client_secret: "a secret of the client", redirect_uris: [redirect] };
  await tell("clients", [{ ...client, post_logout_redirect_uris: [`${new URL(redirect).origin}/sign-in`] }]);
  await tell("people", {
    maria: { email: `maria-${tag}@acme.example`, email_verified: true, groups: ["staff"] },
    guest: { email: `guest-${tag}@acme.example`, email_verified: true, groups: ["guests"] },
  });
  const goThere = async (page, login) => {
    await button(page, `Continue with Acme ${tag}`).click();
    await page.waitForURL(`${issuer}/**`);
    await page.locator('input[name="login"]').fill(login);
    await page.locator('input[name="password"]').fill("any");
    await page.getByRole("button", { name: /sign-in/i }).click();
    await page.waitForURL(`${run.console_url.replace(/\/$/, "")}/**`);
  };
  await elsewhere(async (page) => {
    await page.goto("/keys");
    await page.waitForURL(/\/sign-in\?next=/);
    await goThere(page, "maria");
    await page.waitForURL(/\/keys$/);
    await visit(page, "/settings");
    await page
      .getByRole("cell", { name: `Acme ${tag}` })
      .or(page.getByText(`Acme ${tag}`, { exact: true }))
      .first()
      .waitFor();
    await button(page, "Sign out").click();
    await page.waitForURL(`${issuer}/session/end**`);
    await page.getByRole("button", { name: "Yes, sign me out" }).click();
    await page.waitForURL(/\/sign-in/);
  });
  await elsewhere(async (page) => {
    await page.goto("/sign-in");
    await goThere(page, "guest");
    await page.getByText("None of your groups may sign in here.").waitFor();
  });
});

test("somebody who is invited chooses a password by the link, once", async () => {
  const email = `invited-${tag}@acme.example`;
  let link;
  await signedIn(browser, desktop, async (page) => {
    await visit(page, "/users/new");
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Role").selectOption({ label: "Platform admin" });
    await button(page, "Create").click();
    await page.getByRole("heading", { name: email }).waitFor();
    await button(page, "Make an invitation").click();
    const dialog = page.getByRole("alertdialog");
    link = await dialog.locator("code").textContent();
    await button(dialog, "I have stored it").click();
  });
  await elsewhere(async (page) => {
    await page.goto(link);
    await page.getByText(`Welcome. Choose a password for ${email}.`).waitFor();
    assert.deepEqual(await axe(page), []);
    await page.getByLabel("Password", { exact: true }).fill("password1234");
    await page.getByLabel("Password again").fill("password1234");
    await button(page, "Set the password").click();
    await page.getByText(/too easily guessed/).waitFor();
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByLabel("Password again").fill(PASSWORD);
    await button(page, "Set the password").click();
    await until("the dashboard", async () => new URL(page.url()).pathname === "/");
  });
  await elsewhere(async (page) => {
    await page.goto(link);
    await page.getByText(/This link does not hold/).waitFor();
  });
});

test("every platform admin sees that a break-glass account was used", async () => {
  const email = `glass-${tag}@weir.example`;
  const account = { email, role: "platform_admin", password: PASSWORD, is_break_glass: true };
  await machine.post("users", account);
  const banner = (page) => page.getByText(`The break-glass account ${email} was used to sign in`);
  await signedIn(browser, desktop, async (page) => {
    await visit(page, "/");
    assert.equal(await banner(page).count(), 0);
  });
  await signedIn(browser, desktop, async () => {}, [email, PASSWORD]);
  await signedIn(browser, desktop, async (page) => {
    await banner(page).waitFor();
    await page.getByRole("link", { name: "Look at what it changed" }).click();
    await page.waitForURL(/\/audit\?/);
  });
});
