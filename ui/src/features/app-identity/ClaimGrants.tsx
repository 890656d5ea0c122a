import { Plus, Trash2 } from "lucide-react";
import { type Control, useFieldArray, useWatch } from "react-hook-form";
import { Button } from "../../design/Button";
import { SelectField, TextField } from "../../design/Fields";
import { PickerField } from "../../design/Picker";
import { texts } from "../../texts";
import type { Form } from "./ruleForm";

const { rules: words } = texts.appIdentity;
const BUILT_IN = Object.entries(texts.identity.roles.names).map(([id, name]) => ({ id, name }));
const NEW = { path: "groups", test: "contains", value: "", role: "manager", department_id: "" } as const;

/** What users may do by their claims, role by role: of users alone, since nobody else signs in. */
export function ClaimGrants({ control }: { control: Control<Form> }) {
  const [leads, tenantId] = useWatch({ control, name: ["leads", "tenant_id"] });
  const { fields, append, remove } = useFieldArray({ control, name: "claim_grants" });
  if (leads !== "person") return null;
  return (
    <fieldset className="grid gap-3">
      <legend className="text-sm font-medium">{words.claimGrants}</legend>
      <p className="text-sm text-ink-soft">{words.claimGrantsLead}</p>
      {fields.map(({ id }, index) => (
        <fieldset
          key={id}
          className="grid items-start gap-3 rounded-md border border-line p-3 sm:grid-cols-[minmax(0,1fr)_8rem_minmax(0,1fr)]"
        >
          <legend className="sr-only">{words.claimGrant(index + 1)}</legend>
          <TextField control={control} name={`claim_grants.${index}.path`} label={words.path} mono />
          <SelectField
            control={control}
            name={`claim_grants.${index}.test`}
            label={words.test}
            options={Object.entries(words.tests).map(([value, label]) => ({ value, label }))}
          />
          <TextField control={control} name={`claim_grants.${index}.value`} label={words.value} mono />
          <PickerField
            resource="roles"
            control={control}
            name={`claim_grants.${index}.role`}
            label={words.grantedRole}
            besides={BUILT_IN}
            accepts={({ tenant_id }) => !tenant_id || tenant_id === tenantId}
          />
          <PickerField
            resource="departments"
            control={control}
            name={`claim_grants.${index}.department_id`}
            label={words.grantedIn}
            none={words.wholeTenant}
            filter={{ tenant_id: tenantId || undefined }}
          />
          <Button
            kind="quiet"
            className="justify-self-end sm:mt-6"
            aria-label={words.removeClaimGrant(index + 1)}
            onPress={() => remove(index)}
          >
            <Trash2 aria-hidden className="size-4" />
          </Button>
        </fieldset>
      ))}
      <div>
        <Button icon={<Plus aria-hidden className="size-4" />} onPress={() => append(NEW)}>
          {words.addClaimGrant}
        </Button>
      </div>
    </fieldset>
  );
}
