import type { SummaryItem } from "../../api/usage";
import { count } from "../../design/format";
import { texts } from "../../texts";
import { weekHour } from "./time";

const { usage: words } = texts;
const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
/** Shades from nothing to the most; the numbers are in each cell's name. */
const SHADES = ["bg-sunken", "bg-accent/20", "bg-accent/40", "bg-accent/60", "bg-accent/80", "bg-accent"];

/** Requests by weekday and hour, of sums by the hour. */
export function Heatmap({ items }: { items: SummaryItem[] }) {
  const cells = new Map<number, number>();
  for (const item of items) {
    const { day, hour } = weekHour(item.bucket_start);
    cells.set(day * 24 + hour, (cells.get(day * 24 + hour) ?? 0) + item.requests);
  }
  const most = Math.max(1, ...cells.values());
  const shade = (requests: number) => SHADES[requests === 0 ? 0 : Math.ceil((requests / most) * (SHADES.length - 1))];
  return (
    // Positioned: what only a screen reader reads would else make the whole page as wide as the table.
    <div className="relative overflow-x-auto">
      <table className="w-full min-w-[34rem] table-fixed border-separate border-spacing-0.5 text-xs text-ink-soft">
        <caption className="sr-only">{words.heatmapLead}</caption>
        <thead>
          <tr>
            <td className="w-10" />
            {HOURS.map((hour) => (
              <th key={hour} scope="col" className="font-normal tabular-nums">
                {hour % 3 === 0 ? hour : <span className="sr-only">{hour}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {words.weekdays.map((name, day) => (
            <tr key={name}>
              <th scope="row" className="text-left font-normal">
                {name}
              </th>
              {HOURS.map((hour) => {
                const requests = cells.get(day * 24 + hour) ?? 0;
                return (
                  <td
                    key={hour}
                    title={words.cell(name, hour, count(requests))}
                    className={`h-6 rounded-sm ${shade(requests)}`}
                  >
                    <span className="sr-only">{count(requests)}</span>
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
