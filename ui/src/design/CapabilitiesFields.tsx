import type { Control, FieldPath, FieldValues } from "react-hook-form";
import { texts } from "../texts";
import { type CapabilityName, choicesOf, NAMES } from "./capabilities";
import { SelectField } from "./Fields";
import { Summary } from "./Summary";

const { capabilities: words } = texts;

/** What a server or a model takes; `name` is the form's field that holds `CapabilityValues`. */
export function CapabilitiesFields<T extends FieldValues>({ control, name }: { control: Control<T>; name: string }) {
  return (
    <details>
      <Summary>{words.title}</Summary>
      <p className="mb-3 text-sm text-ink-soft">{words.lead}</p>
      <div className="grid gap-4 sm:grid-cols-2">
        {NAMES.map((each) => (
          <SelectField
            key={each}
            control={control}
            name={`${name}.${each}` as FieldPath<T>}
            label={words.names[each]}
            options={[
              { value: "", label: words.asKnown },
              ...choicesOf(each).map((value) => ({ value, label: choiceLabel(each, value) })),
            ]}
          />
        ))}
      </div>
    </details>
  );
}

function choiceLabel(name: CapabilityName, value: string): string {
  if (value === "true") return words.takes;
  if (value === "false" || (name === "structured_output" && value === "none")) return words.takesNot;
  return value;
}
