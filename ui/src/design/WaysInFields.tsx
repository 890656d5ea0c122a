import { type Control, type FieldPath, type FieldValues, useWatch } from "react-hook-form";
import { z } from "zod";
import type { Schemas } from "../api/client";
import { texts } from "../texts";
import { SelectField } from "./Fields";

const { waysIn: words } = texts;
type WaysIn = Schemas["WaysIn"];

const mode = z.enum(["allowed", "required", "refused"]);
export const waysInSchema = z.object({ key: mode, token: mode, workload: mode });
/** As it is where nothing is said. */
export const ALL_ALLOWED: WaysIn = { key: "allowed", token: "allowed", workload: "allowed" };

/** In which ways apps may or must show who they are: the form's field `ways_in`. */
export function WaysInFields<T extends FieldValues & { ways_in: WaysIn }>({
  control,
  help,
}: {
  control: Control<T>;
  help: string;
}) {
  const now = useWatch({ control, name: "ways_in" as FieldPath<T> }) as WaysIn;
  const options = Object.entries(words.modes).map(([value, label]) => ({ value, label }));
  return (
    <fieldset className="min-w-0">
      <legend className="text-sm font-medium">{words.title}</legend>
      <p className="mb-2 text-sm text-ink-soft">{help}</p>
      <div className="grid gap-3 sm:grid-cols-3">
        {(["key", "token", "workload"] as const).map((way) => (
          <SelectField
            key={way}
            control={control}
            name={`ways_in.${way}` as FieldPath<T>}
            label={words.ways[way]}
            help={words.helps[now[way]]}
            options={options}
          />
        ))}
      </div>
    </fieldset>
  );
}
