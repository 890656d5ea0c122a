import { type Control, type FieldValues, useWatch } from "react-hook-form";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import type { Item } from "../../api/resources";
import { SelectField } from "../../design/Fields";
import { PickerField } from "../../design/Picker";
import { texts } from "../../texts";

const { identity: words } = texts;
const KINDS = ["", "user", "service_account", "department"] as const;
type Kind = (typeof KINDS)[number];

/** Whose a key is, in a form. */
export const ownerSchema = {
  owner: z.enum(KINDS),
  user_id: z.string(),
  service_account_id: z.string(),
  department_id: z.string(),
};
interface Owner {
  owner: Kind;
  user_id: string;
  service_account_id: string;
  department_id: string;
}

/** What kind of owner a key has; empty: its tenant alone. */
export function ownerKind(key: Item<"api-keys">): Kind {
  if (key.user_id) return "user";
  if (key.service_account_id) return "service_account";
  return key.department_id ? "department" : "";
}

/** What a key's owner is called. */
export function ownerOf(key: Item<"api-keys">): string {
  return key.user_name ?? key.service_account_name ?? key.department_name ?? words.owners[""];
}

/** The owner as the API takes it: the one that is chosen, and none of the others. */
export function toOwner({ owner, user_id, service_account_id, department_id }: Owner) {
  return {
    user_id: (owner === "user" && user_id) || null,
    service_account_id: (owner === "service_account" && service_account_id) || null,
    department_id: (owner === "department" && department_id) || null,
  };
}

/** The kind of owner, and which one, of the chosen tenant. */
export function OwnerFields<T extends FieldValues & Owner & { tenant_id: string }>({
  control: of,
}: {
  control: Control<T>;
}) {
  // Of the form only these fields matter here.
  const control = of as unknown as Control<Owner & { tenant_id: string }>;
  const { isPlatform, may, identity } = useIdentity();
  const [owner, tenantId] = useWatch({ control, name: ["owner", "tenant_id"] });
  const filter = { tenant_id: tenantId || undefined };
  // Whoever sees nobody else's has no choice.
  if (!isPlatform && !may("service_accounts.read", identity?.tenant_id)) return null;
  return (
    <>
      <SelectField
        control={control}
        name="owner"
        label={words.owner}
        options={KINDS.map((value) => ({ value, label: words.owners[value] }))}
      />
      {owner === "user" && (
        <PickerField resource="users" control={control} name="user_id" label={words.ownerUser} filter={filter} />
      )}
      {owner === "service_account" && (
        <PickerField
          resource="service-accounts"
          control={control}
          name="service_account_id"
          label={words.accounts.one}
          filter={filter}
        />
      )}
      {owner === "department" && (
        <PickerField
          resource="departments"
          control={control}
          name="department_id"
          label={words.department}
          filter={filter}
        />
      )}
    </>
  );
}
