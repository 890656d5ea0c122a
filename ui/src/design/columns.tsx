import { texts } from "../texts";
import { Badge } from "./Badge";
import type { Column } from "./DataTable";
import { shortDateTime } from "./format";
import { AppLink } from "./Link";

const { common, identity: words } = texts;

// Columns that lists of several kinds have.

/** What a thing is called, with the way to its page. */
export function nameColumn<T extends { id: string; name: string }>(path: (id: string) => string): Column<T> {
  return {
    title: common.name,
    width: "minmax(0,1.5fr)",
    cell: ({ id, name }) => <AppLink to={path(id)}>{name}</AppLink>,
  };
}

/** To whom it belongs. For those of the platform, who see several tenants. */
export function tenantColumn<T extends { tenant_id?: string | null; tenant_name?: string | null }>(
  isPlatform: boolean,
): Column<T>[] {
  if (!isPlatform) return [];
  return [{ title: common.tenant, cell: ({ tenant_id, tenant_name }) => tenant_name ?? tenant_id ?? common.platform }];
}

/** To whom it belongs, of what is the platform's or a tenant's: everybody sees what is not theirs. */
export function ownerColumn<T extends { tenant_id: string | null; tenant_name: string | null }>(): Column<T> {
  return {
    title: common.owner,
    cell: ({ tenant_id, tenant_name }) => tenant_name ?? (tenant_id ? common.tenant : common.platform),
  };
}

/** The department that it is of. */
export function departmentColumn<T extends { department_name: string | null }>(): Column<T> {
  return {
    title: words.department,
    secondary: true,
    cell: ({ department_name }) => department_name ?? words.noDepartment,
  };
}

/** Whether it has been disabled. */
export function disabledColumn<T extends { disabled: boolean }>(): Column<T> {
  return {
    title: words.state,
    width: "7rem",
    cell: ({ disabled }) => <Badge tone={disabled ? "bad" : "good"}>{disabled ? words.disabled : words.active}</Badge>,
  };
}

/** When it was made. */
export function createdColumn<T extends { created_at: string }>(): Column<T> {
  return {
    title: common.createdAt,
    width: "9rem",
    secondary: true,
    cell: ({ created_at }) => shortDateTime(created_at),
  };
}
