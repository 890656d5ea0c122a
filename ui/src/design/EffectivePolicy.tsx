import { ShieldCheck } from "lucide-react";
import type { Schemas } from "../api/client";
import { type Effective, type Governed, useEffective } from "../api/effective";
import { useIdentity } from "../api/identity";
import { resourcePath } from "../paths";
import { texts } from "../texts";
import { Badge } from "./Badge";
import { type Column, Rows } from "./DataTable";
import { actionTone } from "./guardrails";
import { AppLink } from "./Link";
import { Section } from "./Page";
import { Failed, Loading } from "./States";

const words = texts.identity.effective;
const { profiles } = texts;
type Rule = Schemas["Rule"];

const COLUMNS: Column<Rule>[] = [
  {
    title: profiles.finding,
    width: "minmax(0,2fr)",
    cell: ({ type, custom }) => custom?.name ?? profiles.findings[type] ?? type,
  },
  { title: profiles.direction, cell: ({ direction }) => profiles.directions[direction ?? "both"] },
  {
    title: profiles.action,
    width: "7rem",
    cell: ({ action }) => <Badge tone={actionTone[action]}>{profiles.actions[action]}</Badge>,
  },
];

/** What holds for all keys of something, or for one key: the profiles that apply and whence, and what they come to. */
export function EffectivePolicy({ of, id }: { of: Governed; id: string }) {
  const effective = useEffective(of, id);
  return (
    <div className="mt-6">
      <Section title={words.title} lead={words.leads[of]}>
        {effective.isPending && <Loading lines={2} />}
        {effective.error && <Failed error={effective.error} onRetry={() => effective.refetch()} />}
        {effective.data?.sources.length === 0 && <p className="text-sm">{words.none}</p>}
        {effective.data && effective.data.sources.length > 0 && <Guardrails effective={effective.data} id={id} />}
      </Section>
    </div>
  );
}

function Guardrails({ effective, id: own }: { effective: Effective; id: string }) {
  return (
    <div className="grid gap-4">
      <ol aria-label={words.from} className="grid gap-2 text-sm">
        {effective.sources.map(({ kind, id, name, profile_id, profile_name }) => (
          <li key={`${kind} ${id} ${profile_id}`} className="flex items-start gap-2">
            <ShieldCheck aria-hidden className="mt-0.5 size-4 shrink-0 text-ink-soft" />
            <span className="min-w-0 break-words">
              <ProfileName id={profile_id} name={profile_name} />
              <span className="text-ink-soft">
                {" · "}
                {id === own ? words.itself : (words.kinds[kind] ?? kind)}
                {name && id && id !== own && (
                  <>
                    {" "}
                    <Source kind={kind} id={id} name={name} />
                  </>
                )}
              </span>
            </span>
          </li>
        ))}
      </ol>
      <Rows
        label={words.rules}
        items={effective.rules}
        rowKey={({ type, custom, direction, action }) => `${type} ${custom?.name} ${direction} ${action}`}
        columns={COLUMNS}
      />
      <p className="text-sm">
        <span className="text-ink-soft">{profiles.uninspectable}:</span>{" "}
        {profiles.uninspectableActions[effective.uninspectable]}
      </p>
    </div>
  );
}

/** With the way to the profile, for whoever sees profiles. */
function ProfileName({ id, name }: { id: string; name: string }) {
  const { identity } = useIdentity();
  const path = identity?.permissions.includes("guardrails.read") && resourcePath("guardrail_profile", id);
  return path ? <AppLink to={path}>{name}</AppLink> : <span className="font-medium">{name}</span>;
}

/** With the way to what it comes from, for whoever sees those. */
function Source({ kind, id, name }: { kind: string; id: string; name: string }) {
  const { identity, isPlatform } = useIdentity();
  const permission = ({ department: "departments.read", user: "users.read" } as const)[kind];
  const isSeen = kind === "tenant" ? isPlatform : permission && identity?.permissions.includes(permission);
  const path = isSeen && resourcePath(kind, id);
  return path ? <AppLink to={path}>{name}</AppLink> : name;
}
