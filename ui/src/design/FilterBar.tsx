import { SlidersHorizontal } from "lucide-react";
import { Children, type ReactNode, useId, useState } from "react";
import { texts } from "../texts";
import { Button } from "./Button";
import { inputClass, Labelled } from "./Fields";
import { Picker } from "./Picker";

/** More than so many are out of the way on a phone until they are wanted. */
const FEW = 2;

/** Filters above a list. */
export function FilterBar({ children, onClear }: { children: ReactNode; onClear?: () => void }) {
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const isFolded = Children.toArray(children).length > FEW && !isOpen;
  return (
    <search aria-label={texts.common.filters} className="mb-4 block">
      {isFolded && (
        <Button
          className="w-full sm:hidden"
          icon={<SlidersHorizontal aria-hidden className="size-4" />}
          aria-expanded={false}
          aria-controls={id}
          onPress={() => setOpen(true)}
        >
          {onClear ? texts.common.filtersSet : texts.common.filters}
        </Button>
      )}
      <div
        id={id}
        className={`${isFolded ? "hidden sm:grid" : "grid"} grid-cols-1 items-end gap-3 sm:grid-cols-2 lg:grid-cols-[repeat(auto-fit,minmax(11rem,14rem))]`}
      >
        {children}
        {onClear && (
          <Button kind="quiet" className="justify-self-start" onPress={onClear}>
            {texts.common.clearFilters}
          </Button>
        )}
      </div>
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

/** Only what has this in its name, whatever its case; the server looks for it. */
export function NameFilter({ value, onChange }: { value: string; onChange: (part: string) => void }) {
  return <TextFilter label={texts.common.nameHas} value={value} onChange={onChange} />;
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
