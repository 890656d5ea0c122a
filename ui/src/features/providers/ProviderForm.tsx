import { useNavigate } from "@tanstack/react-router";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import type { Item } from "../../api/resources";
import { SelectField, TextField } from "../../design/Fields";
import { OwnerField } from "../../design/OwnerField";
import { ResourceForm } from "../../design/ResourceForm";
import { toast } from "../../design/Toasts";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { type Kind, kinds } from "./kinds";

const { providers: words, common } = texts;

const schema = z.object({
  tenant_id: z.string(),
  name: z.string().trim().min(1, common.required),
  schema: z.enum(["openai", "anthropic"]),
  base_url: z.string().trim().min(1, common.required),
  preset: z.string(),
  query: z.string().trim(),
  credential: z.string(),
});
type Values = z.infer<typeof schema>;

const settings = ({ name, schema: spoken, base_url, preset, query }: Values) => ({
  name,
  schema: spoken,
  base_url,
  preset: preset || null,
  query,
});

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
        query: item?.query ?? "",
        credential: "",
      })}
      toCreate={(form) => ({
        ...settings(form),
        tenant_id: form.tenant_id || null,
        credential: form.credential || null,
      })}
      toPatch={(form) => ({ ...settings(form), ...(form.credential ? { credential: form.credential } : {}) })}
      onMade={(made) => {
        toast(common.created(made.name));
        void navigate({ to: paths.providers as never });
      }}
      onRemoved={() => void navigate({ to: paths.providers as never })}
    >
      {({ control }) => (
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
            help={provider?.has_credential ? words.credentialKeep : words.credentialHelp}
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
              options={[
                { value: "openai", label: "openai" },
                { value: "anthropic", label: "anthropic" },
              ]}
            />
          </div>
          <TextField control={control} name="query" label={words.query} help={words.queryHelp} mono optional />
        </>
      )}
    </ResourceForm>
  );
}
