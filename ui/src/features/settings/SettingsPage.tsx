import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { client, type Schemas, unwrap } from "../../api/client";
import { useIdentity } from "../../api/identity";
import { Badge } from "../../design/Badge";
import { Button, LinkButton } from "../../design/Button";
import { Rows } from "../../design/DataTable";
import { Confirm } from "../../design/Dialog";
import { Select } from "../../design/Fields";
import { shortDateTime } from "../../design/format";
import { Facts, Page, Section } from "../../design/Page";
import { Failed, Loading } from "../../design/States";
import { toast } from "../../design/Toasts";
import { chooseTheme, type Theme, useTheme } from "../../design/theme";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { Access } from "./Access";
import { browserName } from "./browserName";
import { Connections } from "./Connections";

const { settings: words, common } = texts;
type OwnSession = Schemas["OwnSession"];

/** One's own account and sessions, the look, and what this version can do. */
export function SettingsPage() {
  const { identity } = useIdentity();
  const theme = useTheme();
  return (
    <Page title={words.title} width="form">
      <Section title={words.account}>
        {identity && (
          <Facts
            facts={[
              [texts.users.email, identity.email],
              [texts.users.role, `${texts.nav.roles[identity.role]}. ${texts.users.roleHelp[identity.role]}`],
            ]}
          />
        )}
      </Section>
      <Access />
      <Section title={words.sessions} lead={words.sessionsLead}>
        <Sessions />
      </Section>
      <Connections />
      <Section
        title={texts.tokens.title}
        lead={texts.tokens.lead}
        actions={<LinkButton to={paths.tokens}>{texts.tokens.manage}</LinkButton>}
      />
      <Section title={words.appearance}>
        <div className="max-w-xs">
          <Select
            label={texts.nav.themeLabel}
            value={theme}
            onChange={(value) => chooseTheme(value as Theme)}
            options={(["system", "light", "dark"] as const).map((value) => ({ value, label: texts.nav.theme[value] }))}
          />
        </div>
      </Section>
      <Section title={words.about}>
        <Features />
        <p className="mt-4 text-sm">
          <a href={paths.apiDocs} className="font-medium text-link underline-offset-2 hover:underline">
            {words.apiDocs}
          </a>
        </p>
      </Section>
    </Page>
  );
}

function Sessions() {
  const queries = useQueryClient();
  const [ending, setEnding] = useState<OwnSession>();
  const sessions = useQuery({
    queryKey: ["sessions"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/admin/auth/sessions", { signal })),
  });
  const end = useMutation({
    mutationFn: (id: string) => unwrap(client.DELETE("/api/v1/admin/auth/sessions/{id}", { params: { path: { id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["sessions"] }),
  });
  if (sessions.isPending) return <Loading lines={3} />;
  if (sessions.error) return <Failed error={sessions.error} onRetry={() => sessions.refetch()} />;
  const device = (session: OwnSession) =>
    session.kind === "bearer" ? words.machine : (browserName(session.user_agent) ?? words.browser);
  return (
    <>
      <Rows
        label={words.sessions}
        items={sessions.data.items}
        rowKey={(session) => session.id}
        columns={[
          {
            title: words.device,
            width: "minmax(6rem,1fr)",
            cell: (session) => <span title={session.user_agent}>{device(session)}</span>,
          },
          {
            title: texts.signInProviders.by,
            width: "minmax(0,6rem)",
            secondary: true,
            cell: (session) => session.provider_name ?? texts.signInProviders.byPassword,
          },
          { title: words.lastUsed, width: "7.5rem", cell: (session) => shortDateTime(session.last_seen_at) },
          {
            title: words.expires,
            width: "7.5rem",
            secondary: true,
            cell: (session) => shortDateTime(session.expires_at),
          },
          {
            title: common.actions,
            width: "5rem",
            cell: (session) =>
              session.current ? (
                <Badge tone="good">{words.thisOne}</Badge>
              ) : (
                <Button onPress={() => setEnding(session)}>{words.end}</Button>
              ),
          },
        ]}
      />
      <Confirm
        title={words.endTitle}
        consequence={words.endConsequence}
        action={words.end}
        isOpen={ending !== undefined}
        onClose={() => setEnding(undefined)}
        onConfirm={async () => {
          if (ending) await end.mutateAsync(ending.id);
          toast(words.ended);
        }}
      />
    </>
  );
}

function Features() {
  const features = useQuery({
    queryKey: ["features"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/admin/features/status", { signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (features.isPending) return <Loading lines={3} />;
  if (features.error) return <Failed error={features.error} onRetry={() => features.refetch()} />;
  return (
    <ul className="grid grid-cols-1 gap-x-8 text-sm sm:grid-cols-2">
      {features.data.features.map(({ name, status }) => (
        <li key={name} className="flex items-center justify-between gap-3 border-b border-line py-2">
          <span>{name.replaceAll("_", " ")}</span>
          <Badge tone={status === "available" ? "good" : "neutral"}>{words[status]}</Badge>
        </li>
      ))}
    </ul>
  );
}
