import { Plus, Trash2 } from "lucide-react";
import type { Schemas } from "../../api/client";
import { Button } from "../../design/Button";
import { Picker } from "../../design/Picker";
import { texts } from "../../texts";

const { grants: words, roles } = texts.identity;
const BUILT_IN = Object.entries(roles.names).map(([id, name]) => ({ id, name }));

export type Grant = Schemas["UserGrant"];

/** Roles besides one's own, each for a tenant or a department. */
export function GrantsField({
  tenantId,
  value,
  onChange,
  isDisabled,
}: {
  tenantId: string;
  value: Grant[];
  onChange: (grants: Grant[]) => void;
  isDisabled?: boolean;
}) {
  const change = (index: number, grant: Grant) => onChange(value.map((one, at) => (at === index ? grant : one)));
  const choose = (index: number, role: string) => {
    const isBuiltIn = role in roles.names;
    change(index, {
      department_id: value[index]?.department_id ?? null,
      role: isBuiltIn ? (role as Grant["role"]) : null,
      custom_role_id: isBuiltIn ? null : role,
    });
  };
  return (
    <fieldset disabled={isDisabled}>
      <legend className="text-sm font-medium">{words.title}</legend>
      <p className="mb-2 text-sm text-ink-soft">{words.lead}</p>
      {value.length === 0 && <p className="mb-2 text-sm">{words.none}</p>}
      {value.map((grant, index) => (
        <fieldset
          // biome-ignore lint/suspicious/noArrayIndexKey: grants have no identity but their place
          key={index}
          className="mb-3 grid items-end gap-3 sm:grid-cols-[1fr_1fr_auto]"
        >
          <legend className="sr-only">{words.number(index + 1)}</legend>
          <Picker
            resource="roles"
            label={words.role}
            besides={BUILT_IN}
            accepts={({ tenant_id }) => !tenant_id || tenant_id === tenantId}
            value={grant.role ?? grant.custom_role_id ?? ""}
            onChange={(role) => role && choose(index, role)}
            isDisabled={isDisabled}
          />
          <Picker
            resource="departments"
            label={words.department}
            none={words.wholeTenant}
            filter={{ tenant_id: tenantId || undefined }}
            value={grant.department_id ?? ""}
            onChange={(id) => change(index, { ...grant, department_id: id || null })}
            isDisabled={isDisabled}
          />
          <Button
            kind="quiet"
            aria-label={words.remove(index + 1)}
            onPress={() => onChange(value.filter((_, at) => at !== index))}
          >
            <Trash2 aria-hidden className="size-4" />
          </Button>
        </fieldset>
      ))}
      <Button
        icon={<Plus aria-hidden className="size-4" />}
        onPress={() => onChange([...value, { role: "manager", custom_role_id: null, department_id: null }])}
      >
        {words.add}
      </Button>
    </fieldset>
  );
}
