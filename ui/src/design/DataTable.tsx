import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useRef } from "react";
import { texts } from "../texts";
import type { Selection } from "./Bulk";
import { Button } from "./Button";
import { count } from "./format";
import { Empty, Failed, Loading, NothingFound } from "./States";

export interface Column<T> {
  /** Its heading. */
  title: string;
  /** What stands in its cell. The first column is the row's name. */
  cell: (item: T) => ReactNode;
  /** Share of the width, in CSS grid's terms. */
  width?: string;
  /** Figures stand at the right. */
  numeric?: boolean;
  /** Not shown on a phone. */
  secondary?: boolean;
}

/** What the table needs of `useInfiniteQuery`. */
export interface Listed<T> {
  data?: { pages: { items: T[] }[] };
  error: unknown;
  isPending: boolean;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
  refetch: () => unknown;
}

/** Beyond so many rows only those in sight are in the page. */
const VIRTUAL_FROM = 100;
const ROW = 52;

/** A list of the API, part by part, in all its states. On a phone each row is a card. */
export function DataTable<T>({
  label,
  list,
  columns,
  rowKey,
  empty,
  onClearFilters,
  selection,
}: {
  label: string;
  list: Listed<T>;
  columns: Column<T>[];
  rowKey: (item: T) => string;
  /** Shown where nothing is listed and no filter is set. */
  empty: ReactNode;
  /** Given while a filter is set. */
  onClearFilters?: () => void;
  /** Given where several can be chosen. */
  selection?: Selection<T>;
}) {
  if (list.isPending) return <Loading />;
  if (list.error && !list.data) return <Failed error={list.error} onRetry={() => list.refetch()} />;
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  if (items.length === 0) {
    return onClearFilters ? <NothingFound onClear={onClearFilters} /> : <Empty>{empty}</Empty>;
  }
  return (
    <>
      <Rows label={label} items={items} columns={columns} rowKey={rowKey} selection={selection} />
      <div className="mt-3 flex flex-wrap items-center justify-between gap-3 text-sm text-ink-soft">
        <p aria-live="polite">
          {texts.common.shown(items.length, list.hasNextPage).replace(String(items.length), count(items.length))}
        </p>
        {list.hasNextPage && (
          <Button isDisabled={list.isFetchingNextPage} onPress={() => list.fetchNextPage()}>
            {list.isFetchingNextPage ? texts.common.loading : texts.common.more}
          </Button>
        )}
      </div>
    </>
  );
}

/** Rows and cells by role, since rows that are virtual cannot be a table of HTML: biome.json excepts this file from its rules on that. */
export function Rows<T>({
  label,
  items,
  columns,
  rowKey,
  selection,
}: {
  label: string;
  items: T[];
  columns: Column<T>[];
  rowKey: (item: T) => string;
  selection?: Selection<T>;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const isVirtual = items.length > VIRTUAL_FROM;
  const virtual = useVirtualizer({
    count: isVirtual ? items.length : 0,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 12,
  });
  const widths = columns.map((column) => column.width ?? "minmax(0,1fr)");
  const template = (selection ? ["1.5rem", ...widths] : widths).join(" ");
  const row = (item: T, index: number, ref?: (element: Element | null) => void) => (
    <div
      key={rowKey(item)}
      ref={ref}
      role="row"
      data-index={index}
      aria-rowindex={index + 2}
      style={{ "--columns": template } as React.CSSProperties}
      className="relative grid grid-cols-1 gap-x-6 gap-y-1 border-b border-line px-4 py-3 last:border-b-0 hover:bg-sunken md:grid-cols-[var(--columns)] md:items-center md:py-2"
    >
      {selection && <Choice selection={selection} items={[item]} label={texts.bulk.choose(selection.nameOf(item))} />}
      {columns.map((column, at) => (
        <div
          key={column.title}
          role={at === 0 ? "rowheader" : "cell"}
          className={`flex min-h-7 min-w-0 items-start gap-2 md:items-center ${column.secondary ? "hidden md:flex" : ""} ${column.numeric ? "tabular-nums md:justify-end md:text-right" : ""}`}
        >
          {at > 0 && <span className="w-32 shrink-0 text-ink-soft md:hidden">{column.title}</span>}
          <span className="min-w-0 flex-1 break-words md:truncate">{column.cell(item)}</span>
        </div>
      ))}
    </div>
  );
  return (
    <div
      role="table"
      aria-label={label}
      aria-rowcount={items.length + 1}
      className="overflow-hidden rounded-lg border border-line bg-surface text-sm"
    >
      <div
        role="row"
        aria-rowindex={1}
        style={{ "--columns": template } as React.CSSProperties}
        className="sr-only border-b border-line bg-sunken px-4 py-2 text-xs font-medium text-ink-soft md:not-sr-only md:grid md:grid-cols-[var(--columns)] md:gap-x-6 md:border-b md:px-4 md:py-2"
      >
        {selection && <Choice selection={selection} items={items} label={texts.bulk.chooseAll} isHeading />}
        {columns.map((column) => (
          <div key={column.title} role="columnheader" className={column.numeric ? "md:text-right" : ""}>
            {column.title}
          </div>
        ))}
      </div>
      {isVirtual ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        <div ref={scroller} role="rowgroup" tabIndex={0} className="max-h-[70dvh] overflow-y-auto">
          <div role="presentation" style={{ height: virtual.getTotalSize() }} className="relative">
            <div
              role="presentation"
              className="absolute inset-x-0 top-0"
              style={{ transform: `translateY(${virtual.getVirtualItems()[0]?.start ?? 0}px)` }}
            >
              {virtual.getVirtualItems().map(({ index }) => row(items[index] as T, index, virtual.measureElement))}
            </div>
          </div>
        </div>
      ) : (
        <div role="rowgroup">{items.map((item, index) => row(item, index))}</div>
      )}
    </div>
  );
}

/** Chooses these of a list; on a phone it stands above what a row says. */
function Choice<T>({
  selection,
  items,
  label,
  isHeading = false,
}: {
  selection: Selection<T>;
  items: T[];
  label: string;
  isHeading?: boolean;
}) {
  const { chosen, keyOf, set } = selection;
  const selectable = items.filter(selection.isSelectable);
  const isChosen = selectable.length > 0 && selectable.every((item) => chosen.has(keyOf(item)));
  const toggle = () => {
    const next = new Map(chosen);
    for (const item of selectable) {
      if (isChosen) next.delete(keyOf(item));
      else next.set(keyOf(item), item);
    }
    set(next);
  };
  return (
    <div role={isHeading ? "columnheader" : "cell"} className="absolute top-0.5 right-1 md:static md:-m-3">
      {selectable.length > 0 ? (
        <label className="flex size-11 items-center justify-center">
          <input
            type="checkbox"
            aria-label={label}
            checked={isChosen}
            onChange={toggle}
            className="size-5 accent-accent"
          />
        </label>
      ) : (
        <span className="sr-only">{isHeading ? texts.bulk.column : texts.common.none}</span>
      )}
    </div>
  );
}
