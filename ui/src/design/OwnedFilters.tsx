import { useIdentity } from "../api/identity";
import { texts } from "../texts";
import { Select } from "./Fields";
import { TextFilter } from "./FilterBar";
import { Picker } from "./Picker";

const { common, identity: words } = texts;

// Filters of what has an owner: people, service accounts, keys.

interface Filter {
  value: string;
  onChange: (value: string) => void;
}

/** One of a few, or all. */
export function ChoiceFilter({
  label,
  options,
  ...filter
}: Filter & {
  label: string;
  /** What each value is called, in their order. */
  options: Record<string, string>;
}) {
  const choices = Object.entries(options).map(([value, text]) => ({ value, label: text }));
  return <Select label={label} options={[{ value: "", label: common.all }, ...choices]} {...filter} />;
}

/** Only what is of a department or of one beneath it. For whoever sees departments. */
export function DepartmentFilter({ tenantId, ...filter }: Filter & { tenantId: string }) {
  const { identity, may } = useIdentity();
  if (!may("departments.read", identity?.tenant_id)) return null;
  return (
    <Picker
      resource="departments"
      label={words.department}
      none={common.all}
      filter={{ tenant_id: tenantId || undefined }}
      {...filter}
    />
  );
}

/** Only what is of a service account. For whoever sees them. */
export function AccountFilter({ tenantId, ...filter }: Filter & { tenantId: string }) {
  const { identity, may } = useIdentity();
  if (!may("service_accounts.read", identity?.tenant_id)) return null;
  return (
    <Picker
      resource="service-accounts"
      label={words.accounts.one}
      none={common.all}
      filter={{ tenant_id: tenantId || undefined }}
      {...filter}
    />
  );
}

/** Only what is of one user. For whoever sees others than themselves. */
export function UserFilter({ tenantId, ...filter }: Filter & { tenantId: string }) {
  const { identity, may } = useIdentity();
  if (!may("service_accounts.read", identity?.tenant_id)) return null;
  return (
    <Picker
      resource="users"
      label={words.ownerUser}
      none={common.all}
      filter={{ tenant_id: tenantId || undefined }}
      {...filter}
    />
  );
}

/** Only what is, or is not, disabled. */
export function DisabledFilter(filter: Filter) {
  return <ChoiceFilter label={words.state} options={{ active: words.active, disabled: words.disabled }} {...filter} />;
}

/** Only what is used for this. */
export function EnvironmentFilter(filter: Filter) {
  return <ChoiceFilter label={words.environment} options={words.environments} {...filter} />;
}

/** Only what has a label: its name, or `name=value`. */
export function LabelFilter(filter: Filter) {
  return <TextFilter label={words.label} {...filter} />;
}
