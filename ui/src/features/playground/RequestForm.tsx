import { useDeferredValue, useState } from "react";
import { type UseFormReturn, useWatch } from "react-hook-form";
import { useFew, useFound } from "../../api/resources";
import { CheckboxField, TextAreaField, TextField } from "../../design/Fields";
import { Summary } from "../../design/Summary";
import { texts } from "../../texts";
import { HourKey } from "./HourKey";
import type { RequestValues } from "./PlaygroundPage";

const { playground: words } = texts;

/** What is asked of which model, and with whose key. */
export function RequestForm({ form }: { form: UseFormReturn<RequestValues> }) {
  const { control } = form;
  const [model, secondModel] = useWatch({ control, name: ["model", "secondModel"] });
  const few = useFew("models");
  // Where there are more, what is written decides which are offered.
  const isMany = few.data?.next_cursor != null;
  const found = useFound("models", useDeferredValue(model), {}, isMany);
  const second = useFound("models", useDeferredValue(secondModel), {}, isMany);
  const offered = [few, found, second].flatMap(({ data }) => data?.items ?? []);
  const names = [...new Set(offered.map(({ name }) => name))];
  const [hasMore, setMore] = useState(false);
  return (
    <form className="grid gap-4" onSubmit={(event) => event.preventDefault()} noValidate>
      <TextField
        control={control}
        name="key"
        label={words.key}
        help={words.keyHelp}
        type="password"
        autoComplete="off"
        mono
      />
      <HourKey onKey={(key) => form.setValue("key", key, { shouldValidate: key !== "" })} />
      <datalist id="playground-models">
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <TextField control={control} name="model" label={words.model} list="playground-models" mono />
      <TextField
        control={control}
        name="secondModel"
        label={words.secondModel}
        help={words.secondModelHelp}
        list="playground-models"
        optional
        mono
      />
      <TextAreaField control={control} name="system" label={words.system} rows={2} optional />
      <CheckboxField control={control} name="stream" label={words.stream} />
      <details open={hasMore} onToggle={(event) => setMore(event.currentTarget.open)}>
        <Summary>{words.more}</Summary>
        <div className="mt-2 grid gap-4">
          <div className="grid grid-cols-2 items-start gap-3">
            <TextField control={control} name="temperature" label={words.temperature} inputMode="decimal" />
            <TextField control={control} name="topP" label={words.topP} inputMode="decimal" />
          </div>
          <TextField control={control} name="maxTokens" label={words.maxTokens} inputMode="numeric" />
          <TextAreaField control={control} name="tools" label={words.tools} help={words.toolsHelp} rows={6} mono />
        </div>
      </details>
    </form>
  );
}
