import { GripVertical, Pencil, Trash2 } from "lucide-react";
import type { ReactNode } from "react";
import { Button as AriaButton, GridList, GridListItem, useDragAndDrop } from "react-aria-components";
import { texts } from "../texts";
import { IconButton } from "./Button";

const { common } = texts;

/** Things whose order is their owner's: moved by drag, or by keyboard at their handles. `key` names one for as long as the list lives. */
export function OrderedList<T extends { key: string }>({
  label,
  items,
  onChange,
  nameOf,
  onEdit,
  disabled,
  dependencies,
  children,
}: {
  label: string;
  items: T[];
  onChange: (items: T[]) => void;
  /** What one is called, also where it is moved, changed or removed. */
  nameOf: (item: T) => string;
  onEdit: (item: T) => void;
  disabled: boolean;
  /** What else `children` goes by. */
  dependencies: readonly unknown[];
  /** What is shown of one. */
  children: (item: T, position: number) => ReactNode;
}) {
  const { dragAndDropHooks } = useDragAndDrop({
    isDisabled: disabled,
    getItems: (keys) => [...keys].map((key) => ({ "text/plain": String(key) })),
    onReorder: ({ keys, target }) => {
      const moved = items.filter(({ key }) => keys.has(key));
      const rest = items.filter(({ key }) => !keys.has(key));
      const at = rest.findIndex(({ key }) => key === target.key) + (target.dropPosition === "after" ? 1 : 0);
      onChange([...rest.slice(0, at), ...moved, ...rest.slice(at)]);
    },
  });
  return (
    <GridList
      aria-label={label}
      items={items}
      dragAndDropHooks={dragAndDropHooks}
      keyboardNavigationBehavior="tab"
      dependencies={[...dependencies, disabled]}
      className="rounded-md border border-line-strong empty:hidden"
    >
      {(item) => {
        const position = items.indexOf(item);
        return (
          <GridListItem
            id={item.key}
            textValue={nameOf(item)}
            className="flex items-center gap-2 border-b border-line bg-surface p-2 last:border-b-0 data-[dragging]:opacity-50 data-[drop-target]:bg-sunken"
          >
            {!disabled && (
              <AriaButton
                slot="drag"
                aria-label={common.move(nameOf(item))}
                className="flex size-11 shrink-0 cursor-grab items-center justify-center rounded-md text-ink-soft hover:bg-sunken"
              >
                <GripVertical aria-hidden className="size-4" />
              </AriaButton>
            )}
            <span className="w-6 shrink-0 text-center tabular-nums text-ink-soft">{position + 1}</span>
            <span className="min-w-0 flex-1 py-1 text-sm">{children(item, position)}</span>
            {!disabled && (
              <>
                <IconButton label={`${common.edit} ${nameOf(item)}`} onPress={() => onEdit(item)}>
                  <Pencil aria-hidden className="size-4" />
                </IconButton>
                <IconButton
                  label={common.remove(nameOf(item))}
                  onPress={() => onChange(items.filter(({ key }) => key !== item.key))}
                >
                  <Trash2 aria-hidden className="size-4" />
                </IconButton>
              </>
            )}
          </GridListItem>
        );
      }}
    </GridList>
  );
}
