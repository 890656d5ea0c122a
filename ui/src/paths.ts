/** Every address of the console. Links are made here and nowhere else; a test holds that. */
export const paths = {
  dashboard: "/",
  signIn: "/sign-in",
  setup: "/setup",
  password: "/password",
  requests: "/requests",
  request: (id: string) => `/requests/${id}`,
  tenants: "/tenants",
  tenantNew: "/tenants/new",
  tenant: (id: string) => `/tenants/${id}`,
  users: "/users",
  userNew: "/users/new",
  user: (id: string) => `/users/${id}`,
  departments: "/departments",
  departmentNew: "/departments/new",
  department: (id: string) => `/departments/${id}`,
  accounts: "/service-accounts",
  accountNew: "/service-accounts/new",
  account: (id: string) => `/service-accounts/${id}`,
  roles: "/roles",
  roleNew: "/roles/new",
  role: (id: string) => `/roles/${id}`,
  signInProviders: "/identity-providers",
  signInProviderNew: "/identity-providers/new",
  signInProvider: (id: string) => `/identity-providers/${id}`,
  tokenIssuers: "/token-issuers",
  tokenIssuerNew: "/token-issuers/new",
  tokenIssuer: (id: string) => `/token-issuers/${id}`,
  identityRules: "/identity-rules",
  identityRuleNew: "/identity-rules/new",
  identityRule: (id: string) => `/identity-rules/${id}`,
  discovered: "/discovered",
  limits: "/limits",
  limitNew: "/limits/new",
  limit: (id: string) => `/limits/${id}`,
  currencyRates: "/currency-rates",
  currencyRateNew: "/currency-rates/new",
  currencyRate: (id: string) => `/currency-rates/${id}`,
  keys: "/keys",
  keyNew: "/keys/new",
  key: (id: string) => `/keys/${id}`,
  providers: "/providers",
  providerNew: "/providers/new",
  provider: (id: string) => `/providers/${id}`,
  providerModels: (id: string) => `/providers/${id}/models`,
  models: "/models",
  modelNew: "/models/new",
  model: (id: string) => `/models/${id}`,
  pools: "/pools",
  poolNew: "/pools/new",
  pool: (id: string) => `/pools/${id}`,
  profiles: "/guardrails",
  profileNew: "/guardrails/new",
  profile: (id: string) => `/guardrails/${id}`,
  bench: "/guardrails/bench",
  usage: "/usage",
  playground: "/playground",
  audit: "/audit",
  nodes: "/nodes",
  gateways: "/gateways",
  gatewayNew: "/gateways/new",
  gateway: (id: string) => `/gateways/${id}`,
  settings: "/settings",
  tokens: "/settings/tokens",
  tokenNew: "/settings/tokens/new",
  token: (id: string) => `/settings/tokens/${id}`,
  apiDocs: "/docs",
} as const;

/** The list of requests with a filter set. */
export function requestsWith(filter: Record<string, string>): string {
  return `${paths.requests}?${new URLSearchParams(filter)}`;
}

/** The usage explorer with a filter set. */
export function usageWith(filter: Record<string, string>): string {
  return `${paths.usage}?${new URLSearchParams(filter)}`;
}

/** The keys of a department and of those beneath it. */
export function departmentKeys(id: string): string {
  return `${paths.keys}?${new URLSearchParams({ department_id: id })}`;
}

/** The people of a department and of those beneath it. */
export function departmentUsers(id: string): string {
  return `${paths.users}?${new URLSearchParams({ department_id: id })}`;
}

/** A new department beneath another. */
export function newDepartmentBeneath(parent_id: string, tenant_id: string): string {
  return `${paths.departmentNew}?${new URLSearchParams({ parent_id, tenant_id })}`;
}

/** The keys of a user. */
export function userKeys(id: string): string {
  return `${paths.keys}?${new URLSearchParams({ user_id: id })}`;
}

/** The keys of a service account. */
export function accountKeys(id: string): string {
  return `${paths.keys}?${new URLSearchParams({ service_account_id: id })}`;
}

/** A new identity rule for tokens of an issuer; of a tenant's, for that tenant. */
export function newIdentityRuleOf(token_issuer_id: string, tenant_id: string | null): string {
  const search = new URLSearchParams({ token_issuer_id, ...(tenant_id ? { tenant_id } : {}) });
  return `${paths.identityRuleNew}?${search}`;
}

/** The keys of a tenant that have this in their names, such as those of an identity rule. */
export function keysNamed(q: string, tenant_id: string): string {
  return `${paths.keys}?${new URLSearchParams({ q, tenant_id })}`;
}

/** The audit log with a filter set. */
export function auditWith(filter: Record<string, string>): string {
  return `${paths.audit}?${new URLSearchParams(filter)}`;
}

/** Sign-in that leads back to a page of the console. */
export function signInThenBack(next: string): string {
  return next === paths.dashboard ? paths.signIn : `${paths.signIn}?${new URLSearchParams({ next })}`;
}

/** Where to go after signing in: a page of this console, whatever the address says. */
export function safeNext(next: string | undefined): string {
  const isOwn = next !== undefined && /^\/(?![/\\])/.test(next) && !next.startsWith(paths.signIn);
  return isOwn ? next : paths.dashboard;
}

/** The page of what an audit entry is about; undefined where a kind has none. */
export function resourcePath(kind: string, id: string): string | undefined {
  const pages: Record<string, (id: string) => string> = {
    tenant: paths.tenant,
    user: paths.user,
    department: paths.department,
    service_account: paths.account,
    role: paths.role,
    limit: paths.limit,
    currency_rate: paths.currencyRate,
    api_key: paths.key,
    provider: paths.provider,
    model: paths.model,
    pool: paths.pool,
    guardrail_profile: paths.profile,
    profile: paths.profile,
    gateway: paths.gateway,
    service_token: paths.token,
    sign_in_provider: paths.signInProvider,
    token_issuer: paths.tokenIssuer,
    identity_rule: paths.identityRule,
    usage: paths.request,
  };
  return pages[kind]?.(id);
}
