import { GripVertical, Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { Button as AriaButton, GridList, GridListItem, useDragAndDrop } from "react-aria-components";
import type { Schemas } from "../../api/client";
import { Button, IconButton } from "../../design/Button";
import { texts } from "../../texts";
import { MemberDialog } from "./MemberDialog";
import { priceOf } from "./price";

const { pools: words, common } = texts;

export type MemberValues = {
  /** Names the row for as long as the form lives. */
  key: string;
  provider_id: string;
  provider_name: string;
  model: string;
  price: Schemas["Price"] | null;
  next_prices: Schemas["NextPrice"][];
  /** Null: all as known. */
  capabilities: Schemas["Capabilities"] | null;
};

/** The members of a pool in the order in which they are tried: moved by drag, or by keyboard at their handles. */
export function Members({
  members,
  onChange,
  owner,
  errors,
  disabled,
}: {
  members: MemberValues[];
  onChange: (members: MemberValues[]) => void;
  /** The tenant whose providers can be members; empty: the platform. */
  owner: string;
  /** By position. */
  errors: (string | undefined)[];
  disabled: boolean;
}) {
  const [edited, setEdited] = useState<MemberValues | "new">();
  const name = ({ provider_name, model }: MemberValues) => `${provider_name} / ${model}`;
  const { dragAndDropHooks } = useDragAndDrop({
    isDisabled: disabled,
    getItems: (keys) => [...keys].map((key) => ({ "text/plain": String(key) })),
    onReorder: ({ keys, target }) => {
      const moved = members.filter(({ key }) => keys.has(key));
      const rest = members.filter(({ key }) => !keys.has(key));
      const at = rest.findIndex(({ key }) => key === target.key) + (target.dropPosition === "after" ? 1 : 0);
      onChange([...rest.slice(0, at), ...moved, ...rest.slice(at)]);
    },
  });
  return (
    <div>
      <p className="text-sm font-medium">{words.members}</p>
      <p className="mb-2 text-sm text-ink-soft">{words.membersHelp}</p>
      <GridList
        aria-label={words.members}
        items={members}
        dragAndDropHooks={dragAndDropHooks}
        keyboardNavigationBehavior="tab"
        dependencies={[errors, disabled]}
        className="rounded-md border border-line-strong empty:hidden"
      >
        {(member) => {
          const position = members.indexOf(member);
          return (
            <GridListItem
              id={member.key}
              textValue={name(member)}
              className="flex items-center gap-2 border-b border-line bg-surface p-2 last:border-b-0 data-[dragging]:opacity-50 data-[drop-target]:bg-sunken"
            >
              {!disabled && (
                <AriaButton
                  slot="drag"
                  aria-label={words.move(name(member))}
                  className="flex size-11 shrink-0 cursor-grab items-center justify-center rounded-md text-ink-soft hover:bg-sunken"
                >
                  <GripVertical aria-hidden className="size-4" />
                </AriaButton>
              )}
              <span className="w-6 shrink-0 text-center tabular-nums text-ink-soft">{position + 1}</span>
              <span className="min-w-0 flex-1 py-1 text-sm">
                <span className="block font-medium break-words">{name(member)}</span>
                <span className="block text-ink-soft">
                  {member.price ? priceOf(member.price) : words.unpriced}
                  {member.next_prices.length > 0 && `, ${texts.prices.nextCount(member.next_prices.length)}`}
                </span>
                {errors[position] && <span className="block text-bad">{errors[position]}</span>}
              </span>
              {!disabled && (
                <>
                  <IconButton label={`${common.edit} ${name(member)}`} onPress={() => setEdited(member)}>
                    <Pencil aria-hidden className="size-4" />
                  </IconButton>
                  <IconButton
                    label={`${words.remove} ${name(member)}`}
                    onPress={() => onChange(members.filter(({ key }) => key !== member.key))}
                  >
                    <Trash2 aria-hidden className="size-4" />
                  </IconButton>
                </>
              )}
            </GridListItem>
          );
        }}
      </GridList>
      {!disabled && (
        <Button className="mt-2" icon={<Plus aria-hidden className="size-4" />} onPress={() => setEdited("new")}>
          {words.add}
        </Button>
      )}
      {edited && (
        <MemberDialog
          member={edited === "new" ? undefined : edited}
          owner={owner}
          onClose={() => setEdited(undefined)}
          onDone={(done) => {
            onChange(
              edited === "new"
                ? [...members, done]
                : members.map((member) => (member.key === done.key ? done : member)),
            );
            setEdited(undefined);
          }}
        />
      )}
    </div>
  );
}
