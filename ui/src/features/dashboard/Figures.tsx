import type { ReactNode } from "react";
import type { Sums } from "../../api/usage";
import { count, decimalDollars, duration, inCurrency, shortCount } from "../../design/format";
import { AppLink } from "../../design/Link";
import { texts } from "../../texts";
import { change } from "./time";

const { dashboard: words, usage: usageWords } = texts;

/** What a time came to, and how that differs from the time before. */
export function Figures({
  now,
  earlier,
  records,
  currency,
}: {
  now: Sums;
  earlier: Sums | undefined;
  records: string;
  /** In which costs are told as well. */
  currency?: string;
}) {
  const tokens = (sums: Sums) => sums.input_tokens + sums.output_tokens;
  const compared = (of: (sums: Sums) => number) => earlier && <Change now={of(now)} earlier={of(earlier)} />;
  return (
    <dl className="mb-6 grid grid-cols-2 gap-3 md:grid-cols-3 2xl:grid-cols-6">
      <Figure
        name={words.requests}
        value={<AppLink to={records}>{count(now.requests)}</AppLink>}
        detail={compared((sums) => sums.requests)}
      />
      <Figure
        name={words.errors}
        value={count(now.errors)}
        detail={now.requests > 0 && `${((now.errors / now.requests) * 100).toFixed(1)} %`}
      />
      <Figure
        name={words.tokens}
        value={shortCount(tokens(now))}
        detail={compared(tokens) ?? `${shortCount(now.input_tokens)} / ${shortCount(now.output_tokens)}`}
      />
      <Figure
        name={words.cost}
        value={decimalDollars(now.cost_usd)}
        detail={currency ? told(now, currency) : compared((sums) => Number(sums.cost_usd))}
      />
      <Times name={words.latency} times={now.latency_ms} />
      <Times name={words.ttft} times={now.time_to_first_token_ms} />
    </dl>
  );
}

/** A cost in a currency, or why nobody can say it. */
function told({ cost_in_currency }: Sums, currency: string): string {
  return cost_in_currency === null ? usageWords.noRate(currency) : inCurrency(cost_in_currency, currency);
}

function Times({ name, times }: { name: string; times: Sums["latency_ms"] }) {
  const shown = (milliseconds: number | null) => (milliseconds === null ? "–" : duration(milliseconds * 1_000));
  return (
    <Figure name={`${name}, ${words.p50}`} value={shown(times.p50)} detail={`${words.p95}: ${shown(times.p95)}`} />
  );
}

function Change({ now, earlier }: { now: number; earlier: number }) {
  const percent = change(now, earlier);
  if (percent === undefined) return <>{usageWords.newly}</>;
  const rounded = Math.round(percent);
  const text = rounded === 0 ? usageWords.same : `${rounded > 0 ? "+" : "−"}${count(Math.abs(rounded))} %`;
  return <span title={usageWords.change(text)}>{text}</span>;
}

function Figure({ name, value, detail }: { name: string; value: ReactNode; detail?: ReactNode }) {
  return (
    <div className="min-w-0 rounded-lg border border-line bg-surface p-4">
      <dt className="text-sm text-ink-soft">{name}</dt>
      <dd>
        <span className="block text-xl font-semibold break-words tabular-nums">{value}</span>
        {detail && <span className="block text-sm tabular-nums text-ink-soft">{detail}</span>}
      </dd>
    </div>
  );
}
