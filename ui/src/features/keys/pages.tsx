import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { Ban, Plus } from "lucide-react";
import { useState } from "react";
import { useWatch } from "react-hook-form";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { forget, type Item, removeOne, useItem, useList } from "../../api/resources";
import { Badge } from "../../design/Badge";
import { BulkBar, useSelection } from "../../design/Bulk";
import { Button, LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { Confirm, SecretOnce } from "../../design/Dialog";
import { CheckboxField, Select, SelectField, TextAreaField, TextField } from "../../design/Fields";
import { FilterBar, NameFilter, TenantFilter, TextFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { count, dateTime, fromLocalInput, shortDateTime, toLocalInput } from "../../design/format";
import { AppLink } from "../../design/Link";
import { patchLabels, readLabels, writeLabels } from "../../design/labels";
import { Page, Section } from "../../design/Page";
import { Picker, PickerField } from "../../design/Picker";
import { ResourceForm } from "../../design/ResourceForm";
import { Failed, Loading, Notice } from "../../design/States";
import { TenantField } from "../../design/TenantField";
import { toast } from "../../design/Toasts";
import { paths, requestsWith } from "../../paths";
import { texts } from "../../texts";
import { EffectiveGuardrails } from "./EffectiveGuardrails";
import { OwnerFields, ownerKind, ownerOf, ownerSchema, toOwner } from "./OwnerFields";
import { Refusing } from "./Refusing";
import { revokeOne, useRevoke } from "./revoke";
import { Statistics } from "./Statistics";
import { TestCall } from "./TestCall";

const { keys: words, common, identity: shared } = texts;
type Key = Item<"api-keys">;
type Made = { id: string; key: string | null; tenant_id: string };
/** Days for which keys may be unused. */
const UNUSED = [30, 90, 365];

/** The keys in one's scope. */
export function KeysPage() {
  const { isPlatform, identity, may } = useIdentity();
  const filters = useFilters(
    "tenant_id",
    "q",
    "state",
    "department_id",
    "service_account_id",
    "environment",
    "label",
    "unused_for_days",
  );
  const queries = useQueryClient();
  const selection = useSelection<Key>({
    keyOf: ({ id }) => id,
    nameOf: ({ name }) => name,
    isSelectable: (key) => may("keys.write", key.tenant_id),
  });
  const list = useList("api-keys", filters.query);
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        may("keys.write", identity?.tenant_id) && (
          <LinkButton to={paths.keyNew} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
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
          label={words.state}
          value={filters.values.state}
          onChange={(state) => filters.set({ state })}
          options={[
            { value: "", label: common.all },
            { value: "active", label: words.active },
            { value: "disabled", label: words.disabled },
            { value: "revoked", label: words.revoked },
            { value: "expired", label: words.expired },
          ]}
        />
        {may("departments.read", identity?.tenant_id) && (
          <Picker
            resource="departments"
            label={shared.department}
            none={common.all}
            filter={{ tenant_id: filters.values.tenant_id || undefined }}
            value={filters.values.department_id}
            onChange={(department_id) => filters.set({ department_id })}
          />
        )}
        {may("service_accounts.read", identity?.tenant_id) && (
          <Picker
            resource="service-accounts"
            label={shared.accounts.one}
            none={common.all}
            filter={{ tenant_id: filters.values.tenant_id || undefined }}
            value={filters.values.service_account_id}
            onChange={(service_account_id) => filters.set({ service_account_id })}
          />
        )}
        <Select
          label={shared.environment}
          value={filters.values.environment}
          onChange={(environment) => filters.set({ environment })}
          options={[
            { value: "", label: common.all },
            ...Object.entries(shared.environments).map(([value, label]) => ({ value, label })),
          ]}
        />
        <TextFilter label={shared.label} value={filters.values.label} onChange={(label) => filters.set({ label })} />
        <Select
          label={words.unused}
          value={filters.values.unused_for_days}
          onChange={(unused_for_days) => filters.set({ unused_for_days })}
          options={[
            { value: "", label: common.all },
            ...UNUSED.map((days) => ({ value: String(days), label: words.unusedFor(days) })),
          ]}
        />
      </FilterBar>
      <BulkBar
        selection={selection}
        onDone={() => forget(queries, "api-keys")}
        actions={[
          {
            label: words.revoke,
            consequence: words.revokeConsequence,
            run: ({ id }) => revokeOne(id),
          },
          {
            label: common.delete,
            consequence: words.deleteConsequence,
            run: ({ id, revision }) => removeOne("api-keys", id, revision),
          },
        ]}
      />
      <DataTable
        label={words.title}
        list={list}
        rowKey={(key) => key.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        selection={list.data?.pages.some(({ items }) => items.some(selection.isSelectable)) ? selection : undefined}
        columns={[
          {
            title: common.name,
            width: "minmax(0,1.5fr)",
            cell: (key) => <AppLink to={paths.key(key.id)}>{key.name}</AppLink>,
          },
          { title: words.prefix, cell: (key) => <code className="font-mono text-xs">{key.prefix}…</code> },
          ...(isPlatform ? [{ title: common.tenant, cell: (key: Key) => key.tenant_name ?? key.tenant_id }] : []),
          { title: shared.owner, secondary: true, cell: (key) => ownerOf(key) },
          { title: words.state, width: "7rem", cell: (key) => <KeyState apiKey={key} /> },
          {
            title: words.requestsPerMinute,
            secondary: true,
            numeric: true,
            cell: (key) => (key.requests_per_minute ? count(key.requests_per_minute) : words.noLimit),
          },
          {
            title: words.lastUsed,
            width: "9rem",
            secondary: true,
            cell: (key) => (key.last_used_at ? shortDateTime(key.last_used_at) : words.never),
          },
          { title: common.createdAt, width: "9rem", secondary: true, cell: (key) => shortDateTime(key.created_at) },
        ]}
      />
    </Page>
  );
}

function KeyState({ apiKey }: { apiKey: Key }) {
  if (apiKey.revoked_at) return <Badge tone="bad">{words.revoked}</Badge>;
  if (apiKey.disabled) return <Badge tone="warn">{words.disabled}</Badge>;
  if (apiKey.expires_at && Date.parse(apiKey.expires_at) <= Date.now())
    return <Badge tone="warn">{words.expired}</Badge>;
  if (apiKey.owner_disabled) return <Badge tone="bad">{shared.ownerDisabled}</Badge>;
  return <Badge tone="good">{words.active}</Badge>;
}

const schema = z.object({
  tenant_id: z.string().min(1, common.required),
  name: z.string().trim().min(1, common.required),
  allowed_models: z.string(),
  requests_per_minute: z.string().regex(/^\d*$/, common.number),
  guardrail_profile_id: z.string(),
  expires_at: z.string(),
  ...ownerSchema,
  environment: z.string(),
  labels: z.string().refine((text) => readLabels(text), shared.labelsWrong),
  allowed_operations: z.string(),
  source_cidrs: z.string(),
  disabled: z.boolean(),
  key: z.string(),
});
type KeyValues = z.infer<typeof schema>;

/** What stands between commas; null: nothing. */
const listed = (text: string) => {
  const names = text
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  return names.length ? names : null;
};

const settings = (form: KeyValues, before: Record<string, string> = {}) => ({
  name: form.name,
  allowed_models: listed(form.allowed_models),
  allowed_operations: listed(form.allowed_operations),
  source_cidrs: listed(form.source_cidrs),
  disabled: form.disabled,
  requests_per_minute: form.requests_per_minute ? Number(form.requests_per_minute) : null,
  guardrail_profile_id: form.guardrail_profile_id || null,
  expires_at: fromLocalInput(form.expires_at),
  ...toOwner(form),
  environment: (form.environment || null) as Key["environment"],
  labels: patchLabels(before, readLabels(form.labels) ?? {}) as Record<string, string>,
});

/** Makes a key and shows it, this once. */
export function NewKeyPage() {
  const navigate = useNavigate();
  const [made, setMade] = useState<Made>();
  const leave = (id: string) => void navigate({ to: paths.key(id) as never, replace: true });
  return (
    <Page title={words.new} lead={words.lead} width="form">
      {/* A key that was given is known, and not shown again. */}
      <KeyForm onMade={(made) => (made.key ? setMade(made) : leave(made.id))} />
      <SecretOnce label={words.one} secret={made?.key ?? undefined} onDone={() => made && leave(made.id)}>
        <p className="mb-2 text-sm text-ink-soft">{words.testLead}</p>
        <TestCall secret={made?.key ?? undefined} tenantId={made?.tenant_id} />
      </SecretOnce>
    </Page>
  );
}

export function KeyPage() {
  const { id } = useParams({ strict: false });
  const key = useItem("api-keys", id);
  const { isPlatform, mayWrite } = useIdentity();
  const revoke = useRevoke();
  const [isAsking, setAsking] = useState(false);
  if (key.isPending) return <Loading />;
  if (key.error) return <Failed error={key.error} onRetry={() => key.refetch()} />;
  return (
    <Page
      title={key.data.name}
      lead={<code className="font-mono">{key.data.prefix}…</code>}
      width="form"
      actions={
        <>
          <LinkButton to={requestsWith({ key_id: key.data.id })}>{words.requests}</LinkButton>
          {!key.data.revoked_at && mayWrite(key.data.tenant_id) && (
            <Button kind="danger" icon={<Ban aria-hidden className="size-4" />} onPress={() => setAsking(true)}>
              {words.revoke}
            </Button>
          )}
        </>
      }
    >
      {key.data.revoked_at && <Notice tone="bad">{words.revokedSince(dateTime(key.data.revoked_at))}</Notice>}
      {key.data.revoked_at && isPlatform && <Refusing apiKey={key.data} />}
      <KeyForm key={key.data.id} apiKey={key.data} />
      <div className="mt-6">
        <Section title={words.testTitle} lead={words.testEnter}>
          <TestCall tenantId={key.data.tenant_id} />
        </Section>
      </div>
      <div className="mt-6">
        <EffectiveGuardrails keyId={key.data.id} />
      </div>
      <Statistics keyId={key.data.id} />
      <Confirm
        title={words.revokeTitle}
        consequence={words.revokeConsequence}
        action={words.revoke}
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        onConfirm={async () => {
          await revoke.mutateAsync(key.data.id);
          toast(words.revokedToast);
        }}
      />
    </Page>
  );
}

function KeyForm({ apiKey, onMade }: { apiKey?: Key; onMade?: (made: Made) => void }) {
  const navigate = useNavigate();
  const { tenant_id: chosen } = useSearch({ strict: false }) as { tenant_id?: string };
  const { isPlatform, identity, may } = useIdentity();
  const owner = apiKey?.tenant_id ?? identity?.tenant_id ?? null;
  return (
    <ResourceForm
      resource="api-keys"
      item={apiKey}
      schema={schema}
      label={apiKey?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={isPlatform || may("keys.write", owner) ? undefined : texts.states.readOnly}
      toForm={(item) => ({
        tenant_id: item?.tenant_id ?? owner ?? chosen ?? "",
        name: item?.name ?? "",
        allowed_models: item?.allowed_models?.join(", ") ?? "",
        requests_per_minute: item?.requests_per_minute?.toString() ?? "",
        guardrail_profile_id: item?.guardrail_profile_id ?? "",
        expires_at: toLocalInput(item?.expires_at),
        // Who sees nobody else's makes keys of their own.
        owner: item ? ownerKind(item) : may("users.write", owner) || isPlatform ? "" : "user",
        user_id: item ? (item.user_id ?? "") : may("users.write", owner) || isPlatform ? "" : (identity?.id ?? ""),
        service_account_id: item?.service_account_id ?? "",
        department_id: item?.department_id ?? "",
        environment: item?.environment ?? "",
        labels: writeLabels(item?.labels),
        allowed_operations: item?.allowed_operations?.join(", ") ?? "",
        source_cidrs: item?.source_cidrs?.join(", ") ?? "",
        disabled: item?.disabled ?? false,
        key: "",
      })}
      toCreate={(form) => ({ tenant_id: form.tenant_id, key: form.key.trim() || null, ...settings(form) })}
      toPatch={(form) => settings(form, apiKey?.labels)}
      onMade={(made) => onMade?.(made)}
      onRemoved={() => void navigate({ to: paths.keys as never })}
    >
      {({ control }) => (
        <>
          {isPlatform && !apiKey && <TenantField control={control} name="tenant_id" />}
          <TextField control={control} name="name" label={common.name} />
          <TextField
            control={control}
            name="requests_per_minute"
            label={words.requestsPerMinute}
            help={words.requestsPerMinuteHelp}
            inputMode="numeric"
            optional
          />
          <TextField
            control={control}
            name="allowed_models"
            label={words.allowedModels}
            help={words.allowedModelsHelp}
            optional
          />
          <OwnerFields control={control} />
          <SelectField
            control={control}
            name="environment"
            label={shared.environment}
            options={[
              { value: "", label: shared.anyEnvironment },
              ...Object.entries(shared.environments).map(([value, label]) => ({ value, label })),
            ]}
          />
          <ProfileField control={control} />
          <TextField
            control={control}
            name="expires_at"
            label={words.expires}
            help={words.expiresHelp}
            type="datetime-local"
            optional
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
          <TextField
            control={control}
            name="allowed_operations"
            label={words.allowedOperations}
            help={words.allowedOperationsHelp}
            optional
          />
          <TextField
            control={control}
            name="source_cidrs"
            label={words.sourceCidrs}
            help={words.sourceCidrsHelp}
            optional
          />
          {apiKey ? (
            <CheckboxField control={control} name="disabled" label={words.disabled} help={words.disabledHelp} />
          ) : (
            <TextField
              control={control}
              name="key"
              label={words.own}
              help={words.ownHelp}
              type="password"
              autoComplete="off"
              optional
            />
          )}
        </>
      )}
    </ResourceForm>
  );
}

/** The profiles of the chosen tenant and the platform's. */
function ProfileField({ control }: { control: Parameters<typeof TextField<KeyValues>>[0]["control"] }) {
  const tenantId = useWatch({ control, name: "tenant_id" });
  return (
    <PickerField
      resource="guardrails/profiles"
      control={control}
      name="guardrail_profile_id"
      label={words.profile}
      help={words.profileHelp}
      none={words.tenantsProfile}
      accepts={({ tenant_id }) => !tenant_id || tenant_id === tenantId}
    />
  );
}
