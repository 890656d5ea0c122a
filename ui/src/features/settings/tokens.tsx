import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Ban, Plus } from "lucide-react";
import { useState } from "react";
import { z } from "zod";
import { client, serverNow, unwrap } from "../../api/client";
import { useIdentity } from "../../api/identity";
import { forget, type Item, useItem, useList } from "../../api/resources";
import { Badge } from "../../design/Badge";
import { Button, LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { Confirm, SecretOnce } from "../../design/Dialog";
import { TextField } from "../../design/Fields";
import { ago, dateTime, fromLocalInput, shortDateTime, toLocalInput } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Page } from "../../design/Page";
import { ResourceForm } from "../../design/ResourceForm";
import { ROLES, RoleFields } from "../../design/RoleFields";
import { Failed, Loading, Notice } from "../../design/States";
import { toast } from "../../design/Toasts";
import { paths } from "../../paths";
import { texts } from "../../texts";

const { tokens: words, common } = texts;
type ServiceToken = Item<"service-tokens">;
const QUARTER_MS = 90 * 86_400_000;
/** That of a user is one of people: a machine has nothing of its own. */
const MACHINES_ROLES = ROLES.filter((role) => role !== "user");

/** What machines that administer show, in one's scope. */
export function TokensPage() {
  const { identity, isPlatform, mayWrite } = useIdentity();
  const list = useList("service-tokens");
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        mayWrite(identity?.tenant_id) && (
          <LinkButton to={paths.tokenNew} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
            {words.new}
          </LinkButton>
        )
      }
    >
      <DataTable
        label={words.title}
        list={list}
        rowKey={(token) => token.id}
        empty={words.empty}
        columns={[
          {
            title: common.name,
            width: "minmax(0,2fr)",
            cell: (token) => <AppLink to={paths.token(token.id)}>{token.name}</AppLink>,
          },
          {
            title: texts.keys.prefix,
            secondary: true,
            width: "7rem",
            cell: (token) => <code className="font-mono text-xs">{token.prefix}…</code>,
          },
          { title: texts.users.role, width: "8rem", cell: (token) => texts.nav.roles[token.role] },
          ...(isPlatform
            ? [{ title: common.owner, cell: (token: ServiceToken) => token.tenant_name ?? common.platform }]
            : []),
          { title: texts.keys.state, width: "5.5rem", cell: (token) => <State token={token} /> },
          {
            title: words.lastUsed,
            secondary: true,
            cell: (token) => (token.last_used_at ? ago(token.last_used_at, serverNow()) : common.never),
          },
          { title: words.expires, width: "10.5rem", secondary: true, cell: (token) => shortDateTime(token.expires_at) },
        ]}
      />
    </Page>
  );
}

function State({ token }: { token: ServiceToken }) {
  if (token.revoked_at) return <Badge tone="bad">{words.revoked}</Badge>;
  if (Date.parse(token.expires_at) <= serverNow()) return <Badge tone="warn">{words.expired}</Badge>;
  return <Badge tone="good">{words.active}</Badge>;
}

const schema = z.object({
  name: z.string().trim().min(1, common.required),
  role: z.enum(ROLES),
  tenant_id: z.string(),
  expires_at: z.string().min(1, common.required),
});
/** One that is made must still be good for something. */
const creation = schema.refine((form) => Date.parse(form.expires_at) > serverNow(), {
  path: ["expires_at"],
  message: words.expiresPast,
});

/** Makes a token and shows it, this once. */
export function NewTokenPage() {
  const navigate = useNavigate();
  const [made, setMade] = useState<{ id: string; token: string }>();
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <TokenForm onMade={setMade} />
      <SecretOnce
        label={words.one}
        secret={made?.token}
        onDone={() => made && void navigate({ to: paths.token(made.id) as never, replace: true })}
      />
    </Page>
  );
}

export function TokenPage() {
  const { id } = useParams({ strict: false });
  const { mayWrite } = useIdentity();
  const queries = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const token = useItem("service-tokens", id);
  const revoke = useMutation({
    mutationFn: (tokenId: string) =>
      unwrap(client.POST("/api/v1/admin/service-tokens/{id}/revoke", { params: { path: { id: tokenId } } })),
    onSuccess: () => forget(queries, "service-tokens"),
  });
  if (token.isPending) return <Loading />;
  if (token.error) return <Failed error={token.error} onRetry={() => token.refetch()} />;
  const { data } = token;
  return (
    <Page
      title={data.name}
      lead={<code className="font-mono">{data.prefix}…</code>}
      width="form"
      actions={
        !data.revoked_at &&
        mayWrite(data.tenant_id) && (
          <Button kind="danger" icon={<Ban aria-hidden className="size-4" />} onPress={() => setAsking(true)}>
            {words.revoke}
          </Button>
        )
      }
    >
      {data.revoked_at && <Notice tone="bad">{words.revokedSince(dateTime(data.revoked_at))}</Notice>}
      <TokenForm key={data.id} token={data} />
      <Confirm
        title={words.revokeTitle}
        consequence={words.revokeConsequence}
        action={words.revoke}
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        onConfirm={async () => {
          await revoke.mutateAsync(data.id);
          toast(words.revokedToast);
        }}
      />
    </Page>
  );
}

function TokenForm({
  token,
  onMade,
}: {
  token?: ServiceToken;
  onMade?: (made: { id: string; token: string }) => void;
}) {
  const navigate = useNavigate();
  const { identity, isPlatform, mayWrite } = useIdentity();
  const settings = ({ name, role, expires_at }: z.infer<typeof schema>) => ({
    name,
    role,
    expires_at: fromLocalInput(expires_at) ?? "",
  });
  return (
    <ResourceForm
      resource="service-tokens"
      item={token}
      schema={token ? schema : creation}
      label={token?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={mayWrite(token ? token.tenant_id : identity?.tenant_id) ? undefined : texts.states.readOnly}
      toForm={(item) => ({
        name: item?.name ?? "",
        role: item?.role ?? (isPlatform ? "platform_admin" : "tenant_admin"),
        tenant_id: item ? (item.tenant_id ?? "") : (identity?.tenant_id ?? ""),
        expires_at: toLocalInput(item?.expires_at ?? new Date(serverNow() + QUARTER_MS).toISOString()),
      })}
      toCreate={(form) => ({
        ...settings(form),
        tenant_id: form.role === "platform_admin" ? null : form.tenant_id || null,
      })}
      toPatch={settings}
      onMade={(made) => onMade?.(made)}
      onRemoved={() => void navigate({ to: paths.tokens as never })}
    >
      {({ control }) => (
        <>
          <TextField control={control} name="name" label={common.name} help={words.nameHelp} autoFocus={!token} />
          <RoleFields control={control} item={token} roles={MACHINES_ROLES} />
          <TextField
            control={control}
            name="expires_at"
            label={words.expires}
            help={words.expiresHelp}
            type="datetime-local"
          />
        </>
      )}
    </ResourceForm>
  );
}
