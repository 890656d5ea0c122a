import { describe, expect, it } from "vitest";
import { inWords, type Said } from "./inWords";
import { type Form, type Rule, saidOf, schema, toCreate, toForm, toPatch } from "./ruleForm";

const stored: Rule = {
  id: "1",
  name: "chat",
  revision: 1,
  created_at: "",
  updated_at: "",
  origin: { kind: "console" },
  tenant_id: "t",
  tenant_name: "Acme",
  position: 10,
  token_issuer_id: "i",
  token_issuer_name: "Keycloak",
  audience: "weir",
  claims: [
    { path: "azp", equals: "chat", contains: null },
    { path: "realm_access.roles", equals: null, contains: "llm" },
  ],
  workload: null,
  service_account_id: null,
  service_account_name: null,
  department_id: "d",
  department_name: "Research",
  person: { claim: "email", creates: true, role: "viewer" },
  labels: {},
  label_claims: { team: "team", "cost-center": "org.cost" },
  claim_grants: [
    {
      claim: { path: "groups", equals: null, contains: "leads" },
      grant: { role: "manager", custom_role_id: null, department_id: "d" },
    },
    {
      claim: { path: "staff", equals: "true", contains: null },
      grant: { role: null, custom_role_id: "r", department_id: null },
    },
  ],
};
const workload: Rule = {
  ...stored,
  label_claims: {},
  claim_grants: [],
  token_issuer_id: null,
  token_issuer_name: null,
  audience: null,
  claims: [],
  workload: { spiffe_id: null, spiffe_id_prefix: "spiffe://example.org/ns/apps/", trust_domain: null },
  department_id: null,
  department_name: null,
  person: null,
  service_account_id: "s",
  service_account_name: "nightly",
};

describe("the form of an identity rule", () => {
  it.each([stored, workload, { ...workload, service_account_id: null }])("gives back what it was given", (rule) => {
    const { id, revision, created_at, updated_at, origin, tenant_id, tenant_name, ...settings } = rule;
    const { token_issuer_name, service_account_name, department_name, ...sent } = settings;
    expect(toPatch(toForm(rule, ""), rule)).toEqual(sent);
    expect(toCreate(toForm(rule, "")).tenant_id).toBe("t");
  });

  it("sends nothing of the kind that is not chosen", () => {
    const form: Form = { ...toForm(stored, ""), match: "workload", workload_value: "spiffe://a/b", leads: "tenant" };
    const sent = toPatch(form);
    const { token_issuer_id, audience, claims, person, department_id, claim_grants } = sent;
    expect([token_issuer_id, audience, claims, person, department_id, claim_grants]).toEqual([
      null,
      null,
      [],
      null,
      null,
      [],
    ]);
    expect(sent.workload).toEqual({ spiffe_id: "spiffe://a/b", spiffe_id_prefix: null, trust_domain: null });
  });

  it("takes away labels from claims that are gone, and all of them where no user is named", () => {
    const claimsOf = (change: Partial<Form>) => toPatch({ ...toForm(stored, ""), ...change }, stored).label_claims;
    expect(claimsOf({ label_claims: "team = group\n" })).toEqual({ team: "group", "cost-center": null });
    expect(claimsOf({ leads: "department" })).toEqual({ team: null, "cost-center": null });
    expect(toCreate({ ...toForm(stored, ""), leads: "tenant" }).label_claims).toEqual({});
  });

  it("wants what was chosen to be said", () => {
    const wrong = (change: Partial<Form>) =>
      schema.safeParse({ ...toForm(stored, ""), ...change }).error?.issues.map(({ path }) => path.join("."));
    expect(wrong({})).toBeUndefined();
    expect(wrong({ token_issuer_id: "" })).toEqual(["token_issuer_id"]);
    expect(wrong({ match: "workload" })).toEqual(["workload_value"]);
    expect(wrong({ leads: "service_account" })).toEqual(["service_account_id"]);
    expect(wrong({ claim: " " })).toEqual(["claim"]);
    expect(wrong({ leads: "tenant", claim: "" })).toBeUndefined();
    expect(wrong({ label_claims: "team" })).toEqual(["label_claims"]);
    const lines = (count: number) => Array.from({ length: count }, (_, at) => `name${at}=claim`).join("\n");
    expect([wrong({ label_claims: lines(10) }), wrong({ label_claims: lines(11) })]).toEqual([
      undefined,
      ["label_claims"],
    ]);
  });
});

it("says what a rule says", () => {
  expect(inWords(saidOf(stored))).toBe(
    "Tokens of Keycloak for weir whose claim azp is “chat”, and whose claim realm_access.roles contains “llm” lead to the user whose" +
      " e-mail address the claim email holds, who is made at the first request, as Viewer in the department Research.",
  );
  expect(inWords(saidOf(workload))).toBe(
    "Workloads whose SPIFFE id begins with spiffe://example.org/ns/apps/ lead to the service account nightly.",
  );
  const one: Said = { ...saidOf(workload), workload: "spiffe_id", workload_value: "spiffe://a/b", leads: "tenant" };
  expect(inWords(one)).toBe("The workload spiffe://a/b leads to the tenant Acme itself.");
  const unfinished: Said = {
    ...saidOf(stored),
    issuer: "",
    audience: "",
    claims: [],
    leads: "department",
    department: "",
  };
  expect(inWords(unfinished)).toBe("Tokens of an issuer that is still to be chosen lead to the department …");
});
