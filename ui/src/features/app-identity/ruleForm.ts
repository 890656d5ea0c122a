import { z } from "zod";
import type { Schemas } from "../../api/client";
import type { Item } from "../../api/resources";
import { patchLabels, readLabels, writeLabels } from "../../design/labels";
import { labelsSchema } from "../../design/OwnedFields";
import { texts } from "../../texts";
import type { Said } from "./inWords";

const { common } = texts;
const { rules: words } = texts.appIdentity;
/** So many labels may come from claims. */
const MOST_LABEL_CLAIMS = 10;
export type Rule = Item<"identity-rules">;

const needed = z.string().trim().min(1, common.required);

/** To whom a rule leads, in a form. */
export const leadsSchema = {
  tenant_id: needed,
  leads: z.enum(["tenant", "service_account", "department", "person"]),
  service_account_id: z.string(),
  department_id: z.string(),
  claim: z.string(),
  creates: z.boolean(),
  role: z.enum(["user", "viewer", "tenant_admin"]),
  labels: labelsSchema,
};

const conditionSchema = {
  path: needed,
  test: z.enum(["equals", "contains"]),
  value: z.string().min(1, common.required),
};

/** What the form of an identity rule holds. */
export const schema = z
  .object({
    name: needed,
    position: z.string().regex(/^\d+$/, common.number),
    match: z.enum(["token", "workload"]),
    token_issuer_id: z.string(),
    audience: z.string(),
    claims: z.array(z.object(conditionSchema)),
    /** With `leads` person only; `role` is one that always exists, or another's id. */
    claim_grants: z.array(z.object({ ...conditionSchema, role: needed, department_id: z.string() })),
    workload: z.enum(["spiffe_id", "spiffe_id_prefix", "trust_domain"]),
    workload_value: z.string(),
    ...leadsSchema,
    /** With `leads` person only: as labels are written, the name and the claim. */
    label_claims: z
      .string()
      .refine((text) => readLabels(text), words.labelClaimsWrong)
      .refine((text) => Object.keys(readLabels(text) ?? {}).length <= MOST_LABEL_CLAIMS, words.labelClaimsMany),
  })
  .superRefine((form, context) => {
    const isMissing = form.match === "token" ? !form.token_issuer_id : !form.workload_value.trim();
    const path = form.match === "token" ? "token_issuer_id" : "workload_value";
    if (isMissing) context.addIssue({ code: "custom", path: [path], message: common.required });
  })
  .superRefine(expectChosen);
export type Form = z.infer<typeof schema>;
export type Leads = Pick<Form, keyof typeof leadsSchema>;

/** Whoever leads to one of a kind says to which. */
export function expectChosen(form: Leads, context: z.RefinementCtx) {
  const fields = {
    tenant: undefined,
    service_account: "service_account_id",
    department: "department_id",
    person: "claim",
  } as const;
  const field = fields[form.leads];
  if (field && !form[field].trim()) context.addIssue({ code: "custom", path: [field], message: common.required });
}

/** What the API's fields are called in the form. */
export const FIELD_NAMES = {
  person: "claim",
  "person.creates": "creates",
  "person.role": "role",
  "claims.*.equals": "claims.*.value",
  "claims.*.contains": "claims.*.value",
  "claim_grants.*.claim.path": "claim_grants.*.path",
  "claim_grants.*.claim.equals": "claim_grants.*.value",
  "claim_grants.*.claim.contains": "claim_grants.*.value",
  "claim_grants.*.grant.role": "claim_grants.*.role",
  "claim_grants.*.grant.custom_role_id": "claim_grants.*.role",
  "claim_grants.*.grant.department_id": "claim_grants.*.department_id",
  workload: "workload_value",
};

type Condition = Pick<Form["claims"][number], "path" | "test" | "value">;

const toCondition = ({ path, equals, contains }: Schemas["ClaimCondition"]): Condition => ({
  path,
  test: equals === null ? "contains" : "equals",
  value: equals ?? contains ?? "",
});

const fromCondition = ({ path, test, value }: Condition): Schemas["ClaimCondition"] => ({
  path: path.trim(),
  equals: test === "equals" ? value : null,
  contains: test === "contains" ? value : null,
});

function fromClaimGrant({ role, department_id, ...condition }: Form["claim_grants"][number]): Schemas["ClaimGrant"] {
  const isBuiltIn = role in texts.identity.roles.names;
  return {
    claim: fromCondition(condition),
    grant: {
      role: isBuiltIn ? (role as Schemas["UserGrant"]["role"]) : null,
      custom_role_id: isBuiltIn ? null : role,
      department_id: department_id || null,
    },
  };
}

const noPerson = { claim: "email", creates: false, role: "user" } as const;

/** To whom a rule leads, as the form has it; of none yet: to a service account. */
export function toLeads(rule: Rule | undefined, tenantId: string): Leads {
  const { claim, creates, role } = rule?.person ?? noPerson;
  return {
    tenant_id: rule?.tenant_id ?? tenantId,
    leads: rule ? leadsOf(rule) : "service_account",
    service_account_id: rule?.service_account_id ?? "",
    department_id: rule?.department_id ?? "",
    claim,
    creates,
    role,
    labels: writeLabels(rule?.labels),
  };
}

function leadsOf({ person, service_account_id, department_id }: Rule): Leads["leads"] {
  if (person) return "person";
  if (service_account_id) return "service_account";
  return department_id ? "department" : "tenant";
}

/** The same as the API takes it. */
export function fromLeads(form: Leads) {
  const isPerson = form.leads === "person";
  const hasDepartment = form.leads === "department" || (isPerson && form.creates);
  return {
    service_account_id: (form.leads === "service_account" && form.service_account_id) || null,
    department_id: (hasDepartment && form.department_id) || null,
    person: isPerson ? { claim: form.claim.trim(), creates: form.creates, role: form.role } : null,
  };
}

export function toForm(rule: Rule | undefined, tenantId: string, issuerId = ""): Form {
  const [workload, workload_value] = workloadOf(rule);
  return {
    ...toLeads(rule, tenantId),
    name: rule?.name ?? "",
    position: String(rule?.position ?? 1000),
    match: rule?.workload ? "workload" : "token",
    token_issuer_id: rule?.token_issuer_id ?? issuerId,
    audience: rule?.audience ?? "",
    claims: (rule?.claims ?? []).map(toCondition),
    claim_grants: (rule?.claim_grants ?? []).map(({ claim, grant }) => ({
      ...toCondition(claim),
      role: grant.role ?? grant.custom_role_id ?? "",
      department_id: grant.department_id ?? "",
    })),
    workload,
    workload_value,
    label_claims: writeLabels(rule?.label_claims),
  };
}

function workloadOf(rule: Rule | undefined): [Form["workload"], string] {
  const { spiffe_id, spiffe_id_prefix, trust_domain } = rule?.workload ?? {};
  if (spiffe_id_prefix) return ["spiffe_id_prefix", spiffe_id_prefix];
  return trust_domain ? ["trust_domain", trust_domain] : ["spiffe_id", spiffe_id ?? ""];
}

/** All that can be changed: what is not of the chosen kind goes. */
export function toPatch(form: Form, before?: Rule): Schemas["IdentityRulePatch"] {
  const isToken = form.match === "token";
  const labelClaims = form.leads === "person" ? readLabels(form.label_claims) : undefined;
  const value = (of: Form["workload"]) => (form.workload === of ? form.workload_value.trim() : null);
  return {
    name: form.name,
    position: Number(form.position),
    token_issuer_id: (isToken && form.token_issuer_id) || null,
    audience: (isToken && form.audience.trim()) || null,
    claims: (isToken ? form.claims : []).map(fromCondition),
    claim_grants: (form.leads === "person" ? form.claim_grants : []).map(fromClaimGrant),
    workload: isToken
      ? null
      : {
          spiffe_id: value("spiffe_id"),
          spiffe_id_prefix: value("spiffe_id_prefix"),
          trust_domain: value("trust_domain"),
        },
    ...fromLeads(form),
    labels: patchLabels(before?.labels ?? {}, readLabels(form.labels) ?? {}) as Record<string, string>,
    label_claims: patchLabels(before?.label_claims ?? {}, labelClaims ?? {}) as Record<string, string>,
  };
}

export function toCreate(form: Form): Schemas["NewIdentityRule"] {
  return { ...(toPatch(form) as Schemas["NewIdentityRule"]), tenant_id: form.tenant_id };
}

/** What is stored, for a sentence. */
export function saidOf(rule: Rule): Said {
  const form = toForm(rule, "");
  return {
    ...form,
    issuer: rule.token_issuer_name ?? "",
    tenant: rule.tenant_name ?? "",
    account: rule.service_account_name ?? "",
    department: rule.department_name ?? "",
  };
}
