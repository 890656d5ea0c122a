import { Plus } from "lucide-react";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { Button } from "../../design/Button";
import { OrderedList } from "../../design/OrderedList";
import { texts } from "../../texts";
import { MemberDialog } from "./MemberDialog";
import { priceOf } from "./price";

const { pools: words } = texts;

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
  return (
    <div>
      <p className="text-sm font-medium">{words.members}</p>
      <p className="mb-2 text-sm text-ink-soft">{words.membersHelp}</p>
      <OrderedList
        label={words.members}
        items={members}
        onChange={onChange}
        nameOf={name}
        onEdit={setEdited}
        disabled={disabled}
        dependencies={[errors]}
      >
        {(member, position) => (
          <>
            <span className="block font-medium break-words">{name(member)}</span>
            <span className="block text-ink-soft">
              {member.price ? priceOf(member.price) : words.unpriced}
              {member.next_prices.length > 0 && `, ${texts.prices.nextCount(member.next_prices.length)}`}
            </span>
            {errors[position] && <span className="block text-bad">{errors[position]}</span>}
          </>
        )}
      </OrderedList>
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
