// What holds for whom and whence, what one may do oneself, and choosing one of many.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, axe, button, desktop, launch, phone, signedIn, tooWide, visit } from "./support.mjs";

const PASSWORD = "correct horse battery";
/** More than a list offers at once. */
const MANY = 55;
let browser;
let machine;
let tenant;
before(async () => {
  browser = await launch();
  machine = await api();
  tenant = await machine.post("tenants", { name: "Policy House" });
});
after(() => browser.close());

const withPage = (options, body, who) => signedIn(browser, options, body, who);
const make = (path, body) => machine.post(path, { tenant_id: tenant.id, ...body });

/** Both themes: they differ in their colours only. */
async function expectAccessible(page) {
  assert.deepEqual(await axe(page), []);
  await page.evaluate(() => document.documentElement.setAttribute("data-theme", "dark"));
  assert.deepEqual(await axe(page, "color-contrast"), []);
}

test("of many people one finds one by a part of the address, and the key is theirs", async () => {
  const people = [];
  for (let at = 0; at < MANY; at++)
    people.push(await make("users", { email: `person${at}@policy.example`, role: "user" }));
  await withPage(desktop, async (page) => {
    await visit(page, `/keys/new?tenant_id=${tenant.id}`);
    await page.getByLabel("Name").fill("somebody's key");
    await page.getByLabel("Owner").selectOption({ label: "A user" });
    await page.getByRole("button", { name: "User: Choose …" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("option").nth(49).waitFor();
    await button(dialog, "Load more").click();
    await dialog
      .getByRole("option")
      .nth(MANY - 1)
      .waitFor();
    await expectAccessible(page);
    await dialog.getByRole("combobox").fill("person42@");
    await dialog.getByRole("option", { name: "person42@policy.example" }).waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "User: person42@policy.example" }).waitFor();
    await button(page, "Create").click();
    await button(page.getByRole("alertdialog"), "I have stored it").click();
    await page.getByRole("heading", { name: "somebody's key" }).waitFor();
  });
  const { items } = await machine.get(`api-keys?user_id=${people[42].id}`);
  assert.deepEqual(
    items.map(({ name }) => name),
    ["somebody's key"],
  );
  await withPage(phone, async (page) => {
    await visit(page, `/users/${people[42].id}`);
    await page.getByRole("link", { name: "Their keys" }).click();
    await page.getByRole("link", { name: "somebody's key" }).waitFor();
    assert.ok((await tooWide(page)) <= 0);
  });
});

test("the page of each owner and of a key says which guardrails hold, and whence", async () => {
  const profile = (name, rules) => make("guardrails/profiles", { name, rules });
  const cards = await profile("Cards", [{ type: "CREDIT_CARD", action: "block", direction: "both" }]);
  const mail = await profile("Mail", [{ type: "EMAIL", action: "redact", direction: "input" }]);
  const stricter = await profile("No mail", [{ type: "EMAIL", action: "block", direction: "input" }]);
  const top = await make("departments", { name: "Top", guardrail_profile_id: cards.id });
  const below = await make("departments", { name: "Below", parent_id: top.id, guardrail_profile_id: mail.id });
  const account = await make("service-accounts", {
    name: "bot",
    department_id: below.id,
    guardrail_profile_id: stricter.id,
  });
  const user = await make("users", { email: "ruled@policy.example", role: "user", department_id: below.id });
  const key = await make("api-keys", { name: "bot's key", service_account_id: account.id });
  const section = (page) => page.getByRole("region", { name: "Guardrails that hold" });
  const sources = async (page) => {
    await section(page).getByRole("table").waitFor();
    return section(page).getByRole("list").getByRole("listitem").allInnerTexts();
  };
  await withPage(desktop, async (page) => {
    await visit(page, `/departments/${below.id}`);
    assert.deepEqual(await sources(page), ["Cards · of the department Top", "Mail · this one's own"]);
    await expectAccessible(page);
    await visit(page, `/service-accounts/${account.id}`);
    const ofAccount = ["Cards · of the department Top", "Mail · of the department Below"];
    assert.deepEqual(await sources(page), [...ofAccount, "No mail · this one's own"]);
    // The strictest of both.
    await section(page)
      .getByRole("row", { name: /E-mail addresses/ })
      .getByText("Block")
      .waitFor();
    await expectAccessible(page);
    await visit(page, `/keys/${key.id}`);
    assert.deepEqual(await sources(page), [...ofAccount, "No mail · of the service account bot"]);
    await expectAccessible(page);
  });
  await withPage(phone, async (page) => {
    await visit(page, `/users/${user.id}`);
    assert.deepEqual(await sources(page), ["Cards · of the department Top", "Mail · of the department Below"]);
    await section(page)
      .getByRole("row", { name: /E-mail addresses/ })
      .getByText("Redact")
      .waitFor();
    assert.ok((await tooWide(page)) <= 0);
    // A profile of the user's own holds besides.
    await page.getByLabel("Guardrail profile").selectOption({ label: "No mail" });
    await button(page, "Save changes").click();
    await section(page)
      .getByRole("row", { name: /E-mail addresses/ })
      .getByText("Block")
      .waitFor();
  });
});

test("everybody sees what they may do themselves, and where", async () => {
  const sales = await make("departments", { name: "Sales" });
  const grants = [{ role: "manager", department_id: sales.id }];
  await make("users", { email: "seller@policy.example", role: "user", grants, password: PASSWORD });
  for (const options of [desktop, phone]) {
    await withPage(
      options,
      async (page) => {
        await visit(page, "/settings");
        const section = page.getByRole("region", { name: "What you may do" });
        const roles = await section.getByRole("list", { name: "Your roles" }).getByRole("listitem").allInnerTexts();
        assert.deepEqual(roles, ["User in Policy House", "Manager in Sales and beneath it"]);
        await section.getByText(/^Show all \d+ permissions$/).click();
        const where = (permission) => section.getByRole("row").filter({ hasText: permission }).textContent();
        assert.match(await where("Make, change and revoke API keys"), /in Sales and beneath it; of what is your own/);
        assert.match(await where("See models"), /in Policy House/);
        assert.equal(await section.getByText("See the audit log").count(), 0);
        await expectAccessible(page);
        assert.ok((await tooWide(page)) <= 0);
      },
      ["seller@policy.example", PASSWORD],
    );
  }
  await withPage(desktop, async (page) => {
    await visit(page, "/settings");
    const section = page.getByRole("region", { name: "What you may do" });
    await section.getByText("Admin everywhere").waitFor();
  });
});
