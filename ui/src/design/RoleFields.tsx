import { type Control, type FieldPath, type FieldPathValue, type FieldValues, useWatch } from "react-hook-form";
import { useIdentity } from "../api/identity";
import { texts } from "../texts";
import { SelectField } from "./Fields";
import { TenantField } from "./TenantField";

export const ROLES = ["platform_admin", "tenant_admin", "viewer", "user"] as const;
export type Role = (typeof ROLES)[number];

/** Which of the roles somebody or something may be given here. One of the platform's stays one of the platform's. */
export function usePossibleRoles(item: { tenant_id?: string | null } | undefined, of: readonly Role[] = ROLES): Role[] {
  const { isPlatform } = useIdentity();
  return of.filter((role) =>
    item ? (role === "platform_admin") === (item.tenant_id == null) : isPlatform || role !== "platform_admin",
  );
}

/** A role and, where it is one within a tenant and can be chosen, the tenant: fields `role` and `tenant_id` of the form. */
export function RoleFields<T extends FieldValues & { role: Role; tenant_id: string }>({
  control,
  item,
  roles,
}: {
  control: Control<T>;
  /** All, unless it says which. */
  roles?: readonly Role[];
  /** Undefined: a new one is made. */
  item: { tenant_id?: string | null } | undefined;
}) {
  const { isPlatform } = useIdentity();
  const role = useWatch({ control, name: "role" as FieldPath<T> }) as FieldPathValue<T, FieldPath<T>> & Role;
  return (
    <>
      <SelectField
        control={control}
        name={"role" as FieldPath<T>}
        label={texts.users.role}
        help={texts.users.roleHelp[role]}
        options={usePossibleRoles(item, roles).map((value) => ({ value, label: texts.nav.roles[value] }))}
      />
      {isPlatform && !item && role !== "platform_admin" && (
        <TenantField control={control} name={"tenant_id" as FieldPath<T>} />
      )}
    </>
  );
}
