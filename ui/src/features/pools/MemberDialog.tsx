import { zodResolver } from "@hookform/resolvers/zod";
import { useForm } from "react-hook-form";
import { z } from "zod";
import { Button } from "../../design/Button";
import { CapabilitiesFields } from "../../design/CapabilitiesFields";
import { capabilityValues, readCapabilities, typedCapabilities } from "../../design/capabilities";
import { Dialog } from "../../design/Dialog";
import { TextField } from "../../design/Fields";
import { PickerField } from "../../design/Picker";
import { texts } from "../../texts";
import type { MemberValues } from "./Members";
import { NextPrices, type PricedControl, PriceFields } from "./PriceFields";
import { readNextPrices, readPrice, typedNextPrice, typedNextPriceSchema, typedPrice, typedPriceSchema } from "./price";

const { pools: words, common } = texts;

/** What is put into fields is as if it was typed there. */
const AS_TYPED = { shouldDirty: true, shouldValidate: true };

const schema = z.object({
  provider_id: z.string().min(1, common.required),
  provider_name: z.string(),
  model: z.string().trim().min(1, common.required),
  price: typedPriceSchema,
  next: z.array(typedNextPriceSchema),
  capabilities: capabilityValues,
});

/** One member of a pool. */
export function MemberDialog({
  member,
  owner,
  onClose,
  onDone,
}: {
  member: MemberValues | undefined;
  /** The tenant whose providers can be chosen; empty: the platform. */
  owner: string;
  onClose: () => void;
  onDone: (member: MemberValues) => void;
}) {
  const { control, handleSubmit, setValue } = useForm<z.infer<typeof schema>>({
    resolver: zodResolver(schema),
    defaultValues: {
      provider_id: member?.provider_id ?? "",
      provider_name: member?.provider_name ?? "",
      model: member?.model ?? "",
      price: typedPrice(member?.price),
      next: member?.next_prices.map(typedNextPrice) ?? [],
      capabilities: typedCapabilities(member?.capabilities),
    },
  });
  const priced = control as unknown as PricedControl;
  const done = handleSubmit(({ provider_id, provider_name, model, capabilities, price, next }) =>
    onDone({
      key: member?.key ?? `new-${Date.now()}`,
      provider_id,
      provider_name,
      model,
      price: readPrice(price),
      next_prices: readNextPrices(next, member?.next_prices ?? []),
      capabilities: readCapabilities(capabilities, member?.capabilities),
    }),
  );
  return (
    <Dialog title={member ? `${common.edit}: ${member.model}` : words.add} isOpen onClose={onClose} wide>
      <form
        noValidate
        className="grid gap-4"
        onSubmit={(event) => {
          // The pool's own form is around this one, as React sees it.
          event.stopPropagation();
          void done(event);
        }}
      >
        <PickerField
          resource="providers"
          control={control}
          name="provider_id"
          label={words.provider}
          filter={owner ? { tenant_id: owner } : { owner: "platform" }}
          onName={(name) => setValue("provider_name", name)}
        />
        <TextField control={control} name="model" label={words.model} mono />
        <fieldset>
          <legend className="text-sm font-medium">{words.price}</legend>
          <p className="mb-2 text-sm text-ink-soft">{words.priceHelp}</p>
          <PriceFields control={priced} name="price" onChange={(price) => setValue("price", price, AS_TYPED)} />
        </fieldset>
        <NextPrices control={priced} onChange={(at, price) => setValue(`next.${at}.price`, price, AS_TYPED)} />
        <CapabilitiesFields control={control} name="capabilities" />
        <div className="mt-2 flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">
          <Button onPress={onClose}>{common.cancel}</Button>
          <Button kind="primary" type="submit">
            {member ? words.update : words.add}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
