import { useNavigate, useParams } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useWatch } from "react-hook-form";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { type Item, useChoices, useItem, useList, useNames } from "../../api/resources";
import { LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { SelectField, TextField } from "../../design/Fields";
import { FilterBar, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { shortDateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { OwnerField } from "../../design/OwnerField";
import { Page } from "../../design/Page";
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
  const filters = useFilters("tenant_id");
  const list = useList("models", filters.query);
  const pools = useChoices("pools");
  const providerName = useNames("providers");
  const tenantName = useNames("tenants", isPlatform);
  const pool = (id: string) => pools.data?.items.find((each) => each.id === id);
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
      {isPlatform && (
        <FilterBar onClear={filters.clear}>
          <TenantFilter value={filters.values.tenant_id} onChange={(tenant_id) => filters.set({ tenant_id })} />
        </FilterBar>
      )}
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
            cell: (model) => {
              const served = pool(model.pool_id);
              return served ? <AppLink to={paths.pool(served.id)}>{served.name}</AppLink> : common.platform;
            },
          },
          {
            title: words.servedBy,
            width: "minmax(0,1.5fr)",
            cell: (model) =>
              pool(model.pool_id)
                ?.members.map((member) => providerName(member.provider_id) ?? member.provider_id)
                .join(", ") ?? "",
          },
          {
            title: common.owner,
            cell: (model) =>
              model.tenant_id
                ? (tenantName(model.tenant_id) ?? (isPlatform ? model.tenant_id : common.tenant))
                : common.platform,
          },
          { title: common.createdAt, secondary: true, cell: (model) => shortDateTime(model.created_at) },
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
  const pools = useChoices("pools");
  const choices = (pools.data?.items ?? []).filter(({ tenant_id }) => (tenant_id ?? "") === tenantId);
  return (
    <SelectField
      control={control}
      name="pool_id"
      label={words.pool}
      help={words.poolHelp}
      options={[{ value: "", label: common.select }, ...choices.map(({ id, name }) => ({ value: id, label: name }))]}
    />
  );
}
