import { serverNow } from "../../api/client";
import type { Limit, LimitState } from "../../api/limits";
import { useSummary } from "../../api/usage";
import { dateTime } from "../../design/format";
import { amountOf } from "../../design/limits";
import { Summary } from "../../design/Summary";
import { texts } from "../../texts";
import { forecastOf, type Point, pointsOf, windowOfChart } from "./points";

const { chart: words } = texts.limits;
const WIDTH = 600;
const HEIGHT = 160;

/** What was left of a limit over its window, what gateways hold of it now, and where it leads at this rate. */
export function BurndownChart({ limit, state }: { limit: Limit; state: LimitState }) {
  const now = serverNow();
  const span = windowOfChart(limit, state, now);
  const summary = useSummary(span?.query ?? { from: "", to: "" }, span !== undefined);
  if (!span || !summary.data) return null;
  const { from, to } = span;
  const points = pointsOf(limit, state, summary.data.items, span, now);
  const last = points.at(-1) as Point;
  const ahead = forecastOf(state, to, now);
  const x = (at: number) => (WIDTH * Math.min(1, Math.max(0, (at - from) / (to - from)))).toFixed(1);
  const y = (left: number) => (HEIGHT * (1 - Math.min(1, left / state.amount))).toFixed(1);
  const line = (among: Point[]) => among.map(({ at, left }) => `${x(at)},${y(left)}`).join(" ");
  const held = state.reserved + state.unreconciled;
  const time = (at: number) => dateTime(new Date(at).toISOString());
  return (
    <figure className="mt-5">
      <div className="mb-2 flex flex-wrap gap-x-4 gap-y-1 text-xs text-ink-soft">
        <Key colour="bg-accent">{words.left}</Key>
        {held > 0 && <Key colour="bg-warn">{words.held}</Key>}
        {ahead && <Key colour="bg-line-strong">{words.ahead}</Key>}
        <span className="ml-auto tabular-nums">{words.most(amountOf(limit, state.amount))}</span>
      </div>
      <svg
        role="img"
        aria-label={words.label(amountOf(limit, Math.round(last.left)), time(from), time(to))}
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        className="h-40 w-full overflow-visible border-b border-line-strong"
      >
        <polygon
          points={`${x(from)},${HEIGHT} ${line(points)} ${x(last.at)},${HEIGHT}`}
          className="fill-accent opacity-10"
        />
        {held > 0 && (
          <line
            x1={x(last.at)}
            x2={x(last.at)}
            y1={y(last.left)}
            y2={y(Math.max(0, last.left - held))}
            className="stroke-warn"
            strokeWidth={6}
            vectorEffect="non-scaling-stroke"
          />
        )}
        {ahead && (
          <polyline
            points={line([last, ahead])}
            className="fill-none stroke-line-strong"
            strokeWidth={2}
            strokeDasharray="6 5"
            vectorEffect="non-scaling-stroke"
          />
        )}
        <polyline
          points={line(points)}
          className="fill-none stroke-accent"
          strokeWidth={2}
          vectorEffect="non-scaling-stroke"
        />
      </svg>
      <figcaption className="mt-1 flex justify-between gap-4 text-xs tabular-nums text-ink-soft">
        <span>{time(from)}</span>
        <span className="text-right">{time(to)}</span>
      </figcaption>
      <details className="mt-2 text-sm">
        <Summary>{texts.dashboard.table}</Summary>
        <table className="w-full text-left">
          <thead className="text-ink-soft">
            <tr>
              <th className="py-1 font-medium">{texts.dashboard.time}</th>
              <th className="py-1 text-right font-medium">{words.left}</th>
            </tr>
          </thead>
          <tbody className="tabular-nums">
            {points.map(({ at, left }) => (
              <tr key={at} className="border-t border-line">
                <td className="py-1">{time(at)}</td>
                <td className="py-1 text-right">{amountOf(limit, Math.round(left))}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <p className="mt-2 text-ink-soft">{words.source}</p>
      </details>
    </figure>
  );
}

function Key({ colour, children }: { colour: string; children: string }) {
  return (
    <span className="flex items-center gap-1.5">
      <span aria-hidden className={`size-2.5 rounded-sm ${colour}`} /> {children}
    </span>
  );
}
