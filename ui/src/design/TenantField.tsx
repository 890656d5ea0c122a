import type { Control, FieldPath, FieldValues } from "react-hook-form";
import { texts } from "../texts";
import { PickerField } from "./Picker";

/** Which tenant something is of. For those of the platform, who see several. */
export function TenantField<T extends FieldValues>({ control, name }: { control: Control<T>; name: FieldPath<T> }) {
  return <PickerField resource="tenants" control={control} name={name} label={texts.common.tenant} />;
}
