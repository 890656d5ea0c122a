import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet } from "@tanstack/react-router";
import { Failed, Loading, NotFound } from "./design/States";
import { SignedIn } from "./features/session/SignedIn";
import { SignInPage } from "./features/session/SignInPage";
import { paths } from "./paths";

const root = createRootRoute({ component: Outlet });
const signIn = createRoute({ getParentRoute: () => root, path: paths.signIn, component: SignInPage });
const setup = createRoute({
  getParentRoute: () => root,
  path: paths.setup,
  component: lazyRouteComponent(() => import("./features/session/SetupPage"), "SetupPage"),
});
const password = createRoute({
  getParentRoute: () => root,
  path: paths.password,
  component: lazyRouteComponent(() => import("./features/session/PasswordPage"), "PasswordPage"),
});
const frame = createRoute({ getParentRoute: () => root, id: "frame", component: SignedIn });

// biome-ignore lint/suspicious/noExplicitAny: a page takes no properties, whatever its module also holds
type Pages = Record<string, any>;

function page<M extends Pages>(path: string, load: () => Promise<M>, name: keyof M & string) {
  return createRoute({ getParentRoute: () => frame, path, component: lazyRouteComponent(load, name) });
}

/** An id in a path, as the router writes it. */
const id = "$id";

const tenants = () => import("./features/tenants/pages");
const users = () => import("./features/users/pages");
const departments = () => import("./features/departments/pages");
const accounts = () => import("./features/service-accounts/pages");
const roles = () => import("./features/roles/pages");
const signInProviders = () => import("./features/sign-in/pages");
const tokenIssuers = () => import("./features/app-identity/issuers");
const identityRules = () => import("./features/app-identity/rules");
const limits = () => import("./features/limits/pages");
const currencies = () => import("./features/currencies/pages");
const keys = () => import("./features/keys/pages");
const providers = () => import("./features/providers/pages");
const models = () => import("./features/models/pages");
const pools = () => import("./features/pools/pages");
const guardrails = () => import("./features/guardrails/pages");
const bench = () => import("./features/guardrails/BenchPage");
const requests = () => import("./features/requests/pages");
const tokens = () => import("./features/settings/tokens");
const gateways = () => import("./features/gateways/pages");

const routes = root.addChildren([
  signIn,
  setup,
  password,
  frame.addChildren([
    page(paths.dashboard, () => import("./features/dashboard/DashboardPage"), "DashboardPage"),
    page(paths.requests, requests, "RequestsPage"),
    page(paths.request(id), requests, "RequestPage"),
    page(paths.tenants, tenants, "TenantsPage"),
    page(paths.tenantNew, tenants, "NewTenantPage"),
    page(paths.tenant(id), tenants, "TenantPage"),
    page(paths.users, users, "UsersPage"),
    page(paths.userNew, users, "NewUserPage"),
    page(paths.user(id), users, "UserPage"),
    page(paths.departments, departments, "DepartmentsPage"),
    page(paths.departmentNew, departments, "NewDepartmentPage"),
    page(paths.department(id), departments, "DepartmentPage"),
    page(paths.accounts, accounts, "ServiceAccountsPage"),
    page(paths.accountNew, accounts, "NewServiceAccountPage"),
    page(paths.account(id), accounts, "ServiceAccountPage"),
    page(paths.roles, roles, "RolesPage"),
    page(paths.roleNew, roles, "NewRolePage"),
    page(paths.role(id), roles, "RolePage"),
    page(paths.signInProviders, signInProviders, "SignInProvidersPage"),
    page(paths.signInProviderNew, signInProviders, "NewSignInProviderPage"),
    page(paths.signInProvider(id), signInProviders, "SignInProviderPage"),
    page(paths.tokenIssuers, tokenIssuers, "TokenIssuersPage"),
    page(paths.tokenIssuerNew, tokenIssuers, "NewTokenIssuerPage"),
    page(paths.tokenIssuer(id), tokenIssuers, "TokenIssuerPage"),
    page(paths.identityRules, identityRules, "IdentityRulesPage"),
    page(paths.identityRuleNew, identityRules, "NewIdentityRulePage"),
    page(paths.identityRule(id), identityRules, "IdentityRulePage"),
    page(paths.discovered, () => import("./features/app-identity/DiscoveredPage"), "DiscoveredPage"),
    page(paths.limits, limits, "LimitsPage"),
    page(paths.limitNew, limits, "NewLimitPage"),
    page(paths.limit(id), limits, "LimitPage"),
    page(paths.currencyRates, currencies, "CurrencyRatesPage"),
    page(paths.currencyRateNew, currencies, "NewCurrencyRatePage"),
    page(paths.currencyRate(id), currencies, "CurrencyRatePage"),
    page(paths.keys, keys, "KeysPage"),
    page(paths.keyNew, keys, "NewKeyPage"),
    page(paths.key(id), keys, "KeyPage"),
    page(paths.providers, providers, "ProvidersPage"),
    page(paths.providerNew, () => import("./features/providers/NewProviderPage"), "NewProviderPage"),
    page(paths.provider(id), providers, "ProviderPage"),
    page(paths.providerModels(id), () => import("./features/providers/ModelsPage"), "ProviderModelsPage"),
    page(paths.models, models, "ModelsPage"),
    page(paths.modelNew, models, "NewModelPage"),
    page(paths.model(id), models, "ModelPage"),
    page(paths.pools, pools, "PoolsPage"),
    page(paths.poolNew, pools, "NewPoolPage"),
    page(paths.pool(id), pools, "PoolPage"),
    page(paths.profiles, guardrails, "ProfilesPage"),
    page(paths.profileNew, guardrails, "NewProfilePage"),
    page(paths.profile(id), guardrails, "ProfilePage"),
    page(paths.bench, bench, "BenchPage"),
    page(paths.usage, () => import("./features/dashboard/UsagePage"), "UsagePage"),
    page(paths.playground, () => import("./features/playground/PlaygroundPage"), "PlaygroundPage"),
    page(paths.audit, () => import("./features/audit/AuditPage"), "AuditPage"),
    page(paths.nodes, () => import("./features/nodes/NodesPage"), "NodesPage"),
    page(paths.gateways, gateways, "GatewaysPage"),
    page(paths.gatewayNew, gateways, "NewGatewayPage"),
    page(paths.gateway(id), gateways, "GatewayPage"),
    page(paths.settings, () => import("./features/settings/SettingsPage"), "SettingsPage"),
    page(paths.tokens, tokens, "TokensPage"),
    page(paths.tokenNew, tokens, "NewTokenPage"),
    page(paths.token(id), tokens, "TokenPage"),
  ]),
]);

export const router = createRouter({
  routeTree: routes,
  defaultPreload: "intent",
  defaultPendingComponent: Loading,
  defaultErrorComponent: ({ error, reset }) => <Failed error={error} onRetry={reset} />,
  defaultNotFoundComponent: NotFound,
  scrollRestoration: true,
  // Texts as they are: the router's own way would read a model named 4 as a number.
  parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
  stringifySearch: (search) => {
    const text = new URLSearchParams(search as Record<string, string>).toString();
    return text ? `?${text}` : "";
  },
});
