import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { client, type Schemas, unwrap } from "../../api/client";
import { Button } from "../../design/Button";
import { Dialog } from "../../design/Dialog";
import { inputClass, Labelled } from "../../design/Fields";
import { count } from "../../design/format";
import { Failed, Notice } from "../../design/States";
import { texts } from "../../texts";

const { audit: words, common } = texts;
const HEAD = "/api/v1/admin/audit/head";
const FIELD = "kept-head";

/** Whether the log is as it was written, also by a head that was kept elsewhere. */
export function Verify({ onClose }: { onClose: () => void }) {
  const [kept, setKept] = useState("");
  const [isWrong, setWrong] = useState(false);
  const check = useMutation({
    mutationFn: (head: Schemas["AuditHead"] | null) =>
      unwrap(client.POST("/api/v1/admin/audit/verify", { body: { head } })),
  });
  const verify = () => {
    const head = read(kept);
    setWrong(head === undefined);
    if (head !== undefined) check.mutate(head);
  };
  return (
    <Dialog title={words.verifyTitle} isOpen onClose={onClose} wide>
      <p className="mb-4 text-ink-soft">{words.verifyLead}</p>
      <Labelled
        id={FIELD}
        label={words.keptHead}
        help={words.keptHeadHelp}
        error={isWrong ? words.notAHead : undefined}
        optional
      >
        <textarea
          id={FIELD}
          rows={4}
          value={kept}
          onChange={({ target }) => setKept(target.value)}
          aria-invalid={isWrong || undefined}
          className={`${inputClass} h-auto py-2 font-mono text-xs`}
        />
      </Labelled>
      <div className="mt-4 grid gap-3" aria-live="polite">
        {check.isPending && <p className="text-ink-soft">{words.verifying}</p>}
        {check.error && <Failed error={check.error} />}
        {check.data && <Verdict verdict={check.data} />}
      </div>
      <div className="mt-6 flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">
        <Button onPress={onClose}>{common.close}</Button>
        <a
          href={HEAD}
          download="audit-head.json"
          className="inline-flex min-h-11 items-center justify-center gap-2 rounded-md border border-line-strong bg-surface px-4 text-sm font-medium hover:bg-sunken"
        >
          {words.downloadHead}
        </a>
        <Button kind="primary" onPress={verify} isDisabled={check.isPending}>
          {words.verify}
        </Button>
      </div>
    </Dialog>
  );
}

function Verdict({ verdict }: { verdict: Schemas["AuditVerdict"] }) {
  if (verdict.intact) return <Notice tone="good">{words.intact(count(verdict.entries))}</Notice>;
  return (
    <Notice tone="bad">
      <p className="font-medium">{words.notIntact}</p>
      <ul className="mt-1 list-disc pl-5 break-words">
        {verdict.faults.map(({ kind, sequence, text }) => (
          <li key={`${kind} ${sequence}`}>{text}</li>
        ))}
      </ul>
    </Notice>
  );
}

/** Null: none was given. Undefined: it is none; what its fields say the server looks at. */
function read(text: string): Schemas["AuditHead"] | null | undefined {
  if (text.trim() === "") return null;
  try {
    const head: unknown = JSON.parse(text);
    return head !== null && typeof head === "object" ? (head as Schemas["AuditHead"]) : undefined;
  } catch {
    return undefined;
  }
}
