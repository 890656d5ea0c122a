import { useNavigate } from "@tanstack/react-router";
import { useWatch } from "react-hook-form";
import { z } from "zod";
import { serverNow } from "../../api/client";
import { useIdentity } from "../../api/identity";
import { hasPrice } from "../../api/limits";
import { type Item, useFew, useItem, useList } from "../../api/resources";
import { LinkButton } from "../../design/Button";
import { createdColumn, nameColumn, ownerColumn } from "../../design/columns";
import { DataTable } from "../../design/DataTable";
import { TextField } from "../../design/Fields";
import { FilterBar, NameFilter, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { AppLink } from "../../design/Link";
import { ItemOf, ListPage } from "../../design/ListPage";
import { OwnerField } from "../../design/OwnerField";
import { Page } from "../../design/Page";
import { PickerField } from "../../design/Picker";
import { ResourceForm } from "../../design/ResourceForm";
import { Notice } from "../../design/States";
import { toast } from "../../design/Toasts";
import { ALL_ALLOWED, WaysInFields, waysInSchema } from "../../design/WaysInFields";
import { paths, requestsWith } from "../../paths";
import { texts } from "../../texts";

const { models: words, common } = texts;
type Model = Item<"models">;

/** The models in one's scope and the platform's. */
export function ModelsPage() {
  const { isPlatform } = useIdentity();
  const filters = useFilters("tenant_id", "q");
  const list = useList("models", filters.query);
  return (
    <ListPage
      title={words.title}
      lead={words.lead}
      add={{ to: paths.modelNew, label: words.new, needs: "models.write" }}
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
        rowKey={(model) => model.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          nameColumn<Model>(paths.model),
          {
            title: words.pool,
            cell: (model) =>
              model.pool_name ? <AppLink to={paths.pool(model.pool_id)}>{model.pool_name}</AppLink> : common.platform,
          },
          {
            title: words.servedBy,
            width: "minmax(0,1.5fr)",
            secondary: true,
            cell: (model) => <ServedBy poolId={model.pool_id} />,
          },
          ownerColumn<Model>(),
          createdColumn<Model>(),
        ]}
      />
    </ListPage>
  );
}

/** The providers of a pool's members, in their order. The first pools are read at once, any other by itself when it is in sight. */
function ServedBy({ poolId }: { poolId: string }) {
  const { identity } = useIdentity();
  const isSeen = identity?.permissions.includes("pools.read") === true;
  const few = useFew("pools", {}, isSeen);
  const known = few.data?.items.find(({ id }) => id === poolId);
  const other = useItem("pools", few.data && !known ? poolId : undefined);
  const members = (known ?? other.data)?.members;
  return members ? [...new Set(members.map(({ provider_name }) => provider_name))].join(", ") : "–";
}

const tokens = z.string().regex(/^\s*([1-9]\d{0,8})?\s*$/, words.tokens);
const schema = z.object({
  tenant_id: z.string(),
  name: z.string().trim().min(1, common.required),
  pool_id: z.string().min(1, common.required),
  default_max_tokens: tokens,
  max_tokens_cap: tokens,
  ways_in: waysInSchema,
});
type Values = z.infer<typeof schema>;

/** All that can be changed. */
function settingsFrom({ name, pool_id, ways_in, ...typed }: Values) {
  const count = (text: string) => (text.trim() ? Number(text) : null);
  return {
    name,
    pool_id,
    ways_in,
    default_max_tokens: count(typed.default_max_tokens),
    max_tokens_cap: count(typed.max_tokens_cap),
  };
}

export function NewModelPage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <ModelForm />
    </Page>
  );
}

export function ModelPage() {
  return (
    <ItemOf resource="models">
      {(model) => (
        <Page
          title={model.name}
          width="form"
          actions={<LinkButton to={requestsWith({ model: model.name })}>{texts.keys.requests}</LinkButton>}
        >
          <Unpriced model={model} />
          <ModelForm key={model.id} model={model} />
        </Page>
      )}
    </ItemOf>
  );
}

function ModelForm({ model }: { model?: Model }) {
  const navigate = useNavigate();
  const { isPlatform, identity, mayWrite } = useIdentity();
  const isWritable = model ? mayWrite(model.tenant_id) : isPlatform || mayWrite(identity?.tenant_id);
  const reason = model && !model.tenant_id && !isPlatform ? texts.states.notYours : texts.states.readOnly;
  return (
    <ResourceForm
      resource="models"
      item={model}
      schema={schema}
      label={model?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={isWritable ? undefined : reason}
      toForm={(item) => ({
        tenant_id: item ? (item.tenant_id ?? "") : (identity?.tenant_id ?? ""),
        name: item?.name ?? "",
        pool_id: item?.pool_id ?? "",
        default_max_tokens: String(item?.default_max_tokens ?? ""),
        max_tokens_cap: String(item?.max_tokens_cap ?? ""),
        ways_in: item?.ways_in ?? ALL_ALLOWED,
      })}
      toCreate={(form) => ({ ...settingsFrom(form), tenant_id: form.tenant_id || null })}
      toPatch={settingsFrom}
      onMade={(made) => {
        toast(common.created(made.name));
        void navigate({ to: paths.models as never });
      }}
      onRemoved={() => void navigate({ to: paths.models as never })}
    >
      {({ control }) => (
        <>
          {isPlatform && !model && <OwnerField control={control} name="tenant_id" />}
          <TextField control={control} name="name" label={common.name} help={words.nameHelp} mono />
          <PoolField control={control} />
          <TextField
            control={control}
            name="default_max_tokens"
            label={words.defaultMaxTokens}
            help={words.defaultMaxTokensHelp}
            inputMode="numeric"
            optional
          />
          <TextField
            control={control}
            name="max_tokens_cap"
            label={words.maxTokensCap}
            help={words.maxTokensCapHelp}
            inputMode="numeric"
            optional
          />
          <WaysInFields control={control} help={texts.waysIn.ofModel} />
        </>
      )}
    </ResourceForm>
  );
}

/** Why budgets refuse requests for a model. */
function Unpriced({ model }: { model: Model }) {
  const { identity } = useIdentity();
  const maySee = identity?.permissions.includes("pools.read") === true;
  const pool = useItem("pools", maySee ? model.pool_id : undefined);
  const unpriced = pool.data?.members.filter((member) => !hasPrice(member, serverNow())) ?? [];
  if (unpriced.length === 0) return null;
  const names = unpriced.map(({ provider_name, model: name }) => `${provider_name} / ${name}`);
  return <Notice tone="warn">{words.unpriced(names.join(", "))}</Notice>;
}

/** The pools of the same owner. */
function PoolField({ control }: { control: Parameters<typeof TextField<z.infer<typeof schema>>>[0]["control"] }) {
  const tenantId = useWatch({ control, name: "tenant_id" });
  return (
    <PickerField
      resource="pools"
      control={control}
      name="pool_id"
      label={words.pool}
      help={words.poolHelp}
      filter={tenantId ? { tenant_id: tenantId } : { owner: "platform" }}
    />
  );
}
