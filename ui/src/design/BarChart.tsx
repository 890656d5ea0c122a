import { texts } from "../texts";
import { Summary } from "./Summary";

export interface ChartBar {
  /** What it stands for, for its row of the table. */
  label: string;
  good: number;
  bad: number;
}

/** Bars over time, in two shares, and the same figures as a table for those who want or need them. */
export function BarChart({
  label,
  from,
  to,
  bars,
  goodName,
  badName,
}: {
  label: string;
  from: string;
  to: string;
  bars: ChartBar[];
  goodName: string;
  badName: string;
}) {
  const most = Math.max(1, ...bars.map(({ good, bad }) => good + bad));
  return (
    <figure>
      <div className="mb-2 flex flex-wrap gap-x-4 text-xs text-ink-soft">
        <span className="flex items-center gap-1.5">
          <span aria-hidden className="size-2.5 rounded-sm bg-line-strong" /> {goodName}
        </span>
        <span className="flex items-center gap-1.5">
          <span aria-hidden className="size-2.5 rounded-sm bg-bad" /> {badName}
        </span>
        <span className="ml-auto tabular-nums">max {most}</span>
      </div>
      <div role="img" aria-label={label} className="flex h-32 items-end gap-px border-b border-line-strong">
        {bars.map((bar) => (
          <div
            key={bar.label}
            title={`${bar.label}: ${bar.good} ${goodName}, ${bar.bad} ${badName}`}
            className="flex h-full flex-1 flex-col justify-end"
          >
            <div className="bg-bad" style={{ height: `${(bar.bad / most) * 100}%` }} />
            <div className="bg-line-strong" style={{ height: `${(bar.good / most) * 100}%` }} />
          </div>
        ))}
      </div>
      <figcaption className="mt-1 flex justify-between text-xs tabular-nums text-ink-soft">
        <span>{from}</span>
        <span>{to}</span>
      </figcaption>
      <details className="mt-2 text-sm">
        <Summary>{texts.dashboard.table}</Summary>
        <table className="w-full text-left">
          <thead className="text-ink-soft">
            <tr>
              <th className="py-1 font-medium">{texts.dashboard.time}</th>
              <th className="py-1 text-right font-medium">{goodName}</th>
              <th className="py-1 text-right font-medium">{badName}</th>
            </tr>
          </thead>
          <tbody className="tabular-nums">
            {bars.map((bar) => (
              <tr key={bar.label} className="border-t border-line">
                <td className="py-1">{bar.label}</td>
                <td className="py-1 text-right">{bar.good}</td>
                <td className="py-1 text-right">{bar.bad}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
