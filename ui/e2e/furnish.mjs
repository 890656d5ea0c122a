// Some tenants with what they need, and some traffic, so that pages show what they will show.
import { api, chat, run, tokenIssuer, until } from "./support.mjs";

const TENANTS = [
  ["Northwind Research", "Europe/Berlin"],
  ["Customer Support", "America/New_York"],
  ["مختبر الذكاء 🧪", "Asia/Dubai"],
];

const MODELS = ["gpt-4o", "gpt-4o-mini", "claude-sonnet-5"];

/** Does it once: a second time changes nothing. */
export async function furnish() {
  const machine = await api();
  const tenants = (await machine.get("tenants?limit=200")).items;
  if (!tenants.some(({ name }) => name === TENANTS[0][0])) await make(machine);
  return machine;
}

async function make(machine) {
  const profile = await machine.post("guardrails/profiles", {
    name: "No personal data",
    rules: [
      { type: "CREDIT_CARD", action: "block", direction: "both" },
      { type: "EMAIL", action: "redact", direction: "input" },
    ],
  });
  const keys = [];
  for (const [name, time_zone] of TENANTS) {
    const tenant = await machine.post("tenants", { name, time_zone, guardrail_profile_id: profile.id });
    for (const app of ["Assistant", "Nightly batch"]) {
      const body = { tenant_id: tenant.id, name: app, requests_per_minute: app === "Assistant" ? 600 : null };
      keys.push(await machine.post("api-keys", body));
    }
    const email = `admin@${time_zone.split("/")[1].toLowerCase()}.example`;
    await machine.post("users", {
      tenant_id: tenant.id,
      email,
      role: "tenant_admin",
      password: "correct horse battery",
    });
  }
  const vendor = await machine.post("providers", {
    name: "mistral",
    schema: "openai",
    base_url: "https://api.mistral.ai/v1",
    preset: "mistral",
    credential: "not-a-real-credential",
  });
  const price = {
    input_microusd_per_million: 2_500_000,
    cached_input_microusd_per_million: 1_250_000,
    output_microusd_per_million: 10_000_000,
  };
  // The demo provider as the platform's, for every tenant. It speaks both schemas.
  const base_url = (await machine.get("providers")).items.find(({ schema }) => schema === "openai").base_url;
  const demo = await machine.post("providers", { name: "demo", schema: "openai", base_url, credential: "demo" });
  const pool = await machine.post("pools", {
    name: "everyday",
    members: [
      { provider_id: demo.id, model: "gpt-4o", price },
      { provider_id: vendor.id, model: "mistral-large-latest", price },
      { provider_id: demo.id, model: "gpt-4o-mini" },
    ],
  });
  for (const name of MODELS) await machine.post("models", { name, pool_id: pool.id });
  await machine.post("currency-rates", { name: "EUR 2026", currency: "EUR", rate: "0.8623", valid_from: "2026-01-01" });
  await machine.post("service-tokens", {
    name: "Deployment pipeline",
    role: "platform_admin",
    expires_at: new Date(Date.now() + 90 * 86_400_000).toISOString(),
  });
  const { tenant_id } = keys[0];
  const research = await machine.post("departments", { tenant_id, name: "Research", labels: { cost_centre: "4100" } });
  await machine.post("departments", { tenant_id, name: "Laboratory", parent_id: research.id });
  await machine.post("service-accounts", { tenant_id, name: "Nightly report", department_id: research.id });
  await machine.post("roles", { tenant_id, name: "Auditor", permissions: ["audit.read", "usage.read"] });
  const areTold = await apps(machine, tenant_id);
  await limits(machine, tenant_id);
  const revoked = await machine.post("api-keys", { tenant_id: keys[0].tenant_id, name: "Old laptop" });
  await machine.post(`api-keys/${revoked.id}/revoke`);
  await traffic(keys);
  await until("discovered callers' models are told", areTold, 60_000);
}

/**
 * Apps that show tokens instead of keys: one that a rule knows, and some that none does. What these asked for is told ten seconds later: by
 * a request with the same token, which the returned function makes; it tells whether all of it is.
 */
async function apps(machine, tenant_id) {
  const issuer = tokenIssuer("https://login.northwind.example/realms/apps");
  const made = await machine.post("token-issuers", { tenant_id, name: "Northwind login", ...issuer.settings });
  const account = await machine.post("service-accounts", { tenant_id, name: "Ticket summaries" });
  const department = await machine.post("departments", { tenant_id, name: "Sales" });
  const rule = { tenant_id, token_issuer_id: made.id };
  const claim = (path, equals) => ({ path, equals });
  await machine.post("identity-rules", {
    ...rule,
    name: "Ticket summaries",
    claims: [claim("azp", "tickets")],
    service_account_id: account.id,
  });
  await machine.post("identity-rules", {
    ...rule,
    name: "People of sales",
    position: 2000,
    claims: [{ path: "groups", contains: "sales" }],
    department_id: department.id,
    person: { claim: "email", creates: true, role: "user" },
  });
  await machine.post("identity-rules", {
    tenant_id,
    name: "Batch workloads",
    workload: { spiffe_id_prefix: "spiffe://northwind.example/ns/batch/" },
    department_id: department.id,
  });
  const unknown = ["reporting-job", "crawler-eu-1", "internal-chat"].map((sub) => issuer.token({ sub }));
  const statusOf = async (key) => (await chat(MODELS[0], { key })).status;
  // The issuer's keys reach Envoy with the policy.
  await until("Envoy knows the issuer", async () => (await statusOf(unknown[0])) === 403);
  for (const token of unknown) await statusOf(token);
  return async () => {
    for (const token of unknown) await statusOf(token);
    const { items } = await machine.get(`discovered?tenant_id=${tenant_id}`);
    return items.filter(({ models }) => models.length > 0).length === unknown.length;
  };
}

async function limits(machine, tenant_id) {
  const month = { kind: "calendar", period: "month" };
  const tenant = { kind: "tenant", id: tenant_id };
  const common = { tenant_id, action: "refuse" };
  await machine.post("limits", {
    ...common,
    name: "Requests a month",
    subject: tenant,
    unit: "requests",
    window: month,
    amount: 500,
    thresholds: [50, 90],
  });
  await machine.post("limits", {
    ...common,
    name: "Tokens of each user a day",
    subject: { kind: "user", each: true },
    unit: "total_tokens",
    window: { kind: "calendar", period: "day" },
    amount: 2_000_000,
  });
  await machine.post("limits", {
    ...common,
    name: "At the same time",
    subject: tenant,
    unit: "concurrent_requests",
    amount: 40,
  });
}

async function traffic(keys) {
  for (let at = 0; at < 120; at++) {
    const { key } = at % 5 === 0 ? { key: run.api_key } : keys[at % keys.length];
    const content =
      at % 17 === 3
        ? "My card is 4111 1111 1111 1111"
        : at % 7 === 2
          ? "Write to jane.doe@example.com"
          : `Question ${at}`;
    await chat(at % 23 === 11 ? "gpt-unknown" : MODELS[at % MODELS.length], { key, content, stream: at % 3 === 0 });
  }
}
