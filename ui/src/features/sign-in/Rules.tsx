import { Plus, Trash2 } from "lucide-react";
import { type Control, useFieldArray, useWatch } from "react-hook-form";
import { Button } from "../../design/Button";
import { SelectField, TextField } from "../../design/Fields";
import { PickerField } from "../../design/Picker";
import { ROLES } from "../../design/RoleFields";
import { texts } from "../../texts";
import type { Form } from "./form";

const { signInProviders: words, common } = texts;

/** What members of which group may do, rule by rule. A tenant's own provider leads to that tenant only. */
export function Rules({ control, isTenants }: { control: Control<Form>; isTenants: boolean }) {
  const { fields, append, remove } = useFieldArray({ control, name: "rules" });
  const rules = useWatch({ control, name: "rules" });
  const roles = ROLES.filter((role) => !isTenants || role !== "platform_admin");
  return (
    <fieldset className="grid gap-4">
      <legend className="text-sm font-medium">{words.rules}</legend>
      <p className="text-sm text-ink-soft">{words.rulesLead}</p>
      {fields.map(({ id }, index) => (
        <div key={id} className="grid gap-3 rounded-md border border-line p-3 sm:grid-cols-2">
          <TextField control={control} name={`rules.${index}.group`} label={words.group} help={words.groupHelp} />
          <SelectField
            control={control}
            name={`rules.${index}.role`}
            label={texts.users.role}
            options={roles.map((value) => ({ value, label: texts.nav.roles[value] }))}
          />
          {!isTenants && rules[index]?.role !== "platform_admin" && (
            <PickerField
              resource="tenants"
              control={control}
              name={`rules.${index}.tenant_id`}
              label={common.tenant}
              none={common.select}
            />
          )}
          <div className="flex items-end sm:col-start-2 sm:justify-end">
            <Button
              kind="danger"
              aria-label={words.removeRule(index + 1)}
              icon={<Trash2 aria-hidden className="size-4" />}
              onPress={() => remove(index)}
            >
              {common.delete}
            </Button>
          </div>
        </div>
      ))}
      <div>
        <Button
          icon={<Plus aria-hidden className="size-4" />}
          onPress={() => append({ group: "", role: "viewer", tenant_id: "", grants: [] })}
        >
          {words.addRule}
        </Button>
      </div>
    </fieldset>
  );
}
