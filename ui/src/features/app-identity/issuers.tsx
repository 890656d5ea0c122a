import { useNavigate } from "@tanstack/react-router";
import { useWatch } from "react-hook-form";
import { z } from "zod";
import { serverNow } from "../../api/client";
import { useIdentity } from "../../api/identity";
import { type Item, type Resources, useList } from "../../api/resources";
import { LinkButton } from "../../design/Button";
import { createdColumn, nameColumn, ownerColumn } from "../../design/columns";
import { DataTable } from "../../design/DataTable";
import { SelectField, TextAreaField, TextField } from "../../design/Fields";
import { FilterBar, NameFilter, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { ago } from "../../design/format";
import { ItemOf, ListPage } from "../../design/ListPage";
import { OwnerField } from "../../design/OwnerField";
import { Page } from "../../design/Page";
import { ResourceForm } from "../../design/ResourceForm";
import { Notice } from "../../design/States";
import { toast } from "../../design/Toasts";
import { newIdentityRuleOf, paths } from "../../paths";
import { texts } from "../../texts";

const { common } = texts;
const { issuers: words } = texts.appIdentity;
type Issuer = Item<"token-issuers">;

/** The token issuers in one's scope and the platform's. */
export function TokenIssuersPage() {
  const { isPlatform } = useIdentity();
  const filters = useFilters("tenant_id", "q");
  const list = useList("token-issuers", filters.query);
  const { values, set } = filters;
  return (
    <ListPage
      title={words.title}
      lead={words.lead}
      add={{ to: paths.tokenIssuerNew, label: words.new, needs: "identity.write" }}
    >
      <FilterBar onClear={filters.clear}>
        <NameFilter value={values.q} onChange={(q) => set({ q })} />
        {isPlatform && <TenantFilter value={values.tenant_id} onChange={(tenant_id) => set({ tenant_id })} />}
      </FilterBar>
      <DataTable
        label={words.title}
        list={list}
        rowKey={(issuer) => issuer.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          nameColumn<Issuer>(paths.tokenIssuer),
          { title: words.issuer, width: "minmax(0,2fr)", cell: ({ issuer }) => issuer },
          { title: words.audiences, cell: ({ audiences }) => audiences.join(", "), secondary: true },
          ownerColumn<Issuer>(),
          createdColumn<Issuer>(),
        ]}
      />
    </ListPage>
  );
}

const lines = (text: string) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}

const schema = z
  .object({
    tenant_id: z.string(),
    name: z.string().trim().min(1, common.required),
    issuer: z.string().trim().min(1, common.required),
    audiences: z.string().refine((text) => lines(text).length > 0, words.audiencesNeeded),
    keys: z.enum(["url", "given"]),
    jwks_url: z.string(),
    jwks: z.string(),
    keys_kept_seconds: z.string().regex(/^\d+$/, common.number),
    header: z.string().trim().min(1, common.required),
  })
  .refine(({ keys, jwks_url }) => keys !== "url" || jwks_url.trim() !== "", {
    path: ["jwks_url"],
    error: common.required,
  })
  .refine(({ keys, jwks }) => keys !== "given" || isJson(jwks), { path: ["jwks"], error: words.jwksWrong });
type Form = z.infer<typeof schema>;

function settings(form: Form): Resources["token-issuers"]["patch"] {
  return {
    name: form.name,
    issuer: form.issuer,
    audiences: lines(form.audiences),
    jwks_url: form.keys === "url" ? form.jwks_url.trim() : null,
    jwks: form.keys === "given" ? JSON.parse(form.jwks) : null,
    keys_kept_seconds: Number(form.keys_kept_seconds),
    header: form.header,
  };
}

export function NewTokenIssuerPage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <IssuerForm />
    </Page>
  );
}

export function TokenIssuerPage() {
  const { may, identity } = useIdentity();
  return (
    <ItemOf resource="token-issuers">
      {(issuer) => (
        <Page
          title={issuer.name}
          width="form"
          actions={
            <>
              <LinkButton to={paths.discovered}>{words.discovered}</LinkButton>
              {may("identity.write", issuer.tenant_id ?? identity?.tenant_id) && (
                <LinkButton to={newIdentityRuleOf(issuer.id, issuer.tenant_id)}>{words.addRule}</LinkButton>
              )}
            </>
          }
        >
          <KeysRead issuer={issuer} />
          <IssuerForm key={issuer.id} issuer={issuer} />
        </Page>
      )}
    </ItemOf>
  );
}

/** Whether the control plane can read the keys, by which it notices that one is gone. */
function KeysRead({ issuer: { jwks_url, keys_failure, keys_read_at } }: { issuer: Issuer }) {
  if (jwks_url === null) return null;
  if (keys_failure) return <Notice tone="warn">{words.keysFailure(keys_failure)}</Notice>;
  return <Notice>{keys_read_at ? words.keysReadAt(ago(keys_read_at, serverNow())) : words.keysUnread}</Notice>;
}

function IssuerForm({ issuer }: { issuer?: Issuer }) {
  const navigate = useNavigate();
  const { isPlatform, identity, may } = useIdentity();
  const isPlatforms = issuer !== undefined && issuer.tenant_id === null;
  const mayWrite = may("identity.write", issuer ? issuer.tenant_id : identity?.tenant_id);
  return (
    <ResourceForm
      resource="token-issuers"
      item={issuer}
      schema={schema}
      label={issuer?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={mayWrite ? undefined : isPlatforms ? texts.states.notYours : texts.states.readOnly}
      toForm={(item): Form => ({
        tenant_id: item ? (item.tenant_id ?? "") : (identity?.tenant_id ?? ""),
        name: item?.name ?? "",
        issuer: item?.issuer ?? "",
        audiences: item?.audiences.join("\n") ?? "",
        keys: item && item.jwks_url === null ? "given" : "url",
        jwks_url: item?.jwks_url ?? "",
        jwks: item?.jwks ? JSON.stringify(item.jwks, null, 2) : "",
        keys_kept_seconds: String(item?.keys_kept_seconds ?? 300),
        header: item?.header ?? "authorization",
      })}
      toCreate={(form) => ({
        ...(settings(form) as Resources["token-issuers"]["create"]),
        tenant_id: form.tenant_id || null,
      })}
      toPatch={settings}
      onMade={(made) => {
        toast(common.created(made.name));
        // It leads nowhere before a rule says where.
        void navigate({ to: paths.tokenIssuer(made.id) as never });
      }}
      onRemoved={() => void navigate({ to: paths.tokenIssuers as never })}
    >
      {({ control }) => (
        <>
          {isPlatform && !issuer && <OwnerField control={control} name="tenant_id" />}
          <TextField control={control} name="name" label={common.name} autoFocus={!issuer} />
          <TextField control={control} name="issuer" label={words.issuer} help={words.issuerHelp} mono />
          <TextAreaField
            control={control}
            name="audiences"
            label={words.audiences}
            help={words.audiencesHelp}
            rows={3}
            mono
          />
          <KeysFields control={control} />
          <TextField control={control} name="header" label={words.header} help={words.headerHelp} mono />
        </>
      )}
    </ResourceForm>
  );
}

/** Where its public keys come from. */
function KeysFields({ control }: { control: Parameters<typeof TextField<Form>>[0]["control"] }) {
  const keys = useWatch({ control, name: "keys" });
  return (
    <>
      <SelectField
        control={control}
        name="keys"
        label={words.keys}
        options={Object.entries(words.keysFrom).map(([value, label]) => ({ value, label }))}
      />
      {keys === "url" ? (
        <>
          <TextField control={control} name="jwks_url" label={words.jwksUrl} help={words.jwksUrlHelp} type="url" mono />
          <TextField
            control={control}
            name="keys_kept_seconds"
            label={words.keptSeconds}
            help={words.keptSecondsHelp}
            inputMode="numeric"
          />
        </>
      ) : (
        <TextAreaField control={control} name="jwks" label={words.jwks} help={words.jwksHelp} rows={8} mono />
      )}
    </>
  );
}
