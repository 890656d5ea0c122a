import { useRouter } from "@tanstack/react-router";
import { Search as SearchIcon } from "lucide-react";
import { useDeferredValue, useEffect, useState } from "react";
import { useSearch } from "../api/search";
import { resourcePath } from "../paths";
import { texts } from "../texts";
import { Button, IconButton } from "./Button";
import { Dialog } from "./Dialog";
import type { NavigationEntry } from "./Frame";
import { type Hit, SearchList } from "./SearchList";

const { search: words } = texts;

interface Page extends Hit {
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
  const router = useRouter();
  const [text, setText] = useState("");
  const asked = useDeferredValue(text);
  const search = useSearch(asked);
  const part = text.trim().toLowerCase();
  const pages: Page[] = entries
    .filter(({ label }) => part !== "" && label.toLowerCase().includes(part))
    .map(({ to, label }) => ({ key: to, kind: words.pages, name: label, path: to }));
  const things = (search.data?.items ?? []).flatMap(({ kind, id, name }): Page[] => {
    const path = resourcePath(kind, id);
    const label = kind === "usage" ? words.request : (texts.audit.kinds[kind] ?? kind);
    return path ? [{ key: id, kind: label, name, path }] : [];
  });
  const hits = [...pages, ...things];
  const go = ({ path }: Page) => {
    onDone();
    router.history.push(path);
  };
  return (
    <SearchList label={words.label} results={words.results} text={text} onText={setText} hits={hits} onChoose={go}>
      {part.length < 2 && words.hint}
      {part.length >= 2 && search.data && hits.length === 0 && words.none}
      {search.error?.message}
      {search.isFetching && texts.common.loading}
    </SearchList>
  );
}
