// Departments, service accounts, roles, grants, and whose a key is.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, axe, button, chat, desktop, launch, phone, signedIn, tooWide, until, visit } from "./support.mjs";

const PASSWORD = "correct horse battery";
let browser;
let machine;
let tenant;
before(async () => {
  browser = await launch();
  machine = await api();
  tenant = (await machine.get("tenants")).items.find(({ name }) => name === "demo");
  await until("the gateway answers", async () => (await chat("gpt-4o")).status === 200);
});
after(() => browser.close());

const withPage = (options, body, who) => signedIn(browser, options, body, who);
const make = (path, body) => machine.post(path, { tenant_id: tenant.id, ...body });

test("departments are made beneath each other, and a circle is refused where it was entered", () =>
  withPage(desktop, async (page) => {
    await visit(page, "/departments/new");
    await page.getByLabel("Tenant").selectOption({ label: "demo" });
    await page.getByLabel("Name").fill("Engineering");
    await button(page, "Create").click();
    await page.getByRole("link", { name: "Add a department beneath Engineering" }).click();
    await page.getByLabel("Name").fill("Platform");
    assert.equal(await page.getByLabel("Beneath").locator("option:checked").textContent(), "Engineering");
    await button(page, "Create").click();
    const tree = page.getByRole("list", { name: "Departments" });
    const engineering = tree.getByRole("listitem").filter({ hasText: "Engineering" }).first();
    await engineering.getByRole("listitem").getByRole("link", { name: "Platform", exact: true }).waitFor();
    assert.deepEqual(await axe(page), []);

    await tree.getByRole("link", { name: "Engineering", exact: true }).click();
    await page.getByLabel("Beneath").selectOption({ label: "Platform" });
    await button(page, "Save changes").click();
    await page.getByText("must be neither the department itself nor one beneath it").waitFor();
  }));

test("a service account's keys end when it is disabled", () =>
  withPage(phone, async (page) => {
    const account = await make("service-accounts", { name: "nightly report" });
    const key = await make("api-keys", { name: "report key", service_account_id: account.id });
    assert.equal((await chat("gpt-4o", { key: key.key })).status, 200);
    await visit(page, `/service-accounts/${account.id}`);
    await page.getByLabel("Disabled: all its keys are refused").check();
    await button(page, "Save changes").click();
    await page.getByText("Saved").waitFor();
    await until("the key is refused", async () => (await chat("gpt-4o", { key: key.key })).status === 401, 2_000);
    await page.getByRole("link", { name: "Its keys" }).click();
    await page.getByText("Owner disabled").waitFor();
    assert.ok((await tooWide(page)) <= 0);
  }));

test("a manager of a department sees its part, and makes a key for it", async () => {
  const research = await make("departments", { name: "Research" });
  const sales = await make("departments", { name: "Sales" });
  await make("api-keys", { name: "sales key", department_id: sales.id });
  await make("users", { email: "manager@weir.example", role: "user", password: PASSWORD });
  await withPage(desktop, async (page) => {
    await visit(page, "/users?q=manager%40");
    await page.getByRole("link", { name: "manager@weir.example" }).click();
    await button(page, "Add a grant").click();
    const grant = page.getByRole("group", { name: "Grant 1" });
    await grant.getByLabel("Role").selectOption({ label: "Manager" });
    await grant.getByLabel("Where").selectOption({ label: "Research" });
    assert.deepEqual(await axe(page), []);
    await button(page, "Save changes").click();
    await page.getByText("Saved").waitFor();
  });
  await withPage(
    desktop,
    async (page) => {
      await visit(page, "/departments");
      await page.getByRole("link", { name: "Research", exact: true }).waitFor();
      assert.equal(await page.getByRole("link", { name: "Sales", exact: true }).count(), 0);
      assert.equal(await page.getByRole("navigation").getByRole("link", { name: "Audit" }).count(), 0);
      await visit(page, "/keys/new");
      await page.getByLabel("Name").fill("research key");
      await page.getByLabel("Owner").selectOption({ label: "A department" });
      await page.getByLabel("Department").selectOption({ label: "Research" });
      await page.getByLabel("Labels").fill("team=basic\ncost=7");
      await button(page, "Create").click();
      await button(page.getByRole("alertdialog"), "I have stored it").click();
      await visit(page, "/keys");
      await page.getByRole("link", { name: "research key" }).waitFor();
      assert.equal(await page.getByRole("link", { name: "sales key" }).count(), 0);
    },
    ["manager@weir.example", PASSWORD],
  );
  const { items } = await machine.get(`api-keys?department_id=${research.id}&label=cost%3D7`);
  assert.deepEqual(
    items.map(({ name, labels }) => [name, labels]),
    [["research key", { team: "basic", cost: "7" }]],
  );
});

test("a role is made of permissions, and what one does not allow cannot be reached", async () => {
  await withPage(desktop, async (page) => {
    await visit(page, "/roles/new");
    await page.getByLabel("Tenant", { exact: true }).selectOption({ label: "demo" });
    await page.getByLabel("Name").fill("Audit reader");
    await button(page, "Create").click();
    await page.getByText("Choose at least one.").waitFor();
    await page.getByLabel("See the audit log").check();
    assert.deepEqual(await axe(page), []);
    await button(page, "Create").click();
    await page.getByRole("link", { name: "Audit reader" }).waitFor();
  });
  const role = (await machine.get("roles")).items.find(({ name }) => name === "Audit reader");
  const grants = [{ custom_role_id: role.id }];
  await make("users", { email: "auditor@weir.example", role: "user", grants, password: PASSWORD });
  await withPage(
    desktop,
    async (page) => {
      await visit(page, "/audit");
      await page.getByText("Audit reader").first().waitFor();
      await visit(page, "/keys");
      await page.getByText("No key yet").waitFor();
    },
    ["auditor@weir.example", PASSWORD],
  );
});
