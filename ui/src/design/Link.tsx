import { Link as RouterLink } from "@tanstack/react-router";
import type { ReactNode } from "react";

/** A link within the console; `to` comes from paths.ts, with its query if it has one. */
export function AppLink({
  to,
  className = "font-medium text-link underline-offset-2 hover:underline",
  children,
  ...rest
}: {
  to: string;
  className?: string;
  children: ReactNode;
  onClick?: () => void;
  "aria-current"?: "page" | undefined;
}) {
  const [path, query] = to.split("?");
  const search = query ? Object.fromEntries(new URLSearchParams(query)) : {};
  return (
    <RouterLink to={path as never} search={search as never} className={className} {...rest}>
      {children}
    </RouterLink>
  );
}
