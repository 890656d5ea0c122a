import { useNavigate, useParams } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useWatch } from "react-hook-form";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { type Item, useFew, useItem, useList } from "../../api/resources";
import { LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { TextField } from "../../design/Fields";
import { FilterBar, NameFilter, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { shortDateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { OwnerField } from "../../design/OwnerField";
import { Page } from "../../design/Page";
import { PickerField } from "../../design/Picker";
import { ResourceForm } from "../../design/ResourceForm";
import { Failed, Loading } from "../../design/States";
import { toast } from "../../design/Toasts";
import { paths, requestsWith } from "../../paths";
import { texts } from "../../texts";

const { models: words, common } = texts;
type Model = Item<"models">;

/** The models in one's scope and the platform's. */
export function ModelsPage() {
  const { isPlatform, identity, mayWrite } = useIdentity();
  const filters = useFilters("tenant_id", "q");
  const list = useList("models", filters.query);
  const pools = useFew("pools");
  /** As far as the first pools say it; the others' stands on their own pages. */
  const providers = (poolId: string) =>
    pools.data?.items
      .find(({ id }) => id === poolId)
      ?.members.map((member) => member.provider_name)
      .join(", ") ?? "–";
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        (isPlatform || mayWrite(identity?.tenant_id)) && (
          <LinkButton to={paths.modelNew} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
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
        rowKey={(model) => model.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          {
            title: common.name,
            width: "minmax(0,1.5fr)",
            cell: (model) => <AppLink to={paths.model(model.id)}>{model.name}</AppLink>,
          },
          {
            title: words.pool,
            cell: (model) =>
              model.pool_name ? <AppLink to={paths.pool(model.pool_id)}>{model.pool_name}</AppLink> : common.platform,
          },
          {
            title: words.servedBy,
            width: "minmax(0,1.5fr)",
            secondary: true,
            cell: (model) => providers(model.pool_id),
          },
          {
            title: common.owner,
            cell: (model) => model.tenant_name ?? (model.tenant_id ? common.tenant : common.platform),
          },
          { title: common.createdAt, width: "9rem", secondary: true, cell: (model) => shortDateTime(model.created_at) },
        ]}
      />
    </Page>
  );
}

const schema = z.object({
  tenant_id: z.string(),
  name: z.string().trim().min(1, common.required),
  pool_id: z.string().min(1, common.required),
});

export function NewModelPage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <ModelForm />
    </Page>
  );
}

export function ModelPage() {
  const { id } = useParams({ strict: false });
  const model = useItem("models", id);
  if (model.isPending) return <Loading />;
  if (model.error) return <Failed error={model.error} onRetry={() => model.refetch()} />;
  return (
    <Page
      title={model.data.name}
      width="form"
      actions={<LinkButton to={requestsWith({ model: model.data.name })}>{texts.keys.requests}</LinkButton>}
    >
      <ModelForm key={model.data.id} model={model.data} />
    </Page>
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
      })}
      toCreate={(form) => ({ ...form, tenant_id: form.tenant_id || null })}
      toPatch={({ name, pool_id }) => ({ name, pool_id })}
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
        </>
      )}
    </ResourceForm>
  );
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
