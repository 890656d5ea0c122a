import { useNavigate, useParams } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useState } from "react";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { useNodes } from "../../api/nodes";
import { type Item, useItem, useList } from "../../api/resources";
import { LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { SecretOnce } from "../../design/Dialog";
import { CheckboxField, TextField } from "../../design/Fields";
import { shortDateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { OwnerField } from "../../design/OwnerField";
import { Page } from "../../design/Page";
import { ResourceForm } from "../../design/ResourceForm";
import { Failed, Loading, NoAccess } from "../../design/States";
import { ALL_ALLOWED, WaysInFields, waysInSchema } from "../../design/WaysInFields";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { Token } from "./Token";

const { gateways: words, common } = texts;

/** All gateways. */
export function GatewaysPage() {
  const { identity, isPlatform } = useIdentity();
  const list = useList("gateways");
  if (identity && !isPlatform) return <NoAccess />;
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        <LinkButton to={paths.gatewayNew} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
          {words.new}
        </LinkButton>
      }
    >
      <DataTable
        label={words.title}
        list={list}
        rowKey={(gateway) => gateway.id}
        empty={words.empty}
        columns={[
          { title: common.name, cell: (gateway) => <AppLink to={paths.gateway(gateway.id)}>{gateway.name}</AppLink> },
          {
            title: words.scope,
            cell: (gateway) => gateway.tenant_name ?? gateway.tenant_id ?? words.allTenants,
          },
          { title: common.createdAt, width: "9rem", cell: (gateway) => shortDateTime(gateway.created_at) },
        ]}
      />
    </Page>
  );
}

const schema = z.object({
  name: z.string().trim().min(1, common.required),
  tenant_id: z.string(),
  trusted_hops: z.string().regex(/^\d*$/, common.number),
  trusts_forwarded_certificates: z.boolean(),
  ways_in: waysInSchema,
});

/** Makes a gateway and shows its token, this once. */
export function NewGatewayPage() {
  const navigate = useNavigate();
  const [token, setToken] = useState<string>();
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <GatewayForm onMade={setToken} />
      <SecretOnce label={words.one} secret={token} onDone={() => void navigate({ to: paths.gateways as never })} />
    </Page>
  );
}

export function GatewayPage() {
  const { id } = useParams({ strict: false });
  const { isPlatform } = useIdentity();
  const gateway = useItem("gateways", id);
  const nodes = useNodes(isPlatform);
  // Not known while it has not been told, or is no longer.
  const connected = nodes.isSuccess
    ? nodes.data.items.filter((node) => node.connected && node.gateway === gateway.data?.name).length
    : undefined;
  if (gateway.isPending) return <Loading />;
  if (gateway.error) return <Failed error={gateway.error} onRetry={() => gateway.refetch()} />;
  return (
    <Page title={gateway.data.name} width="form">
      <GatewayForm key={gateway.data.id} gateway={gateway.data} connected={connected} />
      <Token gateway={gateway.data} connected={connected} />
    </Page>
  );
}

function GatewayForm({
  gateway,
  connected,
  onMade,
}: {
  gateway?: Item<"gateways">;
  /** How many of its Envoys are connected; undefined: that is not known. */
  connected?: number;
  onMade?: (token: string) => void;
}) {
  const navigate = useNavigate();
  return (
    <ResourceForm
      resource="gateways"
      item={gateway}
      schema={schema}
      label={gateway?.name ?? words.one}
      deleteConsequence={words.deleteConsequence(connected)}
      toForm={(item) => ({
        name: item?.name ?? "",
        tenant_id: item?.tenant_id ?? "",
        trusted_hops: String(item?.trusted_hops ?? 0),
        trusts_forwarded_certificates: item?.trusts_forwarded_certificates ?? false,
        ways_in: item?.ways_in ?? ALL_ALLOWED,
      })}
      toCreate={({ tenant_id, trusted_hops, ...rest }) => ({
        ...rest,
        tenant_id: tenant_id || null,
        trusted_hops: Number(trusted_hops),
      })}
      toPatch={({ tenant_id, trusted_hops, ...rest }) => ({ ...rest, trusted_hops: Number(trusted_hops) })}
      onMade={(made) => onMade?.(made.token)}
      onRemoved={() => void navigate({ to: paths.gateways as never })}
    >
      {({ control }) => (
        <>
          <TextField control={control} name="name" label={common.name} autoFocus={!gateway} />
          {!gateway && (
            <OwnerField
              control={control}
              name="tenant_id"
              label={words.scope}
              platform={words.allTenants}
              help={words.scopeHelp}
            />
          )}
          <TextField
            control={control}
            name="trusted_hops"
            label={words.trustedHops}
            help={words.trustedHopsHelp}
            inputMode="numeric"
          />
          <CheckboxField
            control={control}
            name="trusts_forwarded_certificates"
            label={words.trustsForwardedCertificates}
            help={words.trustsForwardedCertificatesHelp}
          />
          <WaysInFields control={control} help={texts.waysIn.ofGateway} />
        </>
      )}
    </ResourceForm>
  );
}
