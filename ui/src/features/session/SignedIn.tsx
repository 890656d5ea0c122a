import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Outlet, useLocation, useRouter } from "@tanstack/react-router";
import {
  Activity,
  BadgeCheck,
  Bot,
  Boxes,
  Building2,
  Cable,
  ChartColumn,
  Coins,
  FlaskConical,
  Gauge,
  IdCard,
  KeyRound,
  Layers,
  LayoutDashboard,
  LogIn,
  MessagesSquare,
  Network,
  ScrollText,
  Server,
  Settings,
  ShieldCheck,
  UserCog,
  UserSearch,
  Users,
  Workflow,
} from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { ApiProblem, client, onSessionExpired, unwrap } from "../../api/client";
import { type Identity, identityQuery, type Permission } from "../../api/identity";
import { Dialog } from "../../design/Dialog";
import { Frame, type NavigationGroup } from "../../design/Frame";
import { Failed, Loading, Notice } from "../../design/States";
import { paths, signInThenBack } from "../../paths";
import { texts } from "../../texts";
import { BreakGlass } from "./BreakGlass";
import { SignInForm } from "./SignInForm";

/** The frame around every page but the sign-in. If the session ends, one signs in above the page, which keeps what was entered. */
export function SignedIn() {
  const identity = useQuery(identityQuery);
  const queries = useQueryClient();
  const router = useRouter();
  const { href, pathname } = useLocation();
  const [isExpired, setExpired] = useState(false);
  const isSignedIn = identity.data !== undefined;
  useEffect(() => onSessionExpired(() => setExpired(true)), []);

  const isNobody = !isSignedIn && identity.error instanceof ApiProblem && identity.error.status === 401;
  useEffect(() => {
    // This is still here for a moment when the sign-in has the address already.
    if (isNobody && pathname !== paths.signIn) router.history.replace(signInThenBack(href));
  }, [isNobody, router, href, pathname]);

  if (identity.isPending || isNobody) return <Loading />;
  if (!identity.data) return <Failed error={identity.error} onRetry={() => identity.refetch()} />;

  const signOut = async () => {
    // Whoever has no session any more is signed out, too.
    const signedOut = await unwrap(client.POST("/api/v1/admin/auth/logout")).catch(() => undefined);
    queries.clear();
    // An identity provider ends its own session, and leads back to the sign-in.
    if (signedOut?.continue_at) {
      globalThis.location.assign(signedOut.continue_at);
      return;
    }
    router.history.push(paths.signIn);
  };
  return (
    <Frame groups={navigation(identity.data)} identity={identity.data} onSignOut={signOut}>
      <BreakGlass isPlatform={identity.data.role === "platform_admin"} />
      <Outlet />
      <Dialog title={texts.signIn.title} isOpen={isExpired} onClose={() => setExpired(false)} firm>
        <Notice>{texts.signIn.again}</Notice>
        <SignInForm
          email={identity.data.email}
          onSignedIn={() => {
            setExpired(false);
            void queries.invalidateQueries();
          }}
        />
      </Dialog>
    </Frame>
  );
}

/** Everybody sees what they can use. Later pages are added here. */
function navigation({ role, permissions }: Identity): NavigationGroup[] {
  const { nav } = texts;
  const forPlatform = role === "platform_admin";
  const may = (permission: Permission, ...entries: NavigationGroup["entries"]) =>
    permissions.includes(permission) ? entries : [];
  const icon = (Icon: typeof Activity): ReactNode => <Icon aria-hidden className="size-4 shrink-0" />;
  const entry = (to: string, label: string, Icon: typeof Activity) => ({ to, label, icon: icon(Icon) });
  return [
    {
      label: nav.groups.observe,
      entries: [
        entry(paths.dashboard, nav.dashboard, LayoutDashboard),
        entry(paths.requests, nav.requests, Activity),
        entry(paths.usage, nav.usage, ChartColumn),
        entry(paths.playground, nav.playground, MessagesSquare),
      ],
    },
    {
      label: nav.groups.route,
      entries: [
        entry(paths.models, nav.models, Boxes),
        ...may("pools.read", entry(paths.pools, nav.pools, Layers)),
        ...may("providers.read", entry(paths.providers, nav.providers, Cable)),
      ],
    },
    {
      label: nav.groups.access,
      entries: [
        ...(forPlatform ? [entry(paths.tenants, nav.tenants, Building2)] : []),
        ...may("departments.read", entry(paths.departments, nav.departments, Workflow)),
        entry(paths.users, nav.users, Users),
        ...may("service_accounts.read", entry(paths.accounts, nav.accounts, Bot)),
        ...may("roles.read", entry(paths.roles, nav.customRoles, UserCog)),
        ...may("sign_in.read", entry(paths.signInProviders, nav.signInProviders, LogIn)),
        entry(paths.keys, nav.keys, KeyRound),
        ...may(
          "identity.read",
          entry(paths.tokenIssuers, nav.tokenIssuers, BadgeCheck),
          entry(paths.identityRules, nav.identityRules, IdCard),
          entry(paths.discovered, nav.discovered, UserSearch),
        ),
      ],
    },
    {
      label: nav.groups.protect,
      entries: [
        ...may("limits.read", entry(paths.limits, nav.limits, Gauge)),
        ...may("guardrails.read", entry(paths.profiles, nav.guardrails, ShieldCheck)),
        ...may("guardrails.test", entry(paths.bench, nav.bench, FlaskConical)),
      ],
    },
    {
      label: nav.groups.operate,
      entries: [
        ...(forPlatform ? may("currencies.read", entry(paths.currencyRates, nav.currencyRates, Coins)) : []),
        ...(forPlatform ? [entry(paths.nodes, nav.nodes, Network), entry(paths.gateways, nav.gateways, Server)] : []),
        ...may("audit.read", entry(paths.audit, nav.audit, ScrollText)),
        entry(paths.settings, nav.settings, Settings),
      ],
    },
  ];
}
