import { useNavigate, useSearch } from "@tanstack/react-router";
import { Plus, Trash2 } from "lucide-react";
import { type Control, useFieldArray, useFormState, useWatch } from "react-hook-form";
import { useIdentity } from "../../api/identity";
import { useItem, useList } from "../../api/resources";
import { Button, LinkButton } from "../../design/Button";
import { nameColumn, tenantColumn } from "../../design/columns";
import { DataTable } from "../../design/DataTable";
import { SelectField, TextAreaField, TextField } from "../../design/Fields";
import { FilterBar, NameFilter, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { ItemOf, ListPage } from "../../design/ListPage";
import { LabelsField } from "../../design/OwnedFields";
import { Page } from "../../design/Page";
import { PickerField } from "../../design/Picker";
import { ResourceForm } from "../../design/ResourceForm";
import { Notice } from "../../design/States";
import { TenantField } from "../../design/TenantField";
import { toast } from "../../design/Toasts";
import { keysNamed, paths } from "../../paths";
import { texts } from "../../texts";
import { ClaimGrants } from "./ClaimGrants";
import { inWords } from "./inWords";
import { LeadsFields } from "./LeadsFields";
import { FIELD_NAMES, type Form, type Rule, saidOf, schema, toCreate, toForm, toPatch } from "./ruleForm";

const { common } = texts;
const { rules: words } = texts.appIdentity;
const optionsOf = (names: Record<string, string>) => Object.entries(names).map(([value, label]) => ({ value, label }));

/** The identity rules in one's scope. */
export function IdentityRulesPage() {
  const { isPlatform } = useIdentity();
  const filters = useFilters("tenant_id", "q");
  const list = useList("identity-rules", filters.query);
  const { values, set } = filters;
  return (
    <ListPage
      title={words.title}
      lead={words.lead}
      add={{ to: paths.identityRuleNew, label: words.new, needs: "identity.write" }}
    >
      <FilterBar onClear={filters.clear}>
        <NameFilter value={values.q} onChange={(q) => set({ q })} />
        {isPlatform && <TenantFilter value={values.tenant_id} onChange={(tenant_id) => set({ tenant_id })} />}
      </FilterBar>
      <DataTable
        label={words.title}
        list={list}
        rowKey={(rule) => rule.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          nameColumn<Rule>(paths.identityRule),
          {
            title: words.says,
            width: "minmax(0,3fr)",
            cell: (rule) => <span className="whitespace-normal">{inWords(saidOf(rule))}</span>,
          },
          { title: words.position, width: "6rem", numeric: true, cell: ({ position }) => position },
          ...tenantColumn<Rule>(isPlatform),
        ]}
      />
    </ListPage>
  );
}

export function NewIdentityRulePage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <RuleForm />
    </Page>
  );
}

export function IdentityRulePage() {
  return (
    <ItemOf resource="identity-rules">
      {(rule) => (
        <Page
          title={rule.name}
          width="form"
          actions={<LinkButton to={keysNamed(rule.name, rule.tenant_id)}>{words.callers}</LinkButton>}
        >
          <RuleForm key={rule.id} rule={rule} />
        </Page>
      )}
    </ItemOf>
  );
}

function RuleForm({ rule }: { rule?: Rule }) {
  const navigate = useNavigate();
  const chosen = useSearch({ strict: false }) as { token_issuer_id?: string; tenant_id?: string };
  const { isPlatform, identity, may } = useIdentity();
  const tenantId = rule?.tenant_id ?? identity?.tenant_id ?? chosen.tenant_id ?? "";
  return (
    <ResourceForm
      resource="identity-rules"
      item={rule}
      schema={schema}
      label={rule?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={isPlatform || may("identity.write", tenantId) ? undefined : texts.states.readOnly}
      toForm={(item) => toForm(item, tenantId, chosen.token_issuer_id)}
      toCreate={toCreate}
      toPatch={(form) => toPatch(form, rule)}
      fieldNames={FIELD_NAMES}
      hasStreams
      onMade={(made) => {
        toast(common.created(made.name));
        void navigate({ to: paths.identityRules as never });
      }}
      onRemoved={() => void navigate({ to: paths.identityRules as never })}
    >
      {({ control }) => (
        <>
          <Sentence control={control} rule={rule} />
          {isPlatform && !rule && <TenantField control={control} name="tenant_id" />}
          <TextField control={control} name="name" label={common.name} autoFocus={!rule} />
          {!isPlatform && <p className="text-sm text-ink-soft">{words.platformOnly}</p>}
          <MatchFields control={control} />
          <Leads control={control} />
          <TextField
            control={control}
            name="position"
            label={words.position}
            help={words.positionHelp}
            inputMode="numeric"
          />
          <LabelsField control={control} />
          <LabelClaims control={control} />
          <ClaimGrants control={control} />
        </>
      )}
    </ResourceForm>
  );
}

/** What the rule says as it is written now. */
function Sentence({ control, rule }: { control: Control<Form>; rule?: Rule }) {
  const form = useWatch({ control }) as Form;
  const issuer = useItem("token-issuers", form.token_issuer_id || undefined).data;
  const account = useItem("service-accounts", form.service_account_id || undefined).data;
  const department = useItem("departments", form.department_id || undefined).data;
  const { isPlatform } = useIdentity();
  const tenant = useItem("tenants", (isPlatform && form.tenant_id) || undefined).data;
  const said = {
    issuer: issuer?.name ?? "",
    account: account?.name ?? "",
    department: department?.name ?? "",
    tenant: tenant?.name ?? rule?.tenant_name ?? "",
  };
  return (
    <Notice>
      <span aria-live="polite">{inWords({ ...form, ...said })}</span>
    </Notice>
  );
}

function MatchFields({ control }: { control: Control<Form> }) {
  const { isPlatform } = useIdentity();
  const [match, workload, tenantId] = useWatch({ control, name: ["match", "workload", "tenant_id"] });
  return (
    <>
      <SelectField control={control} name="match" label={words.matches} options={optionsOf(words.match)} />
      {match === "token" ? (
        <>
          <PickerField
            resource="token-issuers"
            control={control}
            name="token_issuer_id"
            label={words.issuer}
            accepts={({ tenant_id }) => (tenant_id === null ? isPlatform : tenant_id === tenantId)}
          />
          <TextField control={control} name="audience" label={words.audience} help={words.audienceHelp} mono optional />
          <ClaimsField control={control} />
        </>
      ) : (
        <>
          <SelectField control={control} name="workload" label={words.workload} options={optionsOf(words.workloads)} />
          <TextField
            control={control}
            name="workload_value"
            label={words.workloadValues[workload]}
            help={words.workloadHelps[workload]}
            mono
          />
        </>
      )}
    </>
  );
}

/** What the claims must be, condition by condition. */
function ClaimsField({ control }: { control: Control<Form> }) {
  const { fields, append, remove } = useFieldArray({ control, name: "claims" });
  const { errors } = useFormState({ control, name: "claims" });
  return (
    <fieldset className="grid gap-3">
      <legend className="text-sm font-medium">{words.claims}</legend>
      <p className="text-sm text-ink-soft">{words.claimsLead}</p>
      {errors.claims?.message && <p className="text-sm text-bad">{errors.claims.message}</p>}
      {fields.map(({ id }, index) => (
        <fieldset
          key={id}
          className="grid items-start gap-3 rounded-md border border-line p-3 sm:grid-cols-[minmax(0,1fr)_8rem_minmax(0,1fr)_auto]"
        >
          <legend className="sr-only">{words.claim(index + 1)}</legend>
          <TextField control={control} name={`claims.${index}.path`} label={words.path} help={words.pathHelp} mono />
          <SelectField
            control={control}
            name={`claims.${index}.test`}
            label={words.test}
            options={optionsOf(words.tests)}
          />
          <TextField control={control} name={`claims.${index}.value`} label={words.value} mono />
          <Button
            kind="quiet"
            className="sm:mt-6"
            aria-label={words.removeClaim(index + 1)}
            onPress={() => remove(index)}
          >
            <Trash2 aria-hidden className="size-4" />
          </Button>
        </fieldset>
      ))}
      <div>
        <Button
          icon={<Plus aria-hidden className="size-4" />}
          onPress={() => append({ path: "", test: "equals", value: "" })}
        >
          {words.addClaim}
        </Button>
      </div>
    </fieldset>
  );
}

function Leads({ control }: { control: Control<Form> }) {
  const match = useWatch({ control, name: "match" });
  return <LeadsFields control={control} isToken={match === "token"} />;
}

/** Labels whose values the token says: of users alone, since others come as one. */
function LabelClaims({ control }: { control: Control<Form> }) {
  const leads = useWatch({ control, name: "leads" });
  if (leads !== "person") return null;
  return (
    <TextAreaField
      control={control}
      name="label_claims"
      label={words.labelClaims}
      help={words.labelClaimsHelp}
      rows={3}
      optional
      mono
    />
  );
}
