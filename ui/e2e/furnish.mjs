// Some tenants with what they need, and some traffic, so that pages show what they will show.
import { api, chat, run } from "./support.mjs";

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
  const revoked = await machine.post("api-keys", { tenant_id: keys[0].tenant_id, name: "Old laptop" });
  await machine.post(`api-keys/${revoked.id}/revoke`);
  await traffic(keys);
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
