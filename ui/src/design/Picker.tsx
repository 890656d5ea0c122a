import { ChevronsUpDown } from "lucide-react";
import { useDeferredValue, useId, useState } from "react";
import { type Control, type FieldPath, type FieldValues, useController } from "react-hook-form";
import { type Item, type ResourceName, useAccepted, useFew, useItem } from "../api/resources";
import { texts } from "../texts";
import { Dialog } from "./Dialog";
import { described, inputClass, Labelled } from "./Fields";
import { SearchList } from "./SearchList";

const { picker: words, common } = texts;

/** Kinds of things that one can choose from, all of which have names. */
export type Choosable = Exclude<ResourceName, "users">;

interface Choosing<R extends Choosable> {
  /** Of which kind. */
  resource: R;
  /** What stands for none; undefined: there must be one. */
  none?: string;
  /** What the server is asked for: those of one tenant, or the platform's own. */
  filter?: { tenant_id?: string; owner?: "platform" };
  /** Which of those can be chosen; undefined: all. */
  accepts?: (item: Item<R>) => boolean;
  label: string;
  help?: string;
  optional?: boolean;
}

interface Held {
  value: string;
  /** The id, and what it is called; both are empty of none. */
  onChange: (id: string, name: string) => void;
  onBlur?: () => void;
  isDisabled?: boolean;
  error?: string;
}

/** A choice from things of the API. Where they are few it is the browser's own control; else one looks for a name, at the server. */
export function Picker<R extends Choosable>({ resource, filter, accepts, ...rest }: Choosing<R> & Held) {
  const few = useFew(resource, filter);
  const isMany = few.data?.next_cursor != null;
  if (isMany) return <Sought resource={resource} filter={filter} accepts={accepts} {...rest} />;
  const items = (few.data?.items ?? []).filter((item) => accepts?.(item as Item<R>) ?? true) as Named[];
  return <Listed items={items} {...rest} />;
}

/** The same as a field of a form. */
export function PickerField<R extends Choosable, T extends FieldValues>({
  control,
  name,
  onName,
  ...choosing
}: Choosing<R> & {
  control: Control<T>;
  name: FieldPath<T>;
  /** For whom the name is of use, too. */
  onName?: (name: string) => void;
}) {
  const { field, fieldState } = useController({ control, name });
  const { value, onChange, onBlur, disabled } = field;
  const held = { value: value ?? "", onBlur, isDisabled: disabled, error: fieldState.error?.message };
  const choose = (id: string, chosen: string) => {
    onChange(id);
    onName?.(chosen);
  };
  return <Picker {...choosing} {...held} onChange={choose} />;
}

type Named = { id: string; name: string };
type Shown = Pick<Choosing<Choosable>, "none" | "label" | "help" | "optional"> & Held;

function Listed({
  items,
  none,
  label,
  help,
  optional,
  value,
  onChange,
  onBlur,
  isDisabled,
  error,
}: Shown & { items: Named[] }) {
  const id = useId();
  return (
    <Labelled id={id} label={label} help={help} error={error} optional={optional}>
      <select
        id={id}
        value={value}
        onChange={({ target }) => onChange(target.value, items.find((item) => item.id === target.value)?.name ?? "")}
        onBlur={onBlur}
        disabled={isDisabled}
        aria-invalid={error ? true : undefined}
        aria-describedby={described(id, error, help)}
        className={inputClass}
      >
        <option value="">{none ?? common.select}</option>
        {value && !items.some((item) => item.id === value) && <option value={value}>{value}</option>}
        {items.map((item) => (
          <option key={item.id} value={item.id}>
            {item.name}
          </option>
        ))}
      </select>
    </Labelled>
  );
}

function Sought<R extends Choosable>({
  resource,
  filter,
  accepts,
  ...shown
}: Shown & Pick<Choosing<R>, "resource" | "filter" | "accepts">) {
  const { none, label, help, optional, value, onChange, isDisabled, error } = shown;
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const chosen = useItem(resource, value || undefined);
  const name = value ? ((chosen.data as Named | undefined)?.name ?? value) : (none ?? common.select);
  return (
    <Labelled id={id} label={label} help={help} error={error} optional={optional}>
      <button
        type="button"
        id={id}
        disabled={isDisabled}
        aria-haspopup="dialog"
        aria-label={`${label}: ${name}`}
        aria-describedby={described(id, error, help)}
        onClick={() => setOpen(true)}
        className={`${inputClass} flex items-center justify-between gap-2 text-left`}
      >
        <span className="min-w-0 truncate">{name}</span>
        <ChevronsUpDown aria-hidden className="size-4 shrink-0 text-ink-soft" />
      </button>
      <Dialog title={label} isOpen={isOpen} onClose={() => setOpen(false)}>
        <Hits
          resource={resource}
          filter={filter}
          accepts={accepts}
          none={none}
          onChoose={(chosenId, chosenName) => {
            onChange(chosenId, chosenName);
            setOpen(false);
          }}
        />
      </Dialog>
    </Labelled>
  );
}

function Hits<R extends Choosable>({
  resource,
  filter,
  accepts,
  none,
  onChoose,
}: Pick<Choosing<R>, "resource" | "filter" | "accepts" | "none"> & { onChoose: (id: string, name: string) => void }) {
  const [text, setText] = useState("");
  const { items, error, hasMore, isSeeking } = useAccepted(resource, useDeferredValue(text), filter, accepts);
  const hits = (items as Named[]).map(({ id, name }) => ({ key: id, name }));
  const empty = none !== undefined && text === "" ? [{ key: "", name: none }] : [];
  return (
    <SearchList
      label={words.label}
      results={words.results}
      text={text}
      onText={setText}
      hits={[...empty, ...hits]}
      onChoose={({ key, name }) => onChoose(key, key && name)}
    >
      {error?.message}
      {isSeeking && common.loading}
      {!isSeeking && !error && hits.length === 0 && !hasMore && words.none}
      {!isSeeking && hasMore && words.more}
    </SearchList>
  );
}
