import { ChevronsUpDown } from "lucide-react";
import { useDeferredValue, useId, useState } from "react";
import { type Control, type FieldPath, type FieldValues, useController } from "react-hook-form";
import { FEW, type Item, nameOf, type ResourceName, useAccepted, useFew, useItem } from "../api/resources";
import { texts } from "../texts";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { described, inputClass, Labelled } from "./Fields";
import { SearchList } from "./SearchList";

const { picker: words, common } = texts;

type Named = { id: string; name: string };

interface Choosing<R extends ResourceName> {
  /** Of which kind. */
  resource: R;
  /** What stands for none; undefined: there must be one. */
  none?: string;
  /** What can be chosen besides, and is nothing of the server's. */
  besides?: Named[];
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
export function Picker<R extends ResourceName>({ resource, filter, accepts, ...rest }: Choosing<R> & Held) {
  const few = useFew(resource, filter);
  const isMany = few.data?.next_cursor != null;
  if (isMany) return <Sought resource={resource} filter={filter} accepts={accepts} {...rest} />;
  const items = (few.data?.items ?? []).filter((item) => accepts?.(item as Item<R>) ?? true);
  return <Listed items={items.map(named)} isPending={few.isPending} {...rest} />;
}

/** The same as a field of a form. */
export function PickerField<R extends ResourceName, T extends FieldValues>({
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

type Shown = Pick<Choosing<ResourceName>, "none" | "besides" | "label" | "help" | "optional"> & Held;

const named = (item: Item<ResourceName>): Named => ({ id: item.id, name: nameOf(item) });

function Listed({
  items,
  isPending,
  none,
  besides = [],
  label,
  help,
  optional,
  value,
  onChange,
  onBlur,
  isDisabled,
  error,
}: Shown & { items: Named[]; isPending: boolean }) {
  const id = useId();
  const all = [...besides, ...items];
  return (
    <Labelled id={id} label={label} help={help} error={error} optional={optional}>
      <select
        id={id}
        value={value}
        onChange={({ target }) => onChange(target.value, all.find((item) => item.id === target.value)?.name ?? "")}
        onBlur={onBlur}
        disabled={isDisabled}
        aria-invalid={error ? true : undefined}
        aria-describedby={described(id, error, help)}
        className={inputClass}
      >
        <option value="">{none ?? common.select}</option>
        {value && !all.some((item) => item.id === value) && (
          <option value={value}>{isPending ? common.loading : value}</option>
        )}
        {all.map((item) => (
          <option key={item.id} value={item.id}>
            {item.name}
          </option>
        ))}
      </select>
    </Labelled>
  );
}

function Sought<R extends ResourceName>({
  resource,
  filter,
  accepts,
  ...shown
}: Shown & Pick<Choosing<R>, "resource" | "filter" | "accepts">) {
  const { none, besides, label, help, optional, value, onChange, isDisabled, error } = shown;
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const always = besides?.find((item) => item.id === value)?.name;
  const stored = useItem(resource, always ? undefined : value || undefined);
  const name = value ? (always ?? (stored.data ? nameOf(stored.data) : value)) : (none ?? common.select);
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
          besides={besides}
          onChoose={(chosenId, chosenName) => {
            onChange(chosenId, chosenName);
            setOpen(false);
          }}
        />
      </Dialog>
    </Labelled>
  );
}

function Hits<R extends ResourceName>({
  resource,
  filter,
  accepts,
  none,
  besides = [],
  onChoose,
}: Pick<Choosing<R>, "resource" | "filter" | "accepts" | "none" | "besides"> & {
  onChoose: (id: string, name: string) => void;
}) {
  const [text, setText] = useState("");
  const [most, setMost] = useState(FEW);
  const sought = useDeferredValue(text);
  const { items: found, error, hasMore, isSeeking } = useAccepted(resource, sought, { filter, accepts, most });
  const wanted = text.trim().toLowerCase();
  // Until the answer is there, of what was found for another text only what fits: nobody chooses what they did not look for.
  const isBehind = isSeeking || sought !== text;
  const items = isBehind ? found.filter((item) => nameOf(item).toLowerCase().includes(wanted)) : found;
  const always = besides.filter(({ name }) => name.toLowerCase().includes(wanted));
  const empty = none !== undefined && wanted === "" ? [{ id: "", name: none }] : [];
  const hits = [...empty, ...always, ...items.map(named)];
  return (
    <>
      <SearchList
        label={words.label}
        results={words.results}
        text={text}
        onText={(next) => {
          setText(next);
          setMost(FEW);
        }}
        hits={hits.map(({ id, name }) => ({ key: id, name }))}
        onChoose={({ key, name }) => onChoose(key, key && name)}
      >
        {error?.message}
        {isSeeking && common.loading}
        {!isSeeking && !error && hits.length === empty.length && !hasMore && words.none}
        {!isSeeking && hasMore && words.more}
      </SearchList>
      {!isSeeking && hasMore && found.length >= most && (
        <Button className="mt-3" onPress={() => setMost(most + FEW)}>
          {common.more}
        </Button>
      )}
    </>
  );
}
