import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { Button, LinkButton } from "../../design/Button";
import { Dialog } from "../../design/Dialog";
import { ChangeTable } from "../../design/Diff";
import { count, dateTime } from "../../design/format";
import { Facts } from "../../design/Page";
import { auditWith, resourcePath } from "../../paths";
import { texts } from "../../texts";
import { Digests } from "./Digests";
import { actor, digestsOf, whatHappened, withoutDigests } from "./entry";

const { audit: words, common } = texts;
type Entry = Schemas["AuditEntry"];

/** One change whole: who, where from, and each field before and after. */
export function EntryDialog({ entry, owner, onClose }: { entry: Entry; owner: string; onClose: () => void }) {
  const page = entry.action.endsWith(".delete") ? undefined : resourcePath(entry.resource_type, entry.resource_id);
  const facts: [string, ReactNode][] = [
    [words.at, dateTime(entry.at)],
    [words.who, actor(entry)],
    [words.resource, entry.resource_name ?? entry.resource_id],
    [common.owner, owner],
    [words.where, [words.origins[entry.origin.kind], entry.origin.ref].filter(Boolean).join(": ")],
    [common.revision, count(entry.revision)],
  ];
  const digests = digestsOf(entry);
  return (
    <Dialog title={whatHappened(entry)} isOpen onClose={onClose} wide>
      <Facts facts={facts} />
      <div className="mt-5 border-t border-line pt-3">
        {!entry.changes && <p className="text-ink-soft">{words.noChanges}</p>}
        {entry.changes?.length === 0 && <p className="text-ink-soft">{words.nothingDiffers}</p>}
        {entry.changes && entry.changes.length > 0 && (
          <ChangeTable
            titles={[words.path, words.before, words.after]}
            changes={entry.changes.map(({ path, before, after }) => ({
              field: path,
              before,
              after: withoutDigests(after),
            }))}
          />
        )}
        {digests.length > 0 && <Digests digests={digests} />}
      </div>
      <div className="mt-6 flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">
        <LinkButton to={auditWith({ resource_id: entry.resource_id })} onClick={onClose}>
          {words.onlyThis}
        </LinkButton>
        {page && <LinkButton to={page}>{common.open}</LinkButton>}
        <Button kind="primary" onPress={onClose}>
          {common.close}
        </Button>
      </div>
    </Dialog>
  );
}
