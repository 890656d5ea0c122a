import { Link as RouterLink } from "@tanstack/react-router";
import { ExternalLink } from "lucide-react";
import type { ReactNode } from "react";
import { texts } from "../texts";

/**
 * A link within the console; `to` comes from paths.ts, with its query if it has one. `inNewTab`: for where leaving the page loses
 * something, such as a secret that is shown once.
 */
export function AppLink({
  to,
  className = "font-medium text-link underline-offset-2 hover:underline",
  inNewTab = false,
  children,
  ...rest
}: {
  to: string;
  className?: string;
  inNewTab?: boolean;
  children: ReactNode;
  onClick?: () => void;
  "aria-current"?: "page" | undefined;
}) {
  const [path, query] = to.split("?");
  const search = query ? Object.fromEntries(new URLSearchParams(query)) : {};
  return (
    <RouterLink
      to={path as never}
      search={search as never}
      className={className}
      {...(inNewTab ? { target: "_blank", rel: "noopener" } : {})}
      {...rest}
    >
      {children}
      {inNewTab && <ExternalLink aria-label={texts.common.newTab} className="ml-1 inline size-4 align-text-bottom" />}
    </RouterLink>
  );
}
