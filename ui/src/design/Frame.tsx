import { useLocation } from "@tanstack/react-router";
import { LogOut, Menu, X } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import type { Identity } from "../api/identity";
import { texts } from "../texts";
import { IconButton } from "./Button";
import { AppLink } from "./Link";
import { SearchButton } from "./Search";

export interface NavigationEntry {
  to: string;
  label: string;
  icon: ReactNode;
}

export interface NavigationGroup {
  label?: string;
  entries: NavigationEntry[];
}

/** What stands around every page: navigation, who is signed in, and the way out. */
export function Frame({
  groups,
  identity,
  onSignOut,
  children,
}: {
  groups: NavigationGroup[];
  identity: Identity;
  onSignOut: () => void;
  children: ReactNode;
}) {
  const { pathname } = useLocation();
  const [isOpen, setOpen] = useState(false);
  const entries = groups.flatMap((group) => group.entries);
  // The longest that fits: a bench below the profiles is its own entry.
  const current = entries
    .filter(({ to }) => (to === "/" ? pathname === "/" : pathname === to || pathname.startsWith(`${to}/`)))
    .sort((left, right) => right.to.length - left.to.length)[0]?.to;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the menu closes when another page is opened
  useEffect(() => setOpen(false), [pathname]);
  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[15rem_minmax(0,1fr)]">
      <a
        href="#content"
        className="sr-only z-30 rounded-md bg-accent px-4 py-3 text-accent-ink focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        {texts.nav.skip}
      </a>
      <header className="sticky top-0 z-20 flex h-14 items-center justify-between border-b border-line bg-surface px-2 lg:hidden">
        <IconButton
          label={isOpen ? texts.nav.close : texts.nav.open}
          aria-expanded={isOpen}
          aria-controls="navigation"
          onPress={() => setOpen(!isOpen)}
        >
          {isOpen ? <X aria-hidden className="size-5" /> : <Menu aria-hidden className="size-5" />}
        </IconButton>
        <span className="font-semibold">{texts.product}</span>
        <SearchButton entries={entries} small />
      </header>
      <aside
        id="navigation"
        aria-label={texts.nav.sidebar}
        className={`${isOpen ? "fixed inset-x-0 top-14 bottom-0 z-20 flex" : "hidden"} flex-col overflow-y-auto border-r border-line bg-surface lg:sticky lg:top-0 lg:flex lg:h-dvh lg:overflow-hidden`}
      >
        <p className="hidden px-5 pt-4 pb-1 text-lg font-semibold tracking-tight lg:block">{texts.product}</p>
        <div className="hidden px-3 pt-2 lg:block">
          <SearchButton entries={entries} />
        </div>
        <nav aria-label={texts.nav.label} className="min-h-0 flex-1 px-3 py-2 lg:overflow-y-auto">
          {groups.map((group, index) => (
            <div key={group.label ?? index} className="mb-4 lg:mb-1.5">
              {group.label && <p className="px-2 pb-1 text-xs font-medium text-ink-soft lg:pb-0.5">{group.label}</p>}
              <ul>
                {group.entries.map(({ to, label, icon }) => (
                  <li key={to}>
                    <AppLink
                      to={to}
                      aria-current={to === current ? "page" : undefined}
                      className={`flex min-h-11 items-center gap-3 rounded-md px-2 text-sm lg:min-h-7 ${to === current ? "bg-sunken font-semibold" : "text-ink-soft hover:bg-sunken hover:text-ink"}`}
                    >
                      {icon}
                      {label}
                    </AppLink>
                  </li>
                ))}
              </ul>
            </div>
          ))}
        </nav>
        <div className="flex items-center gap-2 border-t border-line px-4 py-3">
          <div className="min-w-0 flex-1 text-sm">
            <p className="truncate font-medium" title={identity.email}>
              {identity.email}
            </p>
            <p className="text-xs text-ink-soft">{texts.nav.roles[identity.role]}</p>
          </div>
          <IconButton label={texts.nav.signOut} onPress={onSignOut}>
            <LogOut aria-hidden className="size-4" />
          </IconButton>
        </div>
      </aside>
      <main id="content" tabIndex={-1} className="min-w-0 px-4 py-6 outline-none sm:px-8 lg:py-8">
        {children}
      </main>
    </div>
  );
}
