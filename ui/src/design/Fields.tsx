import type { ReactNode } from "react";
import { useId } from "react";
import { type Control, type FieldPath, type FieldValues, useController } from "react-hook-form";
import { texts } from "../texts";

export const inputClass =
  "block w-full min-h-11 rounded-md border border-line-strong bg-surface px-3 py-2 text-base text-ink sm:text-sm placeholder:text-ink-soft disabled:border-line disabled:bg-sunken disabled:text-ink-soft aria-[invalid=true]:border-bad";

interface Common<T extends FieldValues> {
  control: Control<T>;
  name: FieldPath<T>;
  label: string;
  help?: ReactNode;
  optional?: boolean;
}

/** Label, help and error around a control, connected for those who do not see them. */
export function Labelled({
  id,
  label,
  help,
  error,
  optional,
  children,
}: {
  id: string;
  label: string;
  help?: ReactNode;
  error?: string;
  optional?: boolean;
  children: ReactNode;
}) {
  return (
    <div className="min-w-0">
      <label htmlFor={id} className="mb-1 block text-sm font-medium">
        {label}
        {optional && <span className="font-normal text-ink-soft"> ({texts.common.optional})</span>}
      </label>
      {children}
      {error ? (
        <p id={`${id}-error`} className="mt-1 text-sm text-bad">
          {error}
        </p>
      ) : (
        help && (
          <p id={`${id}-help`} className="mt-1 text-sm text-ink-soft">
            {help}
          </p>
        )
      )}
    </div>
  );
}

export function described(id: string, error: string | undefined, help: ReactNode) {
  if (error) return `${id}-error`;
  return help ? `${id}-help` : undefined;
}

export function TextField<T extends FieldValues>({
  control,
  name,
  label,
  help,
  optional,
  type = "text",
  mono = false,
  ...rest
}: Common<T> & {
  type?: "text" | "email" | "password" | "url" | "date" | "datetime-local";
  mono?: boolean;
  autoComplete?: string;
  inputMode?: "numeric" | "decimal" | "text";
  placeholder?: string;
  autoFocus?: boolean;
  list?: string;
}) {
  const id = useId();
  const { field, fieldState } = useController({ control, name });
  const error = fieldState.error?.message;
  return (
    <Labelled id={id} label={label} help={help} error={error} optional={optional}>
      <input
        {...rest}
        {...field}
        value={field.value ?? ""}
        id={id}
        type={type}
        spellCheck={false}
        aria-invalid={error ? true : undefined}
        aria-describedby={described(id, error, help)}
        className={`${inputClass} ${mono ? "font-mono" : ""}`}
      />
    </Labelled>
  );
}

/** A text of several lines. */
export function TextAreaField<T extends FieldValues>({
  control,
  name,
  label,
  help,
  optional,
  rows,
  mono = false,
}: Common<T> & { rows: number; mono?: boolean }) {
  const id = useId();
  const { field, fieldState } = useController({ control, name });
  const error = fieldState.error?.message;
  return (
    <Labelled id={id} label={label} help={help} error={error} optional={optional}>
      <textarea
        {...field}
        value={field.value ?? ""}
        id={id}
        rows={rows}
        spellCheck={!mono}
        aria-invalid={error ? true : undefined}
        aria-describedby={described(id, error, help)}
        className={`${inputClass} ${mono ? "font-mono" : ""}`}
      />
    </Labelled>
  );
}

/** A choice from few. The browser's own control: on a phone nothing is easier. */
export function SelectField<T extends FieldValues>({
  control,
  name,
  label,
  help,
  optional,
  options,
  disabled,
}: Common<T> & { options: { value: string; label: string }[]; disabled?: boolean }) {
  const id = useId();
  const { field, fieldState } = useController({ control, name });
  const error = fieldState.error?.message;
  return (
    <Labelled id={id} label={label} help={help} error={error} optional={optional}>
      <select
        {...field}
        value={field.value ?? ""}
        id={id}
        disabled={disabled || field.disabled}
        aria-invalid={error ? true : undefined}
        aria-describedby={described(id, error, help)}
        className={inputClass}
      >
        {options.map(({ value, label: text }) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </Labelled>
  );
}

/** Yes or no, with what yes means. */
export function CheckboxField<T extends FieldValues>({ control, name, label, help }: Common<T>) {
  const id = useId();
  const { field, fieldState } = useController({ control, name });
  const error = fieldState.error?.message;
  return (
    <div>
      <label htmlFor={id} className="flex min-h-11 w-fit items-center gap-3 text-sm font-medium">
        <input
          {...field}
          value={undefined}
          checked={field.value === true}
          id={id}
          type="checkbox"
          aria-invalid={error ? true : undefined}
          aria-describedby={described(id, error, help)}
          className="size-5 accent-accent"
        />
        {label}
      </label>
      {error ? (
        <p id={`${id}-error`} className="text-sm text-bad">
          {error}
        </p>
      ) : (
        help && (
          <p id={`${id}-help`} className="text-sm text-ink-soft">
            {help}
          </p>
        )
      )}
    </div>
  );
}

/** A choice without a form: for filters. */
export function Select({
  label,
  value,
  onChange,
  options,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  options: { value: string; label: string }[];
}) {
  const id = useId();
  return (
    <Labelled id={id} label={label}>
      <select id={id} value={value} onChange={(event) => onChange(event.target.value)} className={inputClass}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </Labelled>
  );
}
