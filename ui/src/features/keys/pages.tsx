import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Ban } from "lucide-react";
import { useState } from "react";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { forget, type Item, removeOne, type Streams, useList } from "../../api/resources";
import { Badge } from "../../design/Badge";
import { BulkBar, useSelection } from "../../design/Bulk";
import { Button, LinkButton } from "../../design/Button";
import { tenantColumn } from "../../design/columns";
import { DataTable } from "../../design/DataTable";
import { Confirm, SecretOnce } from "../../design/Dialog";
import { EffectiveLimits } from "../../design/EffectiveLimits";
import { EffectivePolicy } from "../../design/EffectivePolicy";
import { CheckboxField, TextField } from "../../design/Fields";
import { FilterBar, NameFilter, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { count, dateTime, fromLocalInput, shortDateTime, toLocalInput } from "../../design/format";
import { AppLink } from "../../design/Link";
import { ItemOf, ListPage } from "../../design/ListPage";
import { patchLabels, readLabels, writeLabels } from "../../design/labels";
import { EnvironmentField, LabelsField, labelsSchema, ProfileField } from "../../design/OwnedFields";
import {
  AccountFilter,
  ChoiceFilter,
  DepartmentFilter,
  EnvironmentFilter,
  LabelFilter,
  UserFilter,
} from "../../design/OwnedFilters";
import { Page, Section } from "../../design/Page";
import { ResourceForm } from "../../design/ResourceForm";
import { Notice } from "../../design/States";
import { StreamsChoice } from "../../design/StreamsChoice";
import { TenantField } from "../../design/TenantField";
import { toast } from "../../design/Toasts";
import { paths, requestsWith } from "../../paths";
import { texts } from "../../texts";
import { EndedStreams } from "./EndedStreams";
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
  const { isPlatform, may } = useIdentity();
  const filters = useFilters(
    "tenant_id",
    "q",
    "state",
    "department_id",
    "user_id",
    "service_account_id",
    "environment",
    "label",
    "unused_for_days",
  );
  const queries = useQueryClient();
  const [ofRevoked, setOfRevoked] = useState<Streams>("end");
  const [ofDeleted, setOfDeleted] = useState<Streams>("finish");
  const selection = useSelection<Key>({
    keyOf: ({ id }) => id,
    nameOf: ({ name }) => name,
    isSelectable: (key) => may("keys.write", key.tenant_id),
  });
  const list = useList("api-keys", filters.query);
  const { values, set } = filters;
  const tenantId = values.tenant_id;
  return (
    <ListPage title={words.title} lead={words.lead} add={{ to: paths.keyNew, label: words.new, needs: "keys.write" }}>
      <FilterBar onClear={filters.clear}>
        <NameFilter value={values.q} onChange={(q) => set({ q })} />
        {isPlatform && <TenantFilter value={tenantId} onChange={(tenant_id) => set({ tenant_id })} />}
        <ChoiceFilter
          label={words.state}
          value={values.state}
          onChange={(state) => set({ state })}
          options={{
            active: words.active,
            disabled: words.disabled,
            revoked: words.revoked,
            expired: words.expired,
          }}
        />
        <DepartmentFilter
          tenantId={tenantId}
          value={values.department_id}
          onChange={(department_id) => set({ department_id })}
        />
        <UserFilter tenantId={tenantId} value={values.user_id} onChange={(user_id) => set({ user_id })} />
        <AccountFilter
          tenantId={tenantId}
          value={values.service_account_id}
          onChange={(service_account_id) => set({ service_account_id })}
        />
        <EnvironmentFilter value={values.environment} onChange={(environment) => set({ environment })} />
        <LabelFilter value={values.label} onChange={(label) => set({ label })} />
        <ChoiceFilter
          label={words.unused}
          value={values.unused_for_days}
          onChange={(unused_for_days) => set({ unused_for_days })}
          options={Object.fromEntries(UNUSED.map((days) => [days, words.unusedFor(days)]))}
        />
      </FilterBar>
      <BulkBar
        selection={selection}
        onDone={() => forget(queries, "api-keys")}
        actions={[
          {
            label: words.revoke,
            consequence: words.revokeConsequence,
            choice: <StreamsChoice value={ofRevoked} onChange={setOfRevoked} />,
            run: ({ id }) => revokeOne(id, ofRevoked),
          },
          {
            label: common.delete,
            consequence: words.deleteConsequence,
            choice: <StreamsChoice value={ofDeleted} onChange={setOfDeleted} />,
            run: ({ id, revision }) => removeOne("api-keys", id, revision, ofDeleted),
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
            cell: (key) => (
              <>
                <AppLink to={paths.key(key.id)}>{key.name}</AppLink>
                <code className="block truncate font-mono text-xs text-ink-soft">
                  {key.prefix ? `${key.prefix}…` : words.ways[key.way]}
                </code>
              </>
            ),
          },
          ...tenantColumn<Key>(isPlatform),
          { title: shared.owner, secondary: true, cell: (key) => ownerOf(key) },
          { title: words.state, width: "7rem", cell: (key) => <KeyState apiKey={key} /> },
          {
            title: words.requestsPerMinute,
            width: "6rem",
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
        ]}
      />
    </ListPage>
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
  labels: labelsSchema,
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
  return <ItemOf resource="api-keys">{(key) => <OneKey apiKey={key} />}</ItemOf>;
}

function OneKey({ apiKey }: { apiKey: Key }) {
  const { isPlatform, may } = useIdentity();
  const revoke = useRevoke();
  const [isAsking, setAsking] = useState(false);
  const [streams, setStreams] = useState<Streams>("end");
  return (
    <Page
      title={apiKey.name}
      lead={apiKey.prefix && <code className="font-mono">{apiKey.prefix}…</code>}
      width="form"
      actions={
        <>
          <LinkButton to={requestsWith({ key_id: apiKey.id })}>{words.requests}</LinkButton>
          {!apiKey.revoked_at && may("keys.write", apiKey.tenant_id) && (
            <Button kind="danger" icon={<Ban aria-hidden className="size-4" />} onPress={() => setAsking(true)}>
              {words.revoke}
            </Button>
          )}
        </>
      }
    >
      {apiKey.revoked_at && <Notice tone="bad">{words.revokedSince(dateTime(apiKey.revoked_at))}</Notice>}
      {apiKey.revoked_at && isPlatform && <Refusing apiKey={apiKey} />}
      {(apiKey.revoked_at || apiKey.disabled) && <EndedStreams apiKey={apiKey} />}
      {apiKey.identity_rule_id && (
        <Notice>
          {words.byRule} <AppLink to={paths.identityRule(apiKey.identity_rule_id)}>{words.rule}</AppLink>
        </Notice>
      )}
      <KeyForm key={apiKey.id} apiKey={apiKey} />
      <div className="mt-6">
        <Section title={words.testTitle} lead={words.testEnter}>
          <TestCall tenantId={apiKey.tenant_id} />
        </Section>
      </div>
      <EffectivePolicy of="api-keys" id={apiKey.id} />
      <EffectiveLimits of="api-keys" id={apiKey.id} />
      <Statistics keyId={apiKey.id} />
      <Confirm
        title={words.revokeTitle}
        consequence={words.revokeConsequence}
        action={words.revoke}
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        onConfirm={async () => {
          await revoke.mutateAsync({ id: apiKey.id, streams });
          toast(words.revokedToast);
        }}
      >
        <StreamsChoice value={streams} onChange={setStreams} />
      </Confirm>
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
      hasStreams
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
          <EnvironmentField control={control} />
          <ProfileField control={control} help={words.profileHelp} none={words.tenantsProfile} />
          <TextField
            control={control}
            name="expires_at"
            label={words.expires}
            help={words.expiresHelp}
            type="datetime-local"
            optional
          />
          <LabelsField control={control} />
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
