import { useNavigate, useParams } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useWatch } from "react-hook-form";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { type Item, useItem, useList } from "../../api/resources";
import { Badge } from "../../design/Badge";
import { LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { CheckboxField, Select, SelectField, TextAreaField, TextField } from "../../design/Fields";
import { FilterBar, NameFilter, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { shortDateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { patchLabels, readLabels, writeLabels } from "../../design/labels";
import { Page } from "../../design/Page";
import { PickerField } from "../../design/Picker";
import { ResourceForm } from "../../design/ResourceForm";
import { Failed, Loading } from "../../design/States";
import { TenantField } from "../../design/TenantField";
import { toast } from "../../design/Toasts";
import { accountKeys, paths } from "../../paths";
import { texts } from "../../texts";

const { common, identity: shared } = texts;
const words = shared.accounts;
type Account = Item<"service-accounts">;

/** The service accounts in one's scope. */
export function ServiceAccountsPage() {
  const { isPlatform, identity, may } = useIdentity();
  const filters = useFilters("tenant_id", "q", "state");
  const list = useList("service-accounts", filters.query);
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        may("service_accounts.write", identity?.tenant_id) && (
          <LinkButton to={paths.accountNew} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
            {words.new}
          </LinkButton>
        )
      }
    >
      <FilterBar onClear={filters.clear}>
        <NameFilter value={filters.values.q} onChange={(q) => filters.set({ q })} />
        {isPlatform && (
          <TenantFilter value={filters.values.tenant_id} onChange={(tenant_id) => filters.set({ tenant_id })} />
        )}
        <Select
          label={shared.state}
          value={filters.values.state}
          onChange={(state) => filters.set({ state })}
          options={[
            { value: "", label: common.all },
            { value: "active", label: shared.active },
            { value: "disabled", label: shared.disabled },
          ]}
        />
      </FilterBar>
      <DataTable
        label={words.title}
        list={list}
        rowKey={(account) => account.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          {
            title: common.name,
            width: "minmax(0,1.5fr)",
            cell: (account) => <AppLink to={paths.account(account.id)}>{account.name}</AppLink>,
          },
          { title: shared.department, cell: (account) => account.department_name ?? shared.noDepartment },
          ...(isPlatform
            ? [{ title: common.tenant, cell: (account: Account) => account.tenant_name ?? account.tenant_id }]
            : []),
          {
            title: shared.state,
            width: "7rem",
            cell: (account) => (
              <Badge tone={account.disabled ? "bad" : "good"}>
                {account.disabled ? shared.disabled : shared.active}
              </Badge>
            ),
          },
          {
            title: common.createdAt,
            width: "9rem",
            secondary: true,
            cell: (account) => shortDateTime(account.created_at),
          },
        ]}
      />
    </Page>
  );
}

const schema = z.object({
  tenant_id: z.string().min(1, common.required),
  name: z.string().trim().min(1, common.required),
  department_id: z.string(),
  environment: z.string(),
  guardrail_profile_id: z.string(),
  labels: z.string().refine((text) => readLabels(text), shared.labelsWrong),
  disabled: z.boolean(),
});

export function NewServiceAccountPage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <AccountForm />
    </Page>
  );
}

export function ServiceAccountPage() {
  const { id } = useParams({ strict: false });
  const account = useItem("service-accounts", id);
  if (account.isPending) return <Loading />;
  if (account.error) return <Failed error={account.error} onRetry={() => account.refetch()} />;
  return (
    <Page
      title={account.data.name}
      width="form"
      actions={<LinkButton to={accountKeys(account.data.id)}>{words.keys}</LinkButton>}
    >
      <AccountForm key={account.data.id} account={account.data} />
    </Page>
  );
}

function AccountForm({ account }: { account?: Account }) {
  const navigate = useNavigate();
  const { isPlatform, identity, may } = useIdentity();
  const tenantId = account?.tenant_id ?? identity?.tenant_id ?? "";
  const settings = (form: z.infer<typeof schema>) => ({
    name: form.name,
    department_id: form.department_id || null,
    environment: (form.environment || null) as Account["environment"],
    guardrail_profile_id: form.guardrail_profile_id || null,
    labels: patchLabels(account?.labels ?? {}, readLabels(form.labels) ?? {}) as Record<string, string>,
    disabled: form.disabled,
  });
  return (
    <ResourceForm
      resource="service-accounts"
      item={account}
      schema={schema}
      label={account?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={isPlatform || may("service_accounts.write", tenantId) ? undefined : texts.states.readOnly}
      toForm={(item) => ({
        tenant_id: tenantId,
        name: item?.name ?? "",
        department_id: item?.department_id ?? "",
        environment: item?.environment ?? "",
        guardrail_profile_id: item?.guardrail_profile_id ?? "",
        labels: writeLabels(item?.labels),
        disabled: item?.disabled ?? false,
      })}
      toCreate={(form) => ({ tenant_id: form.tenant_id, ...settings(form) })}
      toPatch={settings}
      onMade={(made) => {
        toast(common.created(made.name));
        void navigate({ to: paths.account(made.id) as never });
      }}
      onRemoved={() => void navigate({ to: paths.accounts as never })}
    >
      {({ control }) => (
        <>
          {isPlatform && !account && <TenantField control={control} name="tenant_id" />}
          <TextField control={control} name="name" label={common.name} autoFocus={!account} />
          <ChoiceFields control={control} />
          <SelectField
            control={control}
            name="environment"
            label={shared.environment}
            options={[
              { value: "", label: shared.anyEnvironment },
              ...Object.entries(shared.environments).map(([value, label]) => ({ value, label })),
            ]}
          />
          <TextAreaField
            control={control}
            name="labels"
            label={shared.labels}
            help={shared.labelsHelp}
            rows={3}
            optional
            mono
          />
          <CheckboxField control={control} name="disabled" label={shared.disabledAccount} />
        </>
      )}
    </ResourceForm>
  );
}

/** What is of the chosen tenant. */
function ChoiceFields({ control }: { control: Parameters<typeof TextField<z.infer<typeof schema>>>[0]["control"] }) {
  const tenantId = useWatch({ control, name: "tenant_id" });
  return (
    <>
      <PickerField
        resource="departments"
        control={control}
        name="department_id"
        label={shared.department}
        none={shared.noDepartment}
        filter={{ tenant_id: tenantId || undefined }}
      />
      <PickerField
        resource="guardrails/profiles"
        control={control}
        name="guardrail_profile_id"
        label={shared.profile}
        help={words.profileHelp}
        none={common.none}
        accepts={({ tenant_id }) => !tenant_id || tenant_id === tenantId}
      />
    </>
  );
}
