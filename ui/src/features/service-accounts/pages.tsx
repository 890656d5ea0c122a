import { useNavigate } from "@tanstack/react-router";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { type Item, useList } from "../../api/resources";
import { LinkButton } from "../../design/Button";
import { createdColumn, departmentColumn, disabledColumn, nameColumn, tenantColumn } from "../../design/columns";
import { DataTable } from "../../design/DataTable";
import { EffectiveLimits } from "../../design/EffectiveLimits";
import { EffectivePolicy } from "../../design/EffectivePolicy";
import { CheckboxField, TextField } from "../../design/Fields";
import { FilterBar, NameFilter, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { ItemOf, ListPage } from "../../design/ListPage";
import { patchLabels, readLabels, writeLabels } from "../../design/labels";
import { DepartmentField, EnvironmentField, LabelsField, labelsSchema, ProfileField } from "../../design/OwnedFields";
import { DepartmentFilter, DisabledFilter, EnvironmentFilter, LabelFilter } from "../../design/OwnedFilters";
import { Page } from "../../design/Page";
import { ResourceForm } from "../../design/ResourceForm";
import { TenantField } from "../../design/TenantField";
import { toast } from "../../design/Toasts";
import { accountKeys, paths } from "../../paths";
import { texts } from "../../texts";

const { common, identity: shared } = texts;
const words = shared.accounts;
type Account = Item<"service-accounts">;

/** The service accounts in one's scope. */
export function ServiceAccountsPage() {
  const { isPlatform } = useIdentity();
  const filters = useFilters("tenant_id", "q", "department_id", "environment", "label", "state");
  const list = useList("service-accounts", filters.query);
  const { values, set } = filters;
  return (
    <ListPage
      title={words.title}
      lead={words.lead}
      add={{ to: paths.accountNew, label: words.new, needs: "service_accounts.write" }}
    >
      <FilterBar onClear={filters.clear}>
        <NameFilter value={values.q} onChange={(q) => set({ q })} />
        {isPlatform && <TenantFilter value={values.tenant_id} onChange={(tenant_id) => set({ tenant_id })} />}
        <DepartmentFilter
          tenantId={values.tenant_id}
          value={values.department_id}
          onChange={(department_id) => set({ department_id })}
        />
        <DisabledFilter value={values.state} onChange={(state) => set({ state })} />
        <EnvironmentFilter value={values.environment} onChange={(environment) => set({ environment })} />
        <LabelFilter value={values.label} onChange={(label) => set({ label })} />
      </FilterBar>
      <DataTable
        label={words.title}
        list={list}
        rowKey={(account) => account.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          nameColumn(paths.account),
          departmentColumn(),
          ...tenantColumn<Account>(isPlatform),
          disabledColumn(),
          createdColumn(),
        ]}
      />
    </ListPage>
  );
}

const schema = z.object({
  tenant_id: z.string().min(1, common.required),
  name: z.string().trim().min(1, common.required),
  department_id: z.string(),
  environment: z.string(),
  guardrail_profile_id: z.string(),
  labels: labelsSchema,
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
  return (
    <ItemOf resource="service-accounts">
      {(account) => (
        <Page
          title={account.name}
          width="form"
          actions={<LinkButton to={accountKeys(account.id)}>{words.keys}</LinkButton>}
        >
          <AccountForm key={account.id} account={account} />
          <EffectivePolicy of="service-accounts" id={account.id} />
          <EffectiveLimits of="service-accounts" id={account.id} />
        </Page>
      )}
    </ItemOf>
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
      hasStreams
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
          <DepartmentField control={control} />
          <ProfileField control={control} help={words.profileHelp} />
          <EnvironmentField control={control} />
          <LabelsField control={control} />
          <CheckboxField control={control} name="disabled" label={shared.disabledAccount} />
        </>
      )}
    </ResourceForm>
  );
}
