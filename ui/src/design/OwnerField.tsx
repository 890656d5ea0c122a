import type { Control, FieldPath, FieldValues } from "react-hook-form";
import { texts } from "../texts";
import { PickerField } from "./Picker";

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
  return <PickerField resource="tenants" control={control} name={name} label={label} none={platform} help={help} />;
}
