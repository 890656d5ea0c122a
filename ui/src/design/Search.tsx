import { useRouter } from "@tanstack/react-router";
import { Search as SearchIcon } from "lucide-react";
import { useDeferredValue, useEffect, useId, useState } from "react";
import { useSearch } from "../api/search";
import { resourcePath } from "../paths";
import { texts } from "../texts";
import { Button, IconButton } from "./Button";
import { Dialog } from "./Dialog";
import { inputClass } from "./Fields";
import type { NavigationEntry } from "./Frame";

const { search: words } = texts;

interface Hit {
  key: string;
  kind: string;
  name: string;
  path: string;
}

/** The button that opens the search, as does Ctrl K or ⌘ K wherever one is. */
export function SearchButton({ entries, small = false }: { entries: NavigationEntry[]; small?: boolean }) {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    // Two of these stand in the page, for both of its widths; only one of them may listen.
    if (small) return;
    const listen = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      setOpen(true);
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, [small]);
  return (
    <>
      {small ? (
        <IconButton label={words.open} onPress={() => setOpen(true)}>
          <SearchIcon aria-hidden className="size-5" />
        </IconButton>
      ) : (
        <Button
          className="w-full justify-start text-ink-soft"
          icon={<SearchIcon aria-hidden className="size-4" />}
          onPress={() => setOpen(true)}
        >
          {words.open}
          <kbd className="ml-auto font-sans text-xs">{words.keys}</kbd>
        </Button>
      )}
      <Dialog title={words.open} isOpen={isOpen} onClose={() => setOpen(false)} wide>
        <Hits entries={entries} onDone={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

function Hits({ entries, onDone }: { entries: NavigationEntry[]; onDone: () => void }) {
  const id = useId();
  const router = useRouter();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const asked = useDeferredValue(text);
  const search = useSearch(asked);
  const part = text.trim().toLowerCase();
  const pages: Hit[] = entries
    .filter(({ label }) => part !== "" && label.toLowerCase().includes(part))
    .map(({ to, label }) => ({ key: to, kind: words.pages, name: label, path: to }));
  const things = (search.data?.items ?? []).flatMap(({ kind, id, name }): Hit[] => {
    const path = resourcePath(kind, id);
    const label = kind === "usage" ? words.request : (texts.audit.kinds[kind] ?? kind);
    return path ? [{ key: id, kind: label, name, path }] : [];
  });
  const hits = [...pages, ...things];
  const chosen = Math.min(at, hits.length - 1);
  const go = (hit: Hit | undefined) => {
    if (!hit) return;
    onDone();
    router.history.push(hit.path);
  };
  /** Whether the key was one of the list's. */
  const press = (key: string) => {
    if (key === "ArrowDown") setAt(Math.min(chosen + 1, hits.length - 1));
    else if (key === "ArrowUp") setAt(Math.max(chosen - 1, 0));
    else if (key === "Enter") go(hits[chosen]);
    else return false;
    return true;
  };
  return (
    <>
      <label htmlFor={id} className="mb-1 block text-sm font-medium">
        {words.label}
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
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (press(event.key)) event.preventDefault();
        }}
        className={inputClass}
      />
      <div id={`${id}-hits`} role="listbox" aria-label={words.results} className="mt-3 grid gap-0.5 empty:hidden">
        {hits.map((hit, place) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: its keys are the input's
          <div
            key={hit.key}
            id={`${id}-${place}`}
            role="option"
            tabIndex={-1}
            aria-selected={place === chosen}
            onClick={() => go(hit)}
            className={`flex min-h-11 cursor-pointer items-center justify-between gap-4 rounded-md px-3 text-sm ${place === chosen ? "bg-sunken" : "hover:bg-sunken"}`}
          >
            <span className="min-w-0 truncate font-medium">{hit.name}</span>
            <span className="shrink-0 text-xs text-ink-soft">{hit.kind}</span>
          </div>
        ))}
      </div>
      <p aria-live="polite" className="mt-3 text-sm text-ink-soft">
        {part.length < 2 && words.hint}
        {part.length >= 2 && search.data && hits.length === 0 && words.none}
        {search.error?.message}
        {search.isFetching && texts.common.loading}
      </p>
    </>
  );
}
