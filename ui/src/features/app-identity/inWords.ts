import { texts } from "../../texts";

const { words, roles } = texts.appIdentity.rules;

/** As much of an identity rule as can be said. Of what is chosen by id the name; empty: not chosen, or not to be seen. */
export interface Said {
  match: "token" | "workload";
  issuer: string;
  audience: string;
  claims: { path: string; test: "equals" | "contains"; value: string }[];
  workload: "spiffe_id" | "spiffe_id_prefix" | "trust_domain";
  workload_value: string;
  leads: "tenant" | "service_account" | "department" | "person";
  tenant: string;
  account: string;
  department: string;
  claim: string;
  creates: boolean;
  role: keyof typeof roles;
}

/** What an identity rule says, as a sentence. */
export function inWords(said: Said): string {
  const isOne = said.match === "workload" && said.workload === "spiffe_id";
  const whom = leadsTo(said);
  const sentence = `${said.match === "token" ? tokens(said) : workloads(said)}${isOne ? words.leadsTo(whom) : words.leadTo(whom)}`;
  return sentence.endsWith(words.unnamed) ? sentence : `${sentence}.`;
}

const named = (name: string) => name.trim() || words.unnamed;

function tokens({ issuer, audience, claims }: Said): string {
  const conditions = claims.map(({ path, test, value }, index) => {
    const condition = words[test](named(path), named(value));
    return (index === 0 ? words.whose : words.andWhose) + condition;
  });
  const whose = words.tokens(issuer || words.anIssuer);
  return whose + (audience.trim() ? words.forAudience(audience.trim()) : "") + conditions.join("");
}

function workloads({ workload, workload_value }: Said): string {
  const value = named(workload_value);
  if (workload === "trust_domain") return words.workloadsOf(value);
  return workload === "spiffe_id" ? words.workload(value) : words.workloadsBeneath(value);
}

function leadsTo({ leads, tenant, account, department, claim, creates, role }: Said): string {
  if (leads === "service_account") return words.account(named(account));
  if (leads === "department") return words.department(named(department));
  if (leads === "tenant") return words.tenant(named(tenant));
  const made = words.made(roles[role], department ? words.inDepartment(department) : "");
  return words.user(named(claim)) + (creates ? made : words.notMade);
}
