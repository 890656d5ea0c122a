import { type Control, type FieldValues, useWatch } from "react-hook-form";
import { CheckboxField, SelectField, TextField } from "../../design/Fields";
import { PickerField } from "../../design/Picker";
import { texts } from "../../texts";
import type { Leads } from "./ruleForm";

const { rules: words } = texts.appIdentity;

/** To whom a rule leads: what kind, and which one of the chosen tenant. Only tokens name users. */
export function LeadsFields<T extends FieldValues & Leads>({
  control: of,
  isToken,
}: {
  control: Control<T>;
  isToken: boolean;
}) {
  // Of the form only these fields matter here.
  const control = of as unknown as Control<Leads>;
  const [leads, tenantId, creates] = useWatch({ control, name: ["leads", "tenant_id", "creates"] });
  const filter = { tenant_id: tenantId || undefined };
  const kinds = Object.entries(words.leadsTo).filter(([kind]) => isToken || kind !== "person");
  return (
    <>
      <SelectField
        control={control}
        name="leads"
        label={words.leads}
        options={kinds.map(([value, label]) => ({ value, label }))}
      />
      {leads === "service_account" && (
        <PickerField
          resource="service-accounts"
          control={control}
          name="service_account_id"
          label={texts.identity.accounts.one}
          filter={filter}
        />
      )}
      {leads === "person" && (
        <>
          <TextField control={control} name="claim" label={words.person} help={words.personHelp} mono />
          <CheckboxField control={control} name="creates" label={words.creates} help={words.createsHelp} />
          {creates && (
            <SelectField
              control={control}
              name="role"
              label={words.role}
              options={Object.entries(words.roles).map(([value, label]) => ({ value, label }))}
            />
          )}
        </>
      )}
      {(leads === "department" || (leads === "person" && creates)) && (
        <PickerField
          resource="departments"
          control={control}
          name="department_id"
          label={leads === "person" ? words.departmentOfMade : texts.identity.department}
          none={leads === "person" ? texts.identity.noDepartment : undefined}
          filter={filter}
        />
      )}
    </>
  );
}
