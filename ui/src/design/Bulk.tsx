import { Check, CircleAlert } from "lucide-react";
import { type ReactNode, useState } from "react";
import { texts } from "../texts";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { count } from "./format";
import { Notice } from "./States";

const { bulk: words, common } = texts;
/** Requests at a time: a change waits for its turn at the control plane anyway. */
const AT_A_TIME = 4;

/** Something that can be done to several things, one request for each: `run` reads nothing again, `onDone` does, once. */
export interface BulkAction<T> {
  label: string;
  /** What follows from it. */
  consequence: string;
  run: (item: T) => Promise<unknown>;
  /** What is still to be chosen. */
  choice?: ReactNode;
}

/** Which of a list's things are chosen, for `DataTable` and `BulkBar`. */
export interface Selection<T> {
  keyOf: (item: T) => string;
  nameOf: (item: T) => string;
  isSelectable: (item: T) => boolean;
  chosen: Map<string, T>;
  set: (chosen: Map<string, T>) => void;
}

export function useSelection<T>(of: Pick<Selection<T>, "keyOf" | "nameOf" | "isSelectable">): Selection<T> {
  const [chosen, set] = useState<Map<string, T>>(new Map());
  return { ...of, chosen, set };
}

/** How many are chosen, and what can be done to them; nothing while none is. */
export function BulkBar<T>({
  selection,
  actions,
  onDone,
}: {
  selection: Selection<T>;
  actions: BulkAction<T>[];
  /** What was done is done: the list is to be read again. */
  onDone: () => unknown;
}) {
  const [running, setRunning] = useState<{ label: string; items: T[] }>();
  // As it is now: what is chosen in the dialog is told with the action.
  const action = actions.find(({ label }) => label === running?.label);
  const { chosen, set } = selection;
  return (
    <>
      {chosen.size > 0 && (
        <div
          role="toolbar"
          aria-label={words.chosen(chosen.size)}
          className="sticky top-2 z-10 mb-3 flex flex-wrap items-center gap-2 rounded-lg border border-line-strong bg-surface px-4 py-2 text-sm shadow-sm"
        >
          <span className="mr-2 font-medium tabular-nums">{words.chosen(chosen.size)}</span>
          {actions.map((action) => (
            <Button
              key={action.label}
              kind="danger"
              onPress={() => setRunning({ label: action.label, items: [...chosen.values()] })}
            >
              {action.label}
            </Button>
          ))}
          <Button kind="quiet" onPress={() => set(new Map())}>
            {words.none}
          </Button>
        </div>
      )}
      {running && action && (
        <BulkDialog
          action={action}
          items={running.items}
          nameOf={selection.nameOf}
          keyOf={selection.keyOf}
          onClose={(hasRun) => {
            setRunning(undefined);
            if (hasRun) set(new Map());
          }}
          onDone={onDone}
        />
      )}
    </>
  );
}

interface Result {
  key: string;
  name: string;
  /** Undefined: it is done. */
  failure?: string;
}

function BulkDialog<T>({
  action,
  items,
  nameOf,
  keyOf,
  onClose,
  onDone,
}: Pick<Selection<T>, "nameOf" | "keyOf"> & {
  action: BulkAction<T>;
  items: T[];
  onClose: (hasRun: boolean) => void;
  onDone: () => unknown;
}) {
  const [results, setResults] = useState<Result[]>();
  const isOver = results?.length === items.length;
  const failed = results?.filter(({ failure }) => failure !== undefined).length ?? 0;
  const run = async () => {
    const done: Result[] = [];
    setResults([]);
    const waiting = [...items];
    const worker = async () => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
        const one = { key: keyOf(item), name: nameOf(item) };
        const failure = await action.run(item).then(
          () => undefined,
          (error: unknown) => (error instanceof Error ? error.message : texts.states.failed),
        );
        done.push({ ...one, failure });
        setResults([...done]);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    await onDone();
  };
  return (
    <Dialog
      title={words.several(action.label, count(items.length))}
      isOpen
      onClose={() => onClose(isOver)}
      firm={results !== undefined && !isOver}
      alert
    >
      {results === undefined && <p className="text-ink-soft">{action.consequence}</p>}
      {results === undefined && action.choice && <div className="mt-4">{action.choice}</div>}
      {results && (
        <Notice tone={isOver ? (failed > 0 ? "warn" : "good") : "neutral"}>
          <span aria-live="polite">
            {isOver ? words.result(results.length - failed, failed) : words.working(results.length, items.length)}
          </span>
        </Notice>
      )}
      <ul
        aria-label={results ? words.results : undefined}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        tabIndex={0}
        className="mt-3 grid max-h-64 gap-1 overflow-y-auto text-sm"
      >
        {(results ?? items.map((item): Result => ({ key: keyOf(item), name: nameOf(item) }))).map((result) => (
          <li key={result.key} className="flex items-start gap-2">
            {results && result.failure === undefined && (
              <Check aria-label={words.done} className="mt-0.5 size-4 shrink-0 text-good" />
            )}
            {result.failure !== undefined && <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />}
            <span className="min-w-0 break-words">
              {result.name}
              {result.failure !== undefined && <span className="block text-bad">{result.failure}</span>}
            </span>
          </li>
        ))}
      </ul>
      <div className="mt-6 flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">
        {results === undefined ? (
          <>
            <Button onPress={() => onClose(false)} autoFocus>
              {common.cancel}
            </Button>
            <Button kind="danger" onPress={run}>
              {action.label}
            </Button>
          </>
        ) : (
          <Button kind="primary" isDisabled={!isOver} onPress={() => onClose(true)}>
            {common.close}
          </Button>
        )}
      </div>
    </Dialog>
  );
}
