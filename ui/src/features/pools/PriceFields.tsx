import { BookOpen, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { type Control, type FieldPath, type FieldValues, useFieldArray, useWatch } from "react-hook-form";
import { Button } from "../../design/Button";
import { TextField } from "../../design/Fields";
import { toast } from "../../design/Toasts";
import { texts } from "../../texts";
import { CatalogueDialog } from "./CatalogueDialog";
import { othersOf, type TypedNextPrice, type TypedPrice, typedPrice } from "./price";

const { pools: words, prices } = texts;
/** What the API takes of them for one member. */
const MOST_NEXT = 4;

/** The form that these fields are of. */
interface PricedForm extends FieldValues {
  model: string;
  price: TypedPrice;
  next: TypedNextPrice[];
}

/** The control of any form that has these fields among others. */
export type PricedControl = Control<PricedForm>;

/** What one price says, and the way to take it from the catalogue. */
export function PriceFields({
  control,
  name,
  onChange,
}: {
  control: PricedControl;
  name: "price" | `next.${number}.price`;
  /** Puts another price in its place. */
  onChange: (price: TypedPrice) => void;
}) {
  const [isTaking, setTaking] = useState(false);
  const [model, price] = useWatch({ control, name: ["model", name] }) as [string, TypedPrice | undefined];
  const others = othersOf(price?.others);
  const field = (part: keyof TypedPrice, label: string) => (
    <TextField control={control} name={`${name}.${part}` as FieldPath<PricedForm>} label={label} inputMode="decimal" />
  );
  return (
    <>
      <div className="grid grid-cols-1 gap-3 sm:grid-cols-3">
        {field("input", words.input)}
        {field("cachedInput", words.cachedInput)}
        {field("output", words.output)}
        {field("cacheWrite", words.cacheWrite)}
        {field("cacheWrite1h", words.cacheWrite1h)}
        {field("reasoning", words.reasoning)}
      </div>
      <p className="mt-1 text-sm text-ink-soft">{words.priceMore}</p>
      {others.length > 0 && (
        <div className="mt-2 text-sm">
          <p>{prices.others}</p>
          <ul className="list-disc pl-5 text-ink-soft">
            {others.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </div>
      )}
      <div className="mt-2 flex flex-wrap gap-2">
        <Button icon={<BookOpen aria-hidden className="size-4" />} onPress={() => setTaking(true)}>
          {prices.take}
        </Button>
        {others.length > 0 && price && (
          <Button onPress={() => onChange({ ...price, others: undefined })}>{prices.dropOthers}</Button>
        )}
      </div>
      {isTaking && (
        <CatalogueDialog
          model={model}
          onClose={() => setTaking(false)}
          onChoose={(entry) => {
            onChange(typedPrice(entry.price));
            setTaking(false);
            toast(prices.taken(entry.name, entry.as_of));
          }}
        />
      )}
    </>
  );
}

/** What a member will cost, each from a time on. */
export function NextPrices({
  control,
  onChange,
}: {
  control: PricedControl;
  onChange: (at: number, price: TypedPrice) => void;
}) {
  const { fields, append, remove } = useFieldArray({ control, name: "next" });
  const price = useWatch({ control, name: "price" });
  return (
    <fieldset>
      <legend className="text-sm font-medium">{prices.next}</legend>
      <p className="mb-2 text-sm text-ink-soft">{prices.nextHelp}</p>
      <div className="grid gap-4 empty:hidden">
        {fields.map(({ id }, at) => (
          <fieldset key={id} className="rounded-md border border-line p-3">
            <legend className="sr-only">{prices.nextOf(at + 1)}</legend>
            <div className="mb-3 flex flex-wrap items-end justify-between gap-3">
              <TextField
                control={control}
                name={`next.${at}.validFrom`}
                label={prices.from}
                help={prices.fromHelp}
                type="datetime-local"
              />
              <Button
                aria-label={`${words.remove}: ${prices.nextOf(at + 1)}`}
                icon={<Trash2 aria-hidden className="size-4" />}
                onPress={() => remove(at)}
              >
                {words.remove}
              </Button>
            </div>
            <PriceFields control={control} name={`next.${at}.price`} onChange={(next) => onChange(at, next)} />
          </fieldset>
        ))}
      </div>
      {fields.length < MOST_NEXT && (
        <Button
          className="mt-2"
          icon={<Plus aria-hidden className="size-4" />}
          onPress={() => append({ validFrom: "", price })}
        >
          {prices.addNext}
        </Button>
      )}
    </fieldset>
  );
}
