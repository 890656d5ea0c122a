import { useNavigate, useParams } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useCallback } from "react";
import { type Control, useWatch } from "react-hook-form";
import { useIdentity } from "../../api/identity";
import { type Item, useItem, useList } from "../../api/resources";
import { LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { CopyButton } from "../../design/Dialog";
import { CheckboxField, TextField } from "../../design/Fields";
import { AppLink } from "../../design/Link";
import { OwnerField } from "../../design/OwnerField";
import { Facts, Page, Section } from "../../design/Page";
import { ResourceForm } from "../../design/ResourceForm";
import { Failed, Loading } from "../../design/States";
import { toast } from "../../design/Toasts";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { Check } from "./Check";
import { type Form, schema, toCreate, toForm, toPatch } from "./form";
import { Rules } from "./Rules";

const { signInProviders: words, common } = texts;

/** All identity providers in one's scope. */
export function SignInProvidersPage() {
  const { identity, isPlatform, may } = useIdentity();
  const list = useList("sign-in-providers");
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        may("sign_in.write", identity?.tenant_id) && (
          <LinkButton to={paths.signInProviderNew} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
            {words.new}
          </LinkButton>
        )
      }
    >
      <DataTable
        label={words.title}
        list={list}
        rowKey={(provider) => provider.id}
        empty={words.empty}
        columns={[
          {
            title: common.name,
            cell: (provider) => <AppLink to={paths.signInProvider(provider.id)}>{provider.name}</AppLink>,
          },
          { title: words.issuer, width: "minmax(0,2fr)", cell: (provider) => provider.issuer },
          ...(isPlatform
            ? [
                {
                  title: words.owner,
                  cell: (provider: Item<"sign-in-providers">) =>
                    provider.tenant_name ?? provider.tenant_id ?? common.platform,
                },
              ]
            : []),
          {
            title: words.onlyWayIn,
            width: "8rem",
            cell: ({ is_only_way_in }) => (is_only_way_in ? common.yes : common.no),
          },
        ]}
      />
    </Page>
  );
}

export function NewSignInProviderPage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <ProviderForm />
    </Page>
  );
}

export function SignInProviderPage() {
  const { id } = useParams({ strict: false });
  const provider = useItem("sign-in-providers", id);
  if (provider.isPending) return <Loading />;
  if (provider.error) return <Failed error={provider.error} onRetry={() => provider.refetch()} />;
  return (
    <Page title={provider.data.name} width="form">
      <Addresses id={provider.data.id} />
      <ProviderForm key={provider.data.id} provider={provider.data} />
    </Page>
  );
}

/** What the issuer must know of this installation. */
function Addresses({ id }: { id: string }) {
  const { origin } = globalThis.location;
  const copied = (text: string) => (
    <span className="flex items-center gap-2">
      <code className="min-w-0 font-mono text-xs break-all">{text}</code>
      <CopyButton text={text} />
    </span>
  );
  const base = `${origin}/api/v1/admin/auth/oidc/${id}`;
  return (
    <Section title={words.addresses} lead={words.addressesLead}>
      <Facts
        facts={[
          [words.redirectUri, copied(`${base}/callback`)],
          [words.logoutUri, copied(`${base}/logout`)],
          [words.afterLogoutUri, copied(`${origin}${paths.signIn}`)],
        ]}
      />
    </Section>
  );
}

function ProviderForm({ provider }: { provider?: Item<"sign-in-providers"> }) {
  const navigate = useNavigate();
  const { identity, isPlatform, may } = useIdentity();
  const owner = identity?.tenant_id ?? "";
  const form = useCallback((item: Item<"sign-in-providers"> | undefined) => toForm(item, owner), [owner]);
  return (
    <ResourceForm
      resource="sign-in-providers"
      item={provider}
      schema={schema}
      label={provider?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={
        may("sign_in.write", provider ? provider.tenant_id : identity?.tenant_id) ? undefined : texts.states.readOnly
      }
      toForm={form}
      toCreate={toCreate}
      toPatch={toPatch}
      onMade={(made) => {
        toast(common.created(made.name));
        // What the issuer must know of it can be told only now.
        void navigate({ to: paths.signInProvider(made.id) as never });
      }}
      onRemoved={() => void navigate({ to: paths.signInProviders as never })}
    >
      {({ control, getValues }) => (
        <>
          <TextField control={control} name="name" label={common.name} help={words.nameHelp} autoFocus={!provider} />
          {!provider && isPlatform && (
            <OwnerField control={control} name="tenant_id" label={words.owner} help={words.ownerHelp} />
          )}
          <TextField control={control} name="issuer" label={words.issuer} help={words.issuerHelp} type="url" mono />
          <Check describe={() => ({ issuer: getValues("issuer").trim(), tenant_id: getValues("tenant_id") || null })} />
          <TextField control={control} name="client_id" label={words.clientId} autoComplete="off" mono />
          <TextField
            control={control}
            name="client_secret"
            label={words.clientSecret}
            help={provider?.has_client_secret ? words.clientSecretKeep : words.clientSecretHelp}
            optional
            type="password"
            autoComplete="off"
          />
          <TextField control={control} name="scopes" label={words.scopes} help={words.scopesHelp} mono />
          <TextField
            control={control}
            name="claims.groups"
            label={words.groupsClaim}
            help={words.groupsClaimHelp}
            mono
          />
          <TextField control={control} name="claims.email" label={words.emailClaim} mono />
          <OwnRules control={control} />
          <CheckboxField
            control={control}
            name="creates_users"
            label={words.createsUsers}
            help={words.createsUsersHelp}
          />
          <CheckboxField control={control} name="is_only_way_in" label={words.onlyWayIn} help={words.onlyWayInHelp} />
        </>
      )}
    </ResourceForm>
  );
}

function OwnRules({ control }: { control: Control<Form> }) {
  const tenant = useWatch({ control, name: "tenant_id" });
  return <Rules control={control} isTenants={tenant !== ""} />;
}
