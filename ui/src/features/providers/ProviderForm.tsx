import { useNavigate } from "@tanstack/react-router";
import { type Control, useWatch } from "react-hook-form";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import type { Item } from "../../api/resources";
import { CapabilitiesFields } from "../../design/CapabilitiesFields";
import { capabilityValues, readCapabilities, typedCapabilities } from "../../design/capabilities";
import { SelectField, TextField } from "../../design/Fields";
import { OwnerField } from "../../design/OwnerField";
import { ResourceForm } from "../../design/ResourceForm";
import { toast } from "../../design/Toasts";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { Check } from "./Check";
import { type Kind, kinds, schemas } from "./kinds";

const { providers: words, common } = texts;

const schema = z.object({
  tenant_id: z.string(),
  name: z.string().trim().min(1, common.required),
  schema: z.enum(schemas),
  base_url: z.string().trim().min(1, common.required),
  preset: z.string(),
  query: z.string().trim(),
  credential: z.string(),
  also_speaks: z.string(),
  authentication: z.object({ header: z.string().trim(), prefix: z.string() }),
  capabilities: capabilityValues,
});
type Values = z.infer<typeof schema>;

const settings = (form: Values, before: Item<"providers"> | undefined) => ({
  name: form.name,
  schema: form.schema,
  base_url: form.base_url,
  preset: form.preset || null,
  query: form.query,
  also_speaks: form.also_speaks.split(",").flatMap((name) => name.trim() || []),
  authentication: authentication(form.authentication),
  capabilities: readCapabilities(form.capabilities, before?.capabilities) ?? {},
});

const creation = (form: Values, before: Item<"providers"> | undefined) => ({
  ...settings(form, before),
  tenant_id: form.tenant_id || null,
  credential: form.credential || null,
});

/** `Bearer` without its blank would run into the credential. */
function authentication({ header, prefix }: Values["authentication"]) {
  if (header === "") return null;
  return prefix === "" ? { header } : { header, prefix: /[\w]$/.test(prefix) ? `${prefix} ` : prefix };
}

/** A provider: a new one of a kind, or one that there is. */
export function ProviderForm({ provider, kind }: { provider?: Item<"providers">; kind?: Kind }) {
  const navigate = useNavigate();
  const { isPlatform, identity, mayWrite } = useIdentity();
  const isWritable = provider ? mayWrite(provider.tenant_id) : isPlatform || mayWrite(identity?.tenant_id);
  return (
    <ResourceForm
      resource="providers"
      item={provider}
      schema={schema}
      label={provider?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={isWritable ? undefined : texts.states.readOnly}
      toForm={(item): Values => ({
        tenant_id: item ? (item.tenant_id ?? "") : (identity?.tenant_id ?? ""),
        name: item?.name ?? kind?.preset.replaceAll("_", "-") ?? "",
        schema: (item?.schema ?? kind?.schema ?? "openai") as Values["schema"],
        base_url: item?.base_url ?? kind?.baseUrl ?? "",
        preset: item ? (item.preset ?? "") : (kind?.preset ?? ""),
        query: item?.query ?? kind?.query ?? "",
        credential: "",
        also_speaks: item?.also_speaks.join(", ") ?? "",
        authentication: { header: item?.authentication?.header ?? "", prefix: item?.authentication?.prefix ?? "" },
        capabilities: typedCapabilities(item?.capabilities),
      })}
      toCreate={(form) => creation(form, undefined)}
      toPatch={(form) => ({ ...settings(form, provider), ...(form.credential ? { credential: form.credential } : {}) })}
      onMade={(made) => {
        toast(common.created(made.name));
        // A provider whose models nobody can ask for does nothing yet.
        void navigate({ to: paths.providerModels(made.id) as never, replace: true });
      }}
      onRemoved={() => void navigate({ to: paths.providers as never })}
    >
      {({ control, trigger, getValues }) => (
        <>
          {isPlatform && !provider && <OwnerField control={control} name="tenant_id" />}
          <TextField control={control} name="name" label={common.name} />
          <TextField
            control={control}
            name="base_url"
            label={words.baseUrl}
            help={words.baseUrlHelp}
            type="url"
            placeholder={kind?.hint}
            mono
          />
          <TextField
            control={control}
            name="credential"
            label={words.credential}
            help={provider?.has_credential ? words.credentialKeep : <CredentialHelp control={control} />}
            type="password"
            autoComplete="off"
            optional
          />
          <div className="grid gap-5 sm:grid-cols-2">
            <SelectField
              control={control}
              name="preset"
              label={words.preset}
              options={[
                { value: "", label: words.byHost },
                ...kinds.map((each) => ({ value: each.preset, label: each.label })),
              ]}
            />
            <SelectField
              control={control}
              name="schema"
              label={words.schema}
              options={schemas.map((schema) => ({ value: schema, label: schema }))}
            />
          </div>
          <TextField control={control} name="query" label={words.query} help={words.queryHelp} mono optional />
          <TextField
            control={control}
            name="also_speaks"
            label={words.alsoSpeaks}
            help={words.alsoSpeaksHelp}
            mono
            optional
          />
          <fieldset>
            <legend className="text-sm font-medium">{words.authentication}</legend>
            <p className="mb-2 text-sm text-ink-soft">{words.authenticationHelp}</p>
            <div className="grid gap-5 sm:grid-cols-2">
              <TextField
                control={control}
                name="authentication.header"
                label={words.header}
                placeholder="x-api-key"
                mono
              />
              <TextField
                control={control}
                name="authentication.prefix"
                label={words.headerPrefix}
                help={words.headerPrefixHelp}
                mono
              />
            </div>
          </fieldset>
          <CapabilitiesFields control={control} name="capabilities" />
          {isWritable && (
            <Check
              id={provider?.id}
              describe={async () => ((await trigger()) ? creation(getValues(), provider) : undefined)}
            />
          )}
        </>
      )}
    </ResourceForm>
  );
}

/** Which credential a kind of server takes, and what becomes of it. */
function CredentialHelp({ control }: { control: Control<Values> }) {
  const preset = useWatch({ control, name: "preset" });
  return [words.credentials[preset], words.credentialHelp].filter(Boolean).join(" ");
}
