import type { ReactNode } from "react";
import { Button as AriaButton, type ButtonProps as AriaProps } from "react-aria-components";
import { AppLink } from "./Link";

type Kind = "primary" | "plain" | "quiet" | "danger";

const base =
  "inline-flex min-h-11 cursor-default items-center justify-center gap-2 rounded-md px-4 text-sm font-medium whitespace-nowrap transition-colors disabled:opacity-50 data-[disabled]:opacity-50";
const kinds: Record<Kind, string> = {
  primary: "bg-accent text-accent-ink hover:opacity-90",
  plain: "border border-line-strong bg-surface text-ink hover:bg-sunken",
  quiet: "text-ink hover:bg-sunken",
  danger: "border border-bad bg-surface text-bad hover:bg-bad-ground",
};

export function Button({
  kind = "plain",
  icon,
  children,
  className = "",
  ...rest
}: Omit<AriaProps, "children" | "className"> & {
  kind?: Kind;
  icon?: ReactNode;
  children: ReactNode;
  className?: string;
}) {
  return (
    <AriaButton {...rest} className={`${base} ${kinds[kind]} ${className}`}>
      {icon}
      {children}
    </AriaButton>
  );
}

/** A button of one picture; its name is for those who do not see it. */
export function IconButton({
  label,
  children,
  className = "",
  ...rest
}: Omit<AriaProps, "children" | "className" | "aria-label"> & {
  label: string;
  children: ReactNode;
  className?: string;
}) {
  return (
    <AriaButton
      {...rest}
      aria-label={label}
      className={`inline-flex size-11 shrink-0 items-center justify-center rounded-md text-ink-soft hover:bg-sunken hover:text-ink data-[disabled]:opacity-40 ${className}`}
    >
      {children}
    </AriaButton>
  );
}

/** Looks like a button, leads somewhere. */
export function LinkButton({
  to,
  kind = "plain",
  icon,
  onClick,
  children,
}: {
  to: string;
  onClick?: () => void;
  kind?: Kind;
  icon?: ReactNode;
  children: ReactNode;
}) {
  return (
    <AppLink to={to} onClick={onClick} className={`${base} ${kinds[kind]} cursor-pointer`}>
      {icon}
      {children}
    </AppLink>
  );
}
