import { useNavigate, useParams } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { type UseFormReturn, useWatch } from "react-hook-form";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { type Item, useItem, useList } from "../../api/resources";
import { LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { TextField } from "../../design/Fields";
import { FilterBar, NameFilter, TenantFilter } from "../../design/FilterBar";
import { firstMessage } from "../../design/fieldErrors";
import { useFilters } from "../../design/filters";
import { shortDateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { OwnerField } from "../../design/OwnerField";
import { Page } from "../../design/Page";
import { ResourceForm } from "../../design/ResourceForm";
import { Failed, Loading } from "../../design/States";
import { toast } from "../../design/Toasts";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { Members, type MemberValues } from "./Members";
import { PriceHistory } from "./PriceHistory";

const { pools: words, common } = texts;
type Pool = Item<"pools">;

/** The pools in one's scope. */
export function PoolsPage() {
  const { isPlatform, identity, mayWrite } = useIdentity();
  const filters = useFilters("tenant_id", "q");
  const list = useList("pools", filters.query);
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        (isPlatform || mayWrite(identity?.tenant_id)) && (
          <LinkButton to={paths.poolNew} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
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
      </FilterBar>
      <DataTable
        label={words.title}
        list={list}
        rowKey={(pool) => pool.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          { title: common.name, cell: (pool) => <AppLink to={paths.pool(pool.id)}>{pool.name}</AppLink> },
          {
            title: words.attempts,
            width: "minmax(0,3fr)",
            cell: (pool) => pool.members.map((member) => `${member.provider_name} / ${member.model}`).join(" → "),
          },
          ...(isPlatform
            ? [
                {
                  title: common.owner,
                  cell: (pool: Pool) => pool.tenant_name ?? pool.tenant_id ?? common.platform,
                },
              ]
            : []),
          { title: common.updatedAt, width: "9rem", secondary: true, cell: (pool) => shortDateTime(pool.updated_at) },
        ]}
      />
    </Page>
  );
}

const seconds = z.string().regex(/^\d{1,5}(\.\d{1,3})?$/, common.number);
const schema = z.object({
  tenant_id: z.string(),
  name: z.string().trim().min(1, common.required),
  members: z.custom<MemberValues[]>().refine((members) => members.length > 0, words.noMember),
  first_byte_timeout_ms: seconds,
  idle_timeout_ms: seconds,
  request_timeout_ms: seconds,
});
type Values = z.infer<typeof schema>;

const settings = (form: Values) => ({
  name: form.name,
  members: form.members.map(({ provider_id, model, price, next_prices, capabilities }) => ({
    provider_id,
    model,
    price,
    next_prices,
    ...(capabilities ? { capabilities } : {}),
  })),
  first_byte_timeout_ms: Math.round(Number(form.first_byte_timeout_ms) * 1_000),
  idle_timeout_ms: Math.round(Number(form.idle_timeout_ms) * 1_000),
  request_timeout_ms: Math.round(Number(form.request_timeout_ms) * 1_000),
});

export function NewPoolPage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <PoolForm />
    </Page>
  );
}

export function PoolPage() {
  const { id } = useParams({ strict: false });
  const pool = useItem("pools", id);
  if (pool.isPending) return <Loading />;
  if (pool.error) return <Failed error={pool.error} onRetry={() => pool.refetch()} />;
  return (
    <Page title={pool.data.name} width="form">
      <PoolForm key={pool.data.id} pool={pool.data} />
      <PriceHistory poolId={pool.data.id} />
    </Page>
  );
}

function PoolForm({ pool }: { pool?: Pool }) {
  const navigate = useNavigate();
  const { isPlatform, identity, mayWrite } = useIdentity();
  const isWritable = pool ? mayWrite(pool.tenant_id) : isPlatform || mayWrite(identity?.tenant_id);
  return (
    <ResourceForm
      resource="pools"
      item={pool}
      schema={schema}
      label={pool?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={isWritable ? undefined : texts.states.readOnly}
      toForm={(item): Values => ({
        tenant_id: item ? (item.tenant_id ?? "") : (identity?.tenant_id ?? ""),
        name: item?.name ?? "",
        members: (item?.members ?? []).map(
          ({ id, provider_id, provider_name, model, price, next_prices, capabilities }) => ({
            key: id,
            provider_id,
            provider_name,
            model,
            price: price ?? null,
            next_prices: next_prices ?? [],
            capabilities,
          }),
        ),
        first_byte_timeout_ms: String((item?.first_byte_timeout_ms ?? 90_000) / 1_000),
        idle_timeout_ms: String((item?.idle_timeout_ms ?? 300_000) / 1_000),
        request_timeout_ms: String((item?.request_timeout_ms ?? 600_000) / 1_000),
      })}
      toCreate={(form) => ({ ...settings(form), tenant_id: form.tenant_id || null })}
      toPatch={settings}
      onMade={(made) => {
        toast(common.created(made.name));
        void navigate({ to: paths.pools as never });
      }}
      onRemoved={() => void navigate({ to: paths.pools as never })}
    >
      {(form) => (
        <>
          {isPlatform && !pool && <OwnerField control={form.control} name="tenant_id" />}
          <TextField control={form.control} name="name" label={common.name} autoFocus={!pool} />
          <MembersField form={form} disabled={!isWritable} />
          <div className="grid gap-5 sm:grid-cols-3">
            <TextField
              control={form.control}
              name="first_byte_timeout_ms"
              label={words.firstByte}
              help={words.firstByteHelp}
              inputMode="decimal"
            />
            <TextField
              control={form.control}
              name="idle_timeout_ms"
              label={words.idle}
              help={words.idleHelp}
              inputMode="decimal"
            />
            <TextField
              control={form.control}
              name="request_timeout_ms"
              label={words.total}
              help={words.totalHelp}
              inputMode="decimal"
            />
          </div>
        </>
      )}
    </ResourceForm>
  );
}

function MembersField({ form, disabled }: { form: UseFormReturn<Values>; disabled: boolean }) {
  const [members, tenantId] = useWatch({ control: form.control, name: ["members", "tenant_id"] });
  const failed = form.formState.errors.members as { message?: string } & Record<number, object | undefined>;
  return (
    <div>
      <Members
        members={members ?? []}
        onChange={(next) => form.setValue("members", next, { shouldDirty: true, shouldValidate: true })}
        owner={tenantId}
        errors={(members ?? []).map((_, position) => firstMessage(failed?.[position]))}
        disabled={disabled}
      />
      {failed?.message && (
        <p role="alert" className="mt-1 text-sm text-bad">
          {failed.message}
        </p>
      )}
    </div>
  );
}
