import { count } from "../../design/format";
import { texts } from "../../texts";
import type { Digest } from "./entry";

const { audit: words } = texts;
/** So many digits tell digests of one week apart; the whole one is in the title, and in exports. */
const SHOWN = 12;

/** What was the same in several requests: never the text, but by which digest it is known in that week. */
export function Digests({ digests }: { digests: Digest[] }) {
  const titles = [words.findingType, words.digest, words.digestWeek, words.digestRequests];
  return (
    <section className="mt-5" aria-labelledby="digests">
      <h3 id="digests" className="font-medium">
        {words.digests}
      </h3>
      <p className="text-sm text-ink-soft">{words.digestsLead}</p>
      <table className="w-full text-left text-sm">
        <thead className="text-ink-soft">
          <tr>
            {titles.map((title, at) => (
              <th
                key={title}
                scope="col"
                className={`py-2 font-medium ${at === titles.length - 1 ? "text-right" : "pr-4"}`}
              >
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {digests.map(({ type, week, hmac, requests }) => (
            <tr key={`${type} ${week} ${hmac}`} className="border-t border-line align-top">
              <th scope="row" className="py-2 pr-4 font-mono font-normal break-all">
                {type}
              </th>
              <td className="py-2 pr-4 font-mono break-all" title={hmac}>
                {hmac.slice(0, SHOWN)}
              </td>
              <td className="py-2 pr-4 tabular-nums">{week}</td>
              <td className="py-2 text-right tabular-nums">{count(requests)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
