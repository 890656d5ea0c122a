import { type Control, type FieldPath, type FieldValues, useWatch } from "react-hook-form";
import { z } from "zod";
import { useIdentity } from "../api/identity";
import { texts } from "../texts";
import { SelectField, TextAreaField } from "./Fields";
import { readLabels } from "./labels";
import { PickerField } from "./Picker";

const { identity: words } = texts;

// Fields of what has an owner: departments, people, service accounts, keys. Each is of the form's field of that name.

/** As labels are written: one on each line. */
export const labelsSchema = z.string().refine((text) => readLabels(text), words.labelsWrong);

interface Of<T extends FieldValues> {
  control: Control<T>;
}

/** The tenant that is chosen in the form. */
function useChosenTenant<T extends FieldValues>(control: Control<T>): string {
  return useWatch({ control, name: "tenant_id" as FieldPath<T> }) as unknown as string;
}

/** Names with values. */
export function LabelsField<T extends FieldValues & { labels: string }>({ control }: Of<T>) {
  return (
    <TextAreaField
      control={control}
      name={"labels" as FieldPath<T>}
      label={words.labels}
      help={words.labelsHelp}
      rows={3}
      optional
      mono
    />
  );
}

/** What it is used for. */
export function EnvironmentField<T extends FieldValues & { environment: string }>({ control }: Of<T>) {
  const environments = Object.entries(words.environments).map(([value, label]) => ({ value, label }));
  return (
    <SelectField
      control={control}
      name={"environment" as FieldPath<T>}
      label={words.environment}
      options={[{ value: "", label: words.anyEnvironment }, ...environments]}
    />
  );
}

/** One of the tenant's departments, or none. For whoever sees departments. */
export function DepartmentField<T extends FieldValues & { tenant_id: string; department_id: string }>({
  control,
}: Of<T>) {
  const tenantId = useChosenTenant(control);
  const { identity } = useIdentity();
  if (!identity?.permissions.includes("departments.read")) return null;
  return (
    <PickerField
      resource="departments"
      control={control}
      name={"department_id" as FieldPath<T>}
      label={words.department}
      none={words.noDepartment}
      filter={{ tenant_id: tenantId || undefined }}
    />
  );
}

/** One of the tenant's guardrail profiles or of the platform's, or none. For whoever sees profiles. */
export function ProfileField<T extends FieldValues & { tenant_id: string; guardrail_profile_id: string }>({
  control,
  help,
  none = texts.common.none,
}: Of<T> & { help: string; none?: string }) {
  const tenantId = useChosenTenant(control);
  const { identity } = useIdentity();
  if (!identity?.permissions.includes("guardrails.read")) return null;
  return (
    <PickerField
      resource="guardrails/profiles"
      control={control}
      name={"guardrail_profile_id" as FieldPath<T>}
      label={words.profile}
      help={help}
      none={none}
      accepts={({ tenant_id }) => !tenant_id || tenant_id === tenantId}
    />
  );
}
