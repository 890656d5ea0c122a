import { type ReactNode, useId } from "react";
import { texts } from "../texts";
import { Button } from "./Button";
import { inputClass, Labelled } from "./Fields";
import { Picker } from "./Picker";

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
  return (
    <Picker resource="tenants" label={texts.common.tenant} value={value} onChange={onChange} none={texts.common.all} />
  );
}

/** Only what one API key did; of one tenant, if one is chosen. */
export function KeyFilter({
  value,
  tenantId,
  onChange,
}: {
  value: string;
  tenantId: string;
  onChange: (keyId: string) => void;
}) {
  return (
    <Picker
      resource="api-keys"
      label={texts.keys.one}
      value={value}
      onChange={onChange}
      filter={tenantId ? { tenant_id: tenantId } : undefined}
      none={texts.common.all}
    />
  );
}

/** Takes effect when it is left or entered, not at each letter: each change asks the ledger. */
export function TextFilter({
  label,
  value,
  onChange,
  type = "text",
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  type?: "text" | "datetime-local";
}) {
  const id = useId();
  const commit = (next: string) => next.trim() !== value && onChange(next.trim());
  return (
    <Labelled id={id} label={label}>
      <input
        key={value}
        id={id}
        type={type}
        defaultValue={value}
        spellCheck={false}
        onBlur={(event) => commit(event.target.value)}
        onKeyDown={(event) => event.key === "Enter" && commit(event.currentTarget.value)}
        className={inputClass}
      />
    </Labelled>
  );
}
