import { zodResolver } from "@hookform/resolvers/zod";
import { type Control, useController, useForm, useWatch } from "react-hook-form";
import { z } from "zod";
import { Button } from "../../design/Button";
import { Dialog } from "../../design/Dialog";
import { CheckboxField, SelectField, TextAreaField, TextField } from "../../design/Fields";
import { actions, directions, findingGroup, findingGroups } from "../../design/guardrails";
import { texts } from "../../texts";
import {
  customKinds,
  types as findings,
  forms,
  lookedFor,
  missingEntries,
  modes,
  namesEntries,
  type RuleValues,
  ruleFields,
} from "./rules";

const { profiles: words, common } = texts;

/** A rule, but for any number of types at once. */
const schema = ruleFields
  .omit({ type: true })
  .extend({ types: z.array(z.enum(findings)).min(1, words.noType) })
  .refine((rule) => !rule.types.includes("CUSTOM") || namesEntries(rule), missingEntries);
type Values = z.infer<typeof schema>;

/** One rule, or several new ones that differ in what they look for only. */
export function RuleDialog({
  rule,
  isNew,
  onClose,
  onDone,
}: {
  rule: RuleValues;
  isNew: boolean;
  onClose: () => void;
  onDone: (rules: RuleValues[]) => void;
}) {
  const { type, ...rest } = rule;
  const { control, handleSubmit } = useForm<Values>({
    resolver: zodResolver(schema),
    defaultValues: { ...rest, types: isNew ? [] : [type] },
  });
  const done = handleSubmit(({ types, ...same }) => onDone(types.map((each) => ({ ...same, type: each }))));
  return (
    <Dialog title={isNew ? words.add : `${common.edit}: ${lookedFor(rule)}`} isOpen onClose={onClose} wide>
      <form
        noValidate
        className="grid gap-4"
        onSubmit={(event) => {
          // The profile's own form is around this one, as React sees it.
          event.stopPropagation();
          void done(event);
        }}
      >
        {isNew ? (
          <Types control={control} />
        ) : (
          <SelectField
            control={control}
            name="types.0"
            label={words.finding}
            options={findings.map((value) => ({ value, label: words.findings[value] }))}
          />
        )}
        <Entries control={control} />
        <div className="grid gap-4 sm:grid-cols-2">
          <SelectField
            control={control}
            name="action"
            label={words.action}
            options={actions.map((value) => ({ value, label: words.actions[value] }))}
          />
          <SelectField
            control={control}
            name="direction"
            label={words.direction}
            options={directions.map((value) => ({ value, label: words.directions[value] }))}
          />
          <InItsPlace control={control} />
          <SelectField
            control={control}
            name="mode"
            label={words.mode}
            help={words.modeHelp}
            options={modes.map((value) => ({ value, label: words.modes[value] }))}
          />
          <TextField
            control={control}
            name="threshold"
            label={words.threshold}
            help={words.thresholdHelp}
            inputMode="decimal"
            optional
          />
        </div>
        <div className="mt-2 flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">
          <Button onPress={onClose}>{common.cancel}</Button>
          <Button kind="primary" type="submit">
            {isNew ? words.addThese : words.update}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** What a rule of one's own looks for. */
function Entries({ control }: { control: Control<Values> }) {
  const [types, kind] = useWatch({ control, name: ["types", "custom_kind"] });
  if (!types.includes("CUSTOM")) return null;
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      <TextField control={control} name="custom_name" label={words.customName} />
      <SelectField
        control={control}
        name="custom_kind"
        label={words.customKind}
        options={customKinds.map((value) => ({ value, label: words.customKinds[value] }))}
      />
      <TextAreaField
        control={control}
        name="custom_entries"
        label={words.customEntries}
        help={words.customHelp[kind]}
        rows={4}
        mono
      />
      <div>
        <CheckboxField control={control} name="case_sensitive" label={words.caseSensitive} />
        {kind === "keywords" && <CheckboxField control={control} name="parts_of_words" label={words.partsOfWords} />}
      </div>
    </div>
  );
}

/** What stands in the place of what is redacted. */
function InItsPlace({ control }: { control: Control<Values> }) {
  const [action, form] = useWatch({ control, name: ["action", "form"] });
  if (action !== "redact") return null;
  return (
    <>
      <SelectField
        control={control}
        name="form"
        label={words.form}
        options={forms.map((value) => ({ value, label: words.forms[value] }))}
      />
      {form === "mask" && (
        <TextField
          control={control}
          name="keep_last"
          label={words.keepLast}
          help={words.keepLastHelp}
          inputMode="numeric"
        />
      )}
    </>
  );
}

/** What is looked for, several at once. */
function Types({ control }: { control: Control<Values> }) {
  const { field, fieldState } = useController({ control, name: "types" });
  const chosen = new Set(field.value);
  const set = (types: Iterable<Values["types"][number]>) => {
    const wanted = new Set(types);
    field.onChange(findings.filter((type) => wanted.has(type)));
  };
  return (
    <fieldset>
      <legend className="text-sm font-medium">{words.finding}</legend>
      <p className="text-sm text-ink-soft">{words.findingHelp}</p>
      {findingGroups.map((group) => {
        const types = findings.filter((type) => findingGroup[type] === group);
        const isAll = types.every((type) => chosen.has(type));
        return (
          <fieldset key={group} className="mt-2 border-t border-line pt-1">
            <legend className="sr-only">{words.findingGroups[group]}</legend>
            <Box
              label={<span className="font-semibold">{words.findingGroups[group]}</span>}
              checked={isAll}
              onChange={() => set(isAll ? [...chosen].filter((type) => !types.includes(type)) : [...chosen, ...types])}
            />
            <div className="grid grid-cols-1 gap-x-4 sm:grid-cols-3">
              {types.map((type) => (
                <Box
                  key={type}
                  label={words.findings[type]}
                  checked={chosen.has(type)}
                  onChange={() =>
                    set(chosen.has(type) ? [...chosen].filter((other) => other !== type) : [...chosen, type])
                  }
                />
              ))}
            </div>
          </fieldset>
        );
      })}
      {fieldState.error && (
        <p role="alert" className="mt-1 text-sm text-bad">
          {fieldState.error.message}
        </p>
      )}
    </fieldset>
  );
}

function Box({ label, checked, onChange }: { label: React.ReactNode; checked: boolean; onChange: () => void }) {
  return (
    <label className="flex min-h-11 w-fit items-center gap-3 text-sm">
      <input type="checkbox" checked={checked} onChange={onChange} className="size-5 shrink-0 accent-accent" />
      {label}
    </label>
  );
}
