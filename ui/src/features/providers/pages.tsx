import { useParams } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useIdentity } from "../../api/identity";
import { type Item, useItem, useList } from "../../api/resources";
import { Badge } from "../../design/Badge";
import { LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { FilterBar, NameFilter, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { AppLink } from "../../design/Link";
import { Page } from "../../design/Page";
import { Failed, Loading } from "../../design/States";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { kindLabel } from "./kinds";
import { ProviderForm } from "./ProviderForm";

const { providers: words, common } = texts;

/** The providers in one's scope. */
export function ProvidersPage() {
  const { isPlatform, identity, mayWrite } = useIdentity();
  const filters = useFilters("tenant_id", "q");
  const list = useList("providers", filters.query);
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        (isPlatform || mayWrite(identity?.tenant_id)) && (
          <LinkButton to={paths.providerNew} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
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
        rowKey={(provider) => provider.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          {
            title: common.name,
            cell: (provider) => <AppLink to={paths.provider(provider.id)}>{provider.name}</AppLink>,
          },
          { title: words.kind, cell: (provider) => kindLabel(provider.preset) ?? words.byHost },
          { title: words.schema, width: "8rem", secondary: true, cell: (provider) => provider.schema },
          {
            title: words.baseUrl,
            width: "minmax(0,2fr)",
            cell: (provider) => <code className="font-mono text-xs">{provider.base_url}</code>,
          },
          {
            title: words.credential,
            width: "7rem",
            cell: (provider) =>
              provider.has_credential ? (
                <Badge tone="good">{words.hasCredential}</Badge>
              ) : (
                <Badge>{words.noCredential}</Badge>
              ),
          },
          ...(isPlatform
            ? [
                {
                  title: common.owner,
                  cell: (provider: Item<"providers">) => provider.tenant_name ?? provider.tenant_id ?? common.platform,
                },
              ]
            : []),
        ]}
      />
    </Page>
  );
}

export function ProviderPage() {
  const { id } = useParams({ strict: false });
  const { isPlatform, mayWrite } = useIdentity();
  const provider = useItem("providers", id);
  if (provider.isPending) return <Loading />;
  if (provider.error) return <Failed error={provider.error} onRetry={() => provider.refetch()} />;
  return (
    <Page
      title={provider.data.name}
      width="form"
      actions={
        (isPlatform || mayWrite(provider.data.tenant_id)) && (
          <LinkButton to={paths.providerModels(provider.data.id)}>{texts.models.title}</LinkButton>
        )
      }
    >
      <ProviderForm key={provider.data.id} provider={provider.data} />
    </Page>
  );
}
