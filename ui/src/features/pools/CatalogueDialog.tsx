import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useDeferredValue, useState } from "react";
import { client, type Schemas, unwrap } from "../../api/client";
import { Dialog } from "../../design/Dialog";
import { SearchList } from "../../design/SearchList";
import { texts } from "../../texts";
import { priceOf } from "./price";

const words = texts.prices;
type Entry = Schemas["CatalogueModel"];
/** So many are shown; beyond that one writes more of the name. */
const MOST = 50;

/** Public prices of models, to take one of. */
export function CatalogueDialog({
  model,
  onClose,
  onChoose,
}: {
  /** What is looked for at first. */
  model: string;
  onClose: () => void;
  onChoose: (entry: Entry) => void;
}) {
  const [text, setText] = useState(model);
  const q = useDeferredValue(text.trim());
  const found = useQuery({
    queryKey: ["catalogue", q],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/admin/catalogue/models", { params: { query: { q } }, signal })),
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const items = found.data?.items ?? [];
  const hits = items.slice(0, MOST).map((entry) => ({
    key: `${entry.provider}/${entry.name}`,
    kind: words.asOf(entry.provider, entry.as_of),
    detail: priceOf(entry.price),
    name: entry.name,
    entry,
  }));
  return (
    <Dialog title={words.catalogue} isOpen onClose={onClose} wide>
      <p className="mb-3 text-sm text-ink-soft">{words.catalogueLead}</p>
      <SearchList
        label={words.sought}
        results={words.results}
        text={text}
        onText={setText}
        hits={hits}
        onChoose={({ entry }) => onChoose(entry)}
      >
        {found.error?.message}
        {found.isFetching && texts.common.loading}
        {found.data && items.length === 0 && words.noEntry}
        {items.length > MOST && words.more}
      </SearchList>
    </Dialog>
  );
}
