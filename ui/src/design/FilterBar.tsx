import type { ReactNode } from "react";
import { useChoices } from "../api/resources";
import { texts } from "../texts";
import { Button } from "./Button";
import { Select } from "./Fields";

/** Filters above a list. */
export function FilterBar({ children, onClear }: { children: ReactNode; onClear?: () => void }) {
  return (
    <search
      aria-label={texts.common.filters}
      className="mb-4 grid grid-cols-1 items-end gap-3 sm:grid-cols-2 lg:grid-cols-[repeat(auto-fit,minmax(11rem,14rem))]"
    >
      {children}
      {onClear && (
        <Button kind="quiet" className="justify-self-start" onPress={onClear}>
          {texts.common.clearFilters}
        </Button>
      )}
    </search>
  );
}

/** Only what belongs to one tenant. For those of the platform, who see several. */
export function TenantFilter({ value, onChange }: { value: string; onChange: (tenantId: string) => void }) {
  const tenants = useChoices("tenants");
  const options = (tenants.data?.items ?? []).map(({ id, name }) => ({ value: id, label: name }));
  return (
    <Select
      label={texts.common.tenant}
      value={value}
      onChange={onChange}
      options={[{ value: "", label: texts.common.all }, ...options]}
    />
  );
}
