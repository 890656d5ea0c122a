import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { type DefaultValues, type FieldValues, type UseFormReturn, useForm } from "react-hook-form";
import { z } from "zod";
import { ApiProblem, type Schemas } from "../../api/client";
import { type Limit, type LimitState, readLimitState } from "../../api/limits";
import { Button } from "../../design/Button";
import { Dialog } from "../../design/Dialog";
import { TextField } from "../../design/Fields";
import { showAtFields } from "../../design/fieldErrors";
import { dateTime, fromLocalInput, toLocalInput, typedDollars } from "../../design/format";
import { amountOf } from "../../design/limits";
import { Notice } from "../../design/States";
import { toast } from "../../design/Toasts";
import { texts } from "../../texts";
import { type Change, signedUnits, unitsOf, useChange } from "./change";

const { common, limits } = texts;
const words = limits.changes;
const DAY_MS = 86_400_000;

interface Of {
  limit: Limit;
  /** Undefined: of all that it has a counter for. */
  state: LimitState | undefined;
  /** Of a limit on each of a kind: of which one. */
  subjectId?: string;
}

/** What can be done about a limit for a time: a larger amount, a new beginning, a correction. */
export function Changes({ limit, state, subjectId, name }: Of & { name?: string }) {
  const [open, setOpen] = useState<Change>();
  const of = { limit, state, subjectId, onClose: () => setOpen(undefined) };
  const isConcurrent = limit.unit === "concurrent_requests";
  // As the API takes them: models are raised together, and what is corrected is one counter.
  const changes: [Change, boolean][] = [
    ["raise", subjectId === undefined || limit.subject.kind !== "model"],
    ["reset", !isConcurrent],
    ["release", !isConcurrent && (state === undefined || state.unreconciled > 0)],
    ["adjust", !isConcurrent && state !== undefined],
  ];
  return (
    <div className="flex flex-wrap gap-2">
      {changes.map(
        ([change, isPossible]) =>
          isPossible && (
            <Button
              key={change}
              aria-label={name ? words.of(words[change], name) : undefined}
              onPress={() => setOpen(change)}
            >
              {words[change]}
            </Button>
          ),
      )}
      {open === "raise" && <RaiseDialog {...of} />}
      {(open === "reset" || open === "release") && <AnewDialog change={open} {...of} />}
      {open === "adjust" && <AdjustDialog {...of} />}
    </div>
  );
}

const reason = z.string().max(500, words.reasonTooLong);
type Closing = Of & { onClose: () => void };

function RaiseDialog({ limit, state, subjectId, onClose }: Closing) {
  const [forAll, setForAll] = useState<Schemas["LimitRaised"]>();
  const raise = state?.raise;
  const end = useChange("end_raise", limit.id);
  /** Of one it ends its own; where another still holds for it, that is the raise of all. */
  const endRaise = async () => {
    await end.mutateAsync({ subject_id: forAll ? undefined : subjectId });
    if (subjectId === undefined || forAll) return words.raiseEnded;
    const left = (await readLimitState(limit.id, subjectId)).raise ?? undefined;
    setForAll(left);
    return left ? undefined : words.raiseEnded;
  };
  const amount = raise?.amount ?? limit.amount;
  const schema = z.object({
    amount: z.string().refine((text) => (unitsOf(limit.unit, text) ?? 0) > limit.amount, words.notMore),
    until: z.string().min(1, common.required),
    reason,
  });
  const until = raise?.until ?? new Date(Date.now() + DAY_MS).toISOString();
  return (
    <ChangeDialog
      change="raise"
      limit={limit}
      schema={schema}
      values={{
        amount: limit.unit === "cost_microusd" ? typedDollars(amount) : String(amount),
        until: toLocalInput(until),
        reason: raise?.reason ?? "",
      }}
      toBody={(form) => ({
        subject_id: subjectId,
        amount: unitsOf(limit.unit, form.amount),
        until: fromLocalInput(form.until),
        reason: form.reason.trim() || undefined,
      })}
      onClose={onClose}
      instead={
        (raise || !state) && {
          label: forAll ? words.endRaiseOfAll : words.endRaise,
          send: endRaise,
        }
      }
    >
      {({ control }) => (
        <>
          {forAll && (
            <Notice tone="warn">
              {words.heldByAll(amountOf(limit, forAll.amount), dateTime(forAll.until))} {forAll.reason}
            </Notice>
          )}
          <TextField
            control={control}
            name="amount"
            label={limits.amount}
            help={words.raiseHelp(amountOf(limit, limit.amount))}
            inputMode="decimal"
            autoFocus
          />
          <TextField control={control} name="until" label={words.until} help={words.untilHelp} type="datetime-local" />
          <TextField control={control} name="reason" label={words.reason} help={words.reasonHelp} optional />
        </>
      )}
    </ChangeDialog>
  );
}

/** What takes nothing but a reason. */
function AnewDialog({ change, limit, subjectId, onClose }: Closing & { change: "reset" | "release" }) {
  return (
    <ChangeDialog
      change={change}
      limit={limit}
      schema={z.object({ reason })}
      values={{ reason: "" }}
      toBody={(form) => ({ subject_id: subjectId, reason: form.reason.trim() || undefined })}
      onClose={onClose}
    >
      {({ control }) => (
        <TextField control={control} name="reason" label={words.reason} help={words.reasonHelp} optional />
      )}
    </ChangeDialog>
  );
}

function AdjustDialog({ limit, subjectId, onClose }: Closing) {
  const isUnits = (text: string) => signedUnits(limit.unit, text) !== undefined;
  return (
    <ChangeDialog
      change="adjust"
      limit={limit}
      schema={z.object({ units: z.string().refine(isUnits, words.unitsWrong), reason })}
      values={{ units: "", reason: "" }}
      toBody={(form) => ({
        subject_id: subjectId,
        units: signedUnits(limit.unit, form.units),
        reason: form.reason.trim() || undefined,
      })}
      onClose={onClose}
    >
      {({ control }) => (
        <>
          <TextField
            control={control}
            name="units"
            label={words.units}
            help={words.unitsHelp}
            inputMode="text"
            autoFocus
          />
          <TextField control={control} name="reason" label={words.reason} help={words.reasonHelp} optional />
        </>
      )}
    </ChangeDialog>
  );
}

function ChangeDialog<F extends FieldValues>({
  change,
  limit,
  schema,
  values,
  toBody,
  onClose,
  instead,
  children,
}: {
  change: Change;
  limit: Limit;
  schema: z.ZodType<F, F>;
  values: F;
  toBody: (form: F) => Record<string, unknown>;
  onClose: () => void;
  /** What can be done instead; it gives what has become of it, or nothing where something is still to be decided. */
  instead?: { label: string; send: () => Promise<string | undefined> } | false;
  children: (form: UseFormReturn<F>) => React.ReactNode;
}) {
  const [failure, setFailure] = useState<string>();
  const send = useChange(change, limit.id);
  const form = useForm<F>({ resolver: zodResolver(schema), defaultValues: values as DefaultValues<F> });
  const [isSending, setSending] = useState(false);
  const act = async (what: () => Promise<string | undefined>) => {
    setFailure(undefined);
    setSending(true);
    try {
      const done = await what();
      if (done === undefined) return;
      toast(done);
      onClose();
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      setFailure(showAtFields(form, error, form.getValues()));
    } finally {
      setSending(false);
    }
  };
  const submit = form.handleSubmit((entered) =>
    act(async () => {
      await send.mutateAsync(toBody(entered));
      return words.done[change];
    }),
  );
  return (
    <Dialog title={words.of(words[change], limit.name)} isOpen onClose={onClose}>
      <form onSubmit={submit} noValidate className="grid gap-4">
        {failure && <Notice tone="bad">{failure}</Notice>}
        <p className="text-sm text-ink-soft">{words.leads[change]}</p>
        {children(form)}
        <div className="flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">
          <Button onPress={onClose}>{common.cancel}</Button>
          {instead && (
            <Button isDisabled={isSending} onPress={() => void act(instead.send)}>
              {instead.label}
            </Button>
          )}
          <Button kind="primary" type="submit" isDisabled={isSending}>
            {words[change]}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
