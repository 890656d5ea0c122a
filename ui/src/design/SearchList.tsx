import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { inputClass } from "./Fields";

export interface Hit {
  key: string;
  name: string;
  /** What it is, in a word. */
  kind?: string;
  /** What is told of it below its name. */
  detail?: string;
}

/** An input with what was found for it below, gone through by arrow keys. Who uses it searches. */
export function SearchList<H extends Hit>({
  label,
  results,
  text,
  onText,
  hits,
  onChoose,
  children,
}: {
  label: string;
  /** What the list is called. */
  results: string;
  text: string;
  onText: (text: string) => void;
  hits: H[];
  onChoose: (hit: H) => void;
  /** What is to be said of the search: that it goes on, that it found nothing. */
  children?: ReactNode;
}) {
  const id = useId();
  const [at, setAt] = useState(0);
  const chosen = Math.min(at, hits.length - 1);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // What arrow keys lead to may be out of sight.
    if (at > 0) list.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at]);
  /** Whether the key was one of the list's. */
  const press = (key: string) => {
    const hit = hits[chosen];
    if (key === "ArrowDown") setAt(Math.min(chosen + 1, hits.length - 1));
    else if (key === "ArrowUp") setAt(Math.max(chosen - 1, 0));
    else if (key === "Enter" && hit) onChoose(hit);
    else return key === "Enter";
    return true;
  };
  return (
    <>
      <label htmlFor={id} className="mb-1 block text-sm font-medium">
        {label}
      </label>
      <input
        id={id}
        type="search"
        role="combobox"
        autoComplete="off"
        aria-expanded={hits.length > 0}
        aria-controls={`${id}-hits`}
        aria-activedescendant={hits[chosen] ? `${id}-${chosen}` : undefined}
        // biome-ignore lint/a11y/noAutofocus: one opens this to write in it
        autoFocus
        value={text}
        onChange={(event) => {
          onText(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (press(event.key)) event.preventDefault();
        }}
        className={inputClass}
      />
      <div ref={list} id={`${id}-hits`} role="listbox" aria-label={results} className="mt-3 grid gap-0.5 empty:hidden">
        {hits.map((hit, place) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: its keys are the input's
          <div
            key={hit.key}
            id={`${id}-${place}`}
            role="option"
            tabIndex={-1}
            aria-selected={place === chosen}
            onClick={() => onChoose(hit)}
            className={`flex min-h-11 cursor-pointer items-center justify-between gap-4 rounded-md px-3 text-sm ${place === chosen ? "bg-sunken" : "hover:bg-sunken"}`}
          >
            <span className="min-w-0">
              <span className="block truncate font-medium">{hit.name}</span>
              {hit.detail && <span className="block text-xs text-ink-soft">{hit.detail}</span>}
            </span>
            {hit.kind && <span className="shrink-0 text-xs text-ink-soft">{hit.kind}</span>}
          </div>
        ))}
      </div>
      <p aria-live="polite" className="mt-3 text-sm text-ink-soft">
        {children}
      </p>
    </>
  );
}
