import { useNavigate, useParams } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { type Item, useItem, useList } from "../../api/resources";
import { LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { CheckboxField, TextField } from "../../design/Fields";
import { shortDateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Page } from "../../design/Page";
import { PickerField } from "../../design/Picker";
import { ResourceForm } from "../../design/ResourceForm";
import { Failed, Loading, NoAccess } from "../../design/States";
import { toast } from "../../design/Toasts";
import { ALL_ALLOWED, WaysInFields, waysInSchema } from "../../design/WaysInFields";
import { paths } from "../../paths";
import { texts } from "../../texts";

const { tenants: words, common } = texts;

/** All tenants. */
export function TenantsPage() {
  const { identity, isPlatform } = useIdentity();
  const list = useList("tenants");
  if (identity && !isPlatform) return <NoAccess />;
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        <LinkButton to={paths.tenantNew} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
          {words.new}
        </LinkButton>
      }
    >
      <DataTable
        label={words.title}
        list={list}
        rowKey={(tenant) => tenant.id}
        empty={words.empty}
        columns={[
          {
            title: common.name,
            width: "minmax(0,2fr)",
            cell: (tenant) => <AppLink to={paths.tenant(tenant.id)}>{tenant.name}</AppLink>,
          },
          { title: words.timeZone, cell: (tenant) => tenant.time_zone },
          {
            title: words.profile,
            cell: (tenant) => tenant.guardrail_profile_name ?? tenant.guardrail_profile_id ?? common.none,
          },
          {
            title: common.createdAt,
            width: "9rem",
            secondary: true,
            cell: (tenant) => shortDateTime(tenant.created_at),
          },
        ]}
      />
    </Page>
  );
}

const schema = z.object({
  name: z.string().trim().min(1, common.required),
  time_zone: z.string().trim().min(1, common.required),
  guardrail_profile_id: z.string(),
  keys_may_loosen_guardrails: z.boolean(),
  ways_in: waysInSchema,
});

export function NewTenantPage() {
  return (
    <Page title={words.newTitle} lead={words.lead} width="form">
      <TenantForm />
    </Page>
  );
}

export function TenantPage() {
  const { id } = useParams({ strict: false });
  const tenant = useItem("tenants", id);
  if (tenant.isPending) return <Loading />;
  if (tenant.error) return <Failed error={tenant.error} onRetry={() => tenant.refetch()} />;
  return (
    <Page
      title={tenant.data.name}
      width="form"
      actions={<LinkButton to={`${paths.keyNew}?tenant_id=${tenant.data.id}`}>{texts.keys.new}</LinkButton>}
    >
      <TenantForm key={tenant.data.id} tenant={tenant.data} />
    </Page>
  );
}

function TenantForm({ tenant }: { tenant?: Item<"tenants"> }) {
  const navigate = useNavigate();
  const { isPlatform } = useIdentity();
  const zones = Intl.supportedValuesOf?.("timeZone") ?? [];
  return (
    <ResourceForm
      resource="tenants"
      item={tenant}
      schema={schema}
      label={tenant?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={isPlatform ? undefined : texts.states.readOnly}
      toForm={(item) => ({
        name: item?.name ?? "",
        time_zone: item?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
        guardrail_profile_id: item?.guardrail_profile_id ?? "",
        keys_may_loosen_guardrails: item?.keys_may_loosen_guardrails ?? false,
        ways_in: item?.ways_in ?? ALL_ALLOWED,
      })}
      toCreate={(form) => ({ ...form, guardrail_profile_id: form.guardrail_profile_id || null })}
      toPatch={(form) => ({ ...form, guardrail_profile_id: form.guardrail_profile_id || null })}
      onMade={(made) => {
        toast(common.created(made.name));
        // Onboarding goes on: a tenant without a key can do nothing.
        void navigate({ to: paths.keyNew as never, search: { tenant_id: made.id } as never });
      }}
      onRemoved={() => void navigate({ to: paths.tenants as never })}
    >
      {({ control }) => (
        <>
          <TextField control={control} name="name" label={common.name} autoFocus={!tenant} />
          <TextField
            control={control}
            name="time_zone"
            label={words.timeZone}
            help={words.timeZoneHelp}
            list="time-zones"
          />
          <datalist id="time-zones">
            {zones.map((zone) => (
              <option key={zone} value={zone} />
            ))}
          </datalist>
          <PickerField
            resource="guardrails/profiles"
            control={control}
            name="guardrail_profile_id"
            label={words.profile}
            help={words.profileHelp}
            none={common.none}
            // A tenant has the platform's profiles and its own.
            accepts={({ tenant_id }) => !tenant_id || tenant_id === tenant?.id}
          />
          <CheckboxField
            control={control}
            name="keys_may_loosen_guardrails"
            label={words.mayLoosen}
            help={words.mayLoosenHelp}
          />
          <WaysInFields control={control} help={texts.waysIn.ofTenant} />
        </>
      )}
    </ResourceForm>
  );
}
