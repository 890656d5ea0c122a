import { useQuery } from "@tanstack/react-query";
import { client, type Schemas, unwrap } from "../../api/client";
import { type Column, Rows } from "../../design/DataTable";
import { Section } from "../../design/Page";
import { Failed, Loading } from "../../design/States";
import { Summary } from "../../design/Summary";
import { texts } from "../../texts";

const { access: words, identity } = texts;
type Held = Schemas["HeldPermission"];
type Scope = Schemas["AccessScope"];

const where = ({ kind, name, id }: Scope) => words.scopes[kind](name ?? id ?? "");

const COLUMNS: Column<Held>[] = [
  {
    title: words.permission,
    width: "minmax(0,1.2fr)",
    cell: ({ permission }) => identity.roles.allows[permission] ?? permission,
  },
  { title: words.where, cell: ({ scopes }) => scopes.map(where).join("; ") },
];

/** One's own roles, and what they come to: each permission with where it reaches. */
export function Access() {
  const access = useQuery({
    queryKey: ["identity", "access"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/admin/auth/access", { signal })),
  });
  return (
    <Section title={words.title} lead={words.lead}>
      {access.isPending && <Loading lines={3} />}
      {access.error && <Failed error={access.error} onRetry={() => access.refetch()} />}
      {access.data && (
        <>
          <ul aria-label={words.roles} className="mb-3 grid gap-1 text-sm">
            {access.data.roles.map(({ role, custom_role_id, custom_role_name, scope }) => (
              <li key={`${role ?? custom_role_id} ${scope.kind} ${scope.id}`} className="break-words">
                <span className="font-medium">{role ? identity.roles.names[role] : custom_role_name}</span>{" "}
                <span className="text-ink-soft">{where(scope)}</span>
              </li>
            ))}
          </ul>
          <details>
            <Summary>{words.all(access.data.permissions.length)}</Summary>
            <Rows
              label={words.permissions}
              items={access.data.permissions}
              rowKey={({ permission }) => permission}
              columns={COLUMNS}
            />
          </details>
        </>
      )}
    </Section>
  );
}
