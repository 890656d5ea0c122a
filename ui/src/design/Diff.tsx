import { texts } from "../texts";

/** What differs between two versions of one thing, field by field. */
export function differences(before: object, after: object): { field: string; before: string; after: string }[] {
  const left = before as Record<string, unknown>;
  const right = after as Record<string, unknown>;
  return Object.keys(right)
    .map((field) => ({ field, before: shown(left[field]), after: shown(right[field]) }))
    .filter((change) => change.before !== change.after);
}

function shown(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  return typeof value === "object" ? JSON.stringify(value, null, 1) : String(value);
}

/** What differs between what is stored and what somebody wants to store. */
export function Diff({ before, after }: { before: object; after: object }) {
  const { field, theirs, mine } = texts.conflict;
  return <ChangeTable titles={[field, theirs, mine]} changes={differences(before, after)} />;
}

/** Fields that differ, each with both of its values. */
export function ChangeTable({
  titles,
  changes,
}: {
  titles: [field: string, before: string, after: string];
  changes: { field: string; before: unknown; after: unknown }[];
}) {
  return (
    <div className="overflow-x-auto">
      <table className="w-full text-left text-sm">
        <thead className="text-ink-soft">
          <tr>
            {titles.map((title) => (
              <th key={title} scope="col" className="py-2 pr-4 font-medium">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {changes.map((change) => (
            <tr key={change.field} className="border-t border-line align-top">
              <th scope="row" className="py-2 pr-4 font-mono font-normal break-all">
                {change.field}
              </th>
              <td className="py-2 pr-4">
                <del className="rounded bg-bad-ground px-1 break-all whitespace-pre-wrap text-bad no-underline">
                  {shown(change.before)}
                </del>
              </td>
              <td className="py-2">
                <ins className="rounded bg-good-ground px-1 break-all whitespace-pre-wrap text-good no-underline">
                  {shown(change.after)}
                </ins>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
