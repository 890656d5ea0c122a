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
import { isPrice, readPrice, typedPrice } from "./price";

const { pools: words, common } = texts;

const schema = z
  .object({
    provider_id: z.string().min(1, common.required),
    provider_name: z.string(),
    model: z.string().trim().min(1, common.required),
    input: z.string(),
    cachedInput: z.string(),
    output: z.string(),
    cacheWrite: z.string(),
    cacheWrite1h: z.string(),
    reasoning: z.string(),
    capabilities: capabilityValues,
  })
  .refine(isPrice, { path: ["input"], message: words.priceNumber });

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
  // What is not typed is none of the form's: it stays as it was.
  const { others, ...typed } = typedPrice(member?.price);
  const { control, handleSubmit, setValue } = useForm({
    resolver: zodResolver(schema),
    defaultValues: {
      provider_id: member?.provider_id ?? "",
      provider_name: member?.provider_name ?? "",
      model: member?.model ?? "",
      ...typed,
      capabilities: typedCapabilities(member?.capabilities),
    },
  });
  const done = handleSubmit(({ provider_id, provider_name, model, capabilities, ...price }) =>
    onDone({
      key: member?.key ?? `new-${Date.now()}`,
      provider_id,
      provider_name,
      model,
      price: readPrice({ ...price, others }),
      next_prices: member?.next_prices ?? [],
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
          <div className="grid grid-cols-1 gap-3 sm:grid-cols-3">
            <TextField control={control} name="input" label={words.input} inputMode="decimal" />
            <TextField control={control} name="cachedInput" label={words.cachedInput} inputMode="decimal" />
            <TextField control={control} name="output" label={words.output} inputMode="decimal" />
            <TextField control={control} name="cacheWrite" label={words.cacheWrite} inputMode="decimal" />
            <TextField control={control} name="cacheWrite1h" label={words.cacheWrite1h} inputMode="decimal" />
            <TextField control={control} name="reasoning" label={words.reasoning} inputMode="decimal" />
          </div>
          <p className="mt-1 text-sm text-ink-soft">{words.priceMore}</p>
        </fieldset>
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
