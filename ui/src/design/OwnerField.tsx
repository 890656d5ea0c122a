import type { Control, FieldPath, FieldValues } from "react-hook-form";
import { useChoices } from "../api/resources";
import { texts } from "../texts";
import { SelectField } from "./Fields";

/** To whom a new thing belongs: the platform, or one tenant. For those of the platform. */
export function OwnerField<T extends FieldValues>({
  control,
  name,
  label = texts.common.owner,
  platform = texts.common.platform,
  help,
}: {
  control: Control<T>;
  name: FieldPath<T>;
  label?: string;
  platform?: string;
  help?: string;
}) {
  const tenants = useChoices("tenants");
  return (
    <SelectField
      control={control}
      name={name}
      label={label}
      help={help}
      options={[
        { value: "", label: platform },
        ...(tenants.data?.items ?? []).map((tenant) => ({ value: tenant.id, label: tenant.name })),
      ]}
    />
  );
}
