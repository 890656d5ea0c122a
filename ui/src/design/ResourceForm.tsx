import { zodResolver } from "@hookform/resolvers/zod";
import { Trash2 } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { type DefaultValues, type FieldValues, type UseFormReturn, useForm } from "react-hook-form";
import type { z } from "zod";
import { ApiProblem } from "../api/client";
import {
  type Item,
  type Made,
  newIdempotencyKey,
  type ResourceName,
  type Resources,
  readNow,
  type Streams,
  useCreate,
  useRemove,
  useUpdate,
} from "../api/resources";
import { texts } from "../texts";
import { Button } from "./Button";
import { Confirm, Dialog } from "./Dialog";
import { Diff, differences } from "./Diff";
import { showAtFields } from "./fieldErrors";
import { Notice } from "./States";
import { StreamsChoice } from "./StreamsChoice";
import { toast } from "./Toasts";

interface Properties<R extends ResourceName, F extends FieldValues> {
  resource: R;
  /** The thing that is changed; undefined: a new one is made. */
  item?: Item<R>;
  schema: z.ZodType<F, F>;
  /** What the form holds: of a thing, or of none yet. */
  toForm: (item: Item<R> | undefined) => F;
  toCreate: (form: F) => Resources[R]["create"];
  /** All that can be changed. What is as it was is not sent. */
  toPatch: (form: F) => Resources[R]["patch"];
  /** Why nothing can be changed; undefined: it can. */
  readOnly?: string;
  /** The kind and the name, for sentences. */
  label: string;
  deleteConsequence: string;
  onMade: (made: Made<R>) => void;
  onRemoved: () => void;
  /** Fields of the API that are called otherwise in the form, as `showAtFields` takes them. */
  fieldNames?: Record<string, string>;
  /** Whether there may be streams under way of those whom it concerns: then one says what becomes of them. */
  hasStreams?: boolean;
  children: (form: UseFormReturn<F>) => ReactNode;
}

/** Makes, changes and deletes one thing of the API: its fields' errors, conflicts and consequences. */
export function ResourceForm<R extends ResourceName, F extends FieldValues>(properties: Properties<R, F>) {
  const { resource, item, schema, toForm, toCreate, toPatch, label, hasStreams = false } = properties;
  const readOnly = properties.readOnly ?? (item && managedElsewhere(item.origin));
  const form = useForm<F>({
    resolver: zodResolver(schema),
    defaultValues: toForm(item) as DefaultValues<F>,
    disabled: readOnly !== undefined,
  });
  const create = useCreate(resource);
  const update = useUpdate(resource);
  const remove = useRemove(resource);
  const [failure, setFailure] = useState<string>();
  const [conflict, setConflict] = useState<{ current: Item<R>; mine: F }>();
  const [isDeleting, setDeleting] = useState(false);
  const [streams, setStreams] = useState<Streams>("finish");
  /** Sent only where the API takes it. */
  const asked = hasStreams ? { streams } : {};
  /** The thing as the form knows it: saving compares with this, whatever the cache has heard since. */
  const [base, setBase] = useState(item);
  // One key for one thing to make, so that a repeat after a lost answer makes no second one.
  const idempotencyKey = useRef<string>(undefined);

  const isUnsaved = form.formState.isDirty && !form.formState.isSubmitSuccessful;
  useEffect(() => {
    if (!isUnsaved) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [isUnsaved]);

  // What has changed since is taken where it writes over nothing: the form is as it was, or shows nothing of the change, such as that of
  // another button of the page.
  const { isDirty } = form.formState;
  useEffect(() => {
    if (!item || !base || item.revision <= base.revision) return;
    const isElsewhere = differences(toPatch(toForm(base)), toPatch(toForm(item))).length === 0;
    if (!isDirty) form.reset(toForm(item));
    if (!isDirty || isElsewhere) setBase(item);
  }, [item, base, isDirty, form, toForm, toPatch]);

  const settle = (saved: Item<R>) => {
    setBase(saved);
    form.reset(toForm(saved));
    toast(texts.common.saved);
  };

  const refused = async (error: unknown, values: F) => {
    if (!(error instanceof ApiProblem)) throw error;
    if (error.status === 412 && base) {
      setConflict({ current: await readNow(resource, base.id), mine: values });
      return;
    }
    // What was refused is another request once it is mended.
    if (error.status !== 0) idempotencyKey.current = undefined;
    setFailure(showAtFields(form, error, values, properties.fieldNames));
  };

  const submit = form.handleSubmit(async (values) => {
    setFailure(undefined);
    try {
      if (!base) {
        idempotencyKey.current ??= newIdempotencyKey();
        properties.onMade(await create.mutateAsync({ body: toCreate(values), idempotencyKey: idempotencyKey.current }));
        return;
      }
      const body = changed(toPatch(toForm(base)), toPatch(values));
      settle(await update.mutateAsync({ id: base.id, revision: base.revision, body, ...asked }));
    } catch (error) {
      await refused(error, values);
    }
  });

  const keepMine = async () => {
    if (!conflict) return;
    const { current, mine } = conflict;
    setConflict(undefined);
    try {
      const body = changed(toPatch(toForm(current)), toPatch(mine));
      settle(await update.mutateAsync({ id: current.id, revision: current.revision, body, ...asked }));
    } catch (error) {
      await refused(error, mine);
    }
  };

  return (
    <form onSubmit={submit} noValidate className="rounded-lg border border-line bg-surface p-4 sm:p-6">
      {readOnly && <Notice>{readOnly}</Notice>}
      {failure && <Notice tone="bad">{failure}</Notice>}
      <fieldset disabled={readOnly !== undefined} className="grid min-w-0 gap-5">
        <legend className="sr-only">{label}</legend>
        {properties.children(form)}
      </fieldset>
      {!readOnly && item && hasStreams && isDirty && (
        <div className="mt-5">
          <StreamsChoice value={streams} onChange={setStreams} />
        </div>
      )}
      {!readOnly && (
        <div className="mt-6 flex flex-col-reverse gap-3 border-t border-line pt-4 sm:flex-row sm:justify-between">
          {item ? (
            <Button kind="danger" icon={<Trash2 aria-hidden className="size-4" />} onPress={() => setDeleting(true)}>
              {texts.common.delete}
            </Button>
          ) : (
            <span />
          )}
          <Button kind="primary" type="submit" isDisabled={form.formState.isSubmitting || update.isPending}>
            {item ? texts.common.save : texts.common.create}
          </Button>
        </div>
      )}
      <Confirm
        title={`${texts.common.delete}: ${label}`}
        consequence={properties.deleteConsequence}
        action={texts.common.delete}
        isOpen={isDeleting}
        onClose={() => setDeleting(false)}
        onConfirm={async () => {
          if (!base) return;
          await remove.mutateAsync({ id: base.id, revision: base.revision, ...asked });
          toast(texts.common.deleted(label));
          properties.onRemoved();
        }}
      >
        {hasStreams && <StreamsChoice value={streams} onChange={setStreams} />}
      </Confirm>
      <Dialog title={texts.conflict.title} isOpen={conflict !== undefined} onClose={() => setConflict(undefined)} wide>
        <p className="mb-4 text-ink-soft">{texts.conflict.body}</p>
        {conflict && <Diff before={toPatch(toForm(conflict.current))} after={toPatch(conflict.mine)} />}
        <div className="mt-6 flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">
          <Button
            onPress={() => {
              if (conflict) settle(conflict.current);
              setConflict(undefined);
            }}
          >
            {texts.conflict.takeTheirs}
          </Button>
          <Button kind="primary" onPress={keepMine}>
            {texts.conflict.keepMine}
          </Button>
        </div>
      </Dialog>
    </form>
  );
}

/** Why what is managed by files or by Kubernetes is not changed here, and where it is; undefined: it is changed here. */
export function managedElsewhere({ kind, ref }: Item<ResourceName>["origin"]): string | undefined {
  // What the API or the console made belongs to nobody else, unless a set of objects that has a name did.
  const isHere = (kind === "console" || kind === "api") && !ref;
  return isHere ? undefined : texts.states.managedElsewhere(texts.audit.origins[kind], ref ?? undefined);
}

/** What differs from what was. */
export function changed<T extends object>(before: T, after: T): T {
  const fields = new Set(differencesOf(before, after));
  return Object.fromEntries(Object.entries(after).filter(([field]) => fields.has(field))) as T;
}

function differencesOf(before: object, after: object): string[] {
  return differences(before, after).map(({ field }) => field);
}
