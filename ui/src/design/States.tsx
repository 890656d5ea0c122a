import { CircleAlert, Inbox, Lock, SearchX } from "lucide-react";
import type { ReactNode } from "react";
import { ApiProblem } from "../api/client";
import { texts } from "../texts";
import { Button } from "./Button";

function State({ icon, title, children }: { icon: ReactNode; title: string; children?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-2 rounded-lg border border-line bg-surface px-6 py-12 text-center">
      <span className="text-ink-soft">{icon}</span>
      <p className="font-medium">{title}</p>
      {children && <div className="max-w-prose text-sm text-ink-soft">{children}</div>}
    </div>
  );
}

/** Grey lines where content will be. */
export function Loading({ lines = 6 }: { lines?: number }) {
  return (
    <div role="status" aria-label={texts.common.loading} className="rounded-lg border border-line bg-surface p-6">
      {Array.from({ length: lines }, (_, line) => line).map((line) => (
        <div key={line} className="mb-4 h-5 animate-pulse rounded bg-sunken last:mb-0" />
      ))}
    </div>
  );
}

export function Empty({ title, children, action }: { title?: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <State icon={<Inbox aria-hidden className="size-8" />} title={title ?? texts.states.empty}>
      {children}
      {action && <div className="mt-4">{action}</div>}
    </State>
  );
}

export function NothingFound({ onClear }: { onClear?: () => void }) {
  return (
    <State icon={<SearchX aria-hidden className="size-8" />} title={texts.states.emptyFiltered}>
      {onClear && <Button onPress={onClear}>{texts.common.clearFilters}</Button>}
    </State>
  );
}

/** Whatever a query failed with: not allowed, not there, no answer, a fault. */
export function Failed({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const problem = error instanceof ApiProblem ? error : undefined;
  if (problem?.status === 403) {
    return (
      <State icon={<Lock aria-hidden className="size-8" />} title={texts.states.noAccess}>
        {texts.states.noAccessBody}
      </State>
    );
  }
  if (problem?.status === 404) {
    return (
      <State icon={<SearchX aria-hidden className="size-8" />} title={texts.states.notFound}>
        {texts.states.notFoundBody}
      </State>
    );
  }
  return (
    <State icon={<CircleAlert aria-hidden className="size-8" />} title={texts.states.failed}>
      <p role="alert">{problem ? problem.message : texts.states.broken}</p>
      {onRetry && (
        <Button className="mt-4" onPress={onRetry}>
          {texts.common.retry}
        </Button>
      )}
    </State>
  );
}

export function NoAccess() {
  return <Failed error={new ApiProblem(403, "forbidden", texts.states.noAccess)} />;
}

/** A sentence above a form or a list. */
export function Notice({
  tone = "neutral",
  children,
}: {
  tone?: "neutral" | "bad" | "warn" | "good";
  children: ReactNode;
}) {
  const tones = {
    neutral: "border-line bg-sunken text-ink",
    bad: "border-bad bg-bad-ground text-bad",
    warn: "border-warn bg-warn-ground text-warn",
    good: "border-good bg-good-ground text-good",
  };
  return (
    <div role={tone === "bad" ? "alert" : "note"} className={`mb-4 rounded-md border px-4 py-3 text-sm ${tones[tone]}`}>
      {children}
    </div>
  );
}

export function NotFound() {
  return <Failed error={new ApiProblem(404, "not_found", texts.states.notFound)} />;
}
