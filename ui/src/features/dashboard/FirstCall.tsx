import { Check, Circle } from "lucide-react";
import type { ReactNode } from "react";
import { useIdentity } from "../../api/identity";
import { useGatewayUrl } from "../../api/playground";
import { useFew } from "../../api/resources";
import { LinkButton } from "../../design/Button";
import { CopyButton } from "../../design/Dialog";
import { Section } from "../../design/Page";
import { Failed, Loading } from "../../design/States";
import { paths } from "../../paths";
import { texts } from "../../texts";

const { firstCall: words } = texts;

interface Step {
  title: string;
  body: string;
  isDone: boolean;
  /** Undefined: somebody else must do it. */
  action?: { to: string; label: string };
}

/**
 * What is still missing before an app's first request, for whom none has come yet; then the request itself. `tenant`: the one whose app it
 * is; undefined: any in one's scope.
 */
export function FirstCall({ tenant }: { tenant?: string }) {
  const { isPlatform, identity, mayWrite } = useIdentity();
  const tenants = useFew("tenants", {}, isPlatform);
  const providers = useServing("providers", tenant);
  const pools = useServing("pools", tenant);
  const models = useServing("models", tenant);
  const keys = useFew("api-keys", tenant ? { tenant_id: tenant } : {});
  const gateway = useGatewayUrl();
  const all = [providers, pools, models, keys, ...(isPlatform ? [tenants] : [])];
  const failed = all.find(({ error, data }) => error && !data);
  if (failed) return <Failed error={failed.error} onRetry={() => failed.refetch()} />;
  if (all.some(({ isPending }) => isPending)) return <Loading />;

  const has = ({ data }: { data?: { items: unknown[] } }) => (data?.items.length ?? 0) > 0;
  const maySet = isPlatform || mayWrite(identity?.tenant_id);
  const step = (title: string, body: string, isDone: boolean, to: string, label: string): Step => ({
    title,
    body,
    isDone,
    action: maySet ? { to, label } : undefined,
  });
  const hasModel = has(models);
  const keyNew = tenant ? `${paths.keyNew}?${new URLSearchParams({ tenant_id: tenant })}` : paths.keyNew;
  const steps: Step[] = [
    ...(isPlatform ? [step(texts.tenants.one, words.tenant, has(tenants), paths.tenantNew, texts.tenants.new)] : []),
    // Whoever is served a model need not know by whom.
    step(texts.providers.one, words.provider, hasModel || has(providers), paths.providerNew, texts.providers.new),
    step(texts.pools.one, words.pool, hasModel || has(pools), paths.poolNew, texts.pools.new),
    step(texts.models.one, words.model, hasModel, paths.modelNew, texts.models.new),
    step(texts.keys.one, words.key, has(keys), keyNew, texts.keys.new),
  ];
  const next = steps.find(({ isDone }) => !isDone);
  const model = models.data?.items[0]?.name ?? words.modelName;
  const command = `curl ${gateway.data?.gateway_url ?? words.gatewayUrl}/v1/chat/completions \\
  -H "Authorization: Bearer $WEIR_API_KEY" -H "Content-Type: application/json" \\
  -d '${JSON.stringify({ model, messages: [{ role: "user", content: words.hello }] }).replaceAll("'", "'\\''")}'`;
  return (
    <Section title={words.title} lead={words.lead}>
      <ol className="grid gap-4">
        {steps.map((each) => (
          <Line key={each.title} isDone={each.isDone} title={each.title} body={each.body}>
            {each === next && each.action && (
              <LinkButton to={each.action.to} kind="primary">
                {each.action.label}
              </LinkButton>
            )}
            {each === next && !each.action && <p className="text-sm text-ink-soft">{words.notYou}</p>}
          </Line>
        ))}
        <Line isDone={false} title={words.call} body={words.callBody}>
          <pre className="mb-3 overflow-x-auto rounded-md border border-line bg-ground p-3 font-mono text-xs">
            {command}
          </pre>
          <div className="flex flex-wrap gap-2">
            <CopyButton text={command} />
            {!next && <LinkButton to={paths.playground}>{words.tryIt}</LinkButton>}
          </div>
        </Line>
      </ol>
    </Section>
  );
}

/** Some of a kind that serve a tenant: its own, and the platform's. Without a tenant: all in one's scope. */
function useServing<R extends "providers" | "pools" | "models">(name: R, tenant: string | undefined) {
  const own = useFew(name, tenant ? { tenant_id: tenant } : {});
  const shared = useFew(name, { owner: "platform" }, tenant !== undefined);
  if (!tenant || own.error || !own.data) return own;
  if (!shared.data) return shared;
  return { ...own, data: { ...own.data, items: [...own.data.items, ...shared.data.items] } };
}

function Line({
  isDone,
  title,
  body,
  children,
}: {
  isDone: boolean;
  title: string;
  body: string;
  children?: ReactNode;
}) {
  const icon = "mt-0.5 size-5 shrink-0";
  return (
    <li className="flex gap-3">
      {isDone ? (
        <Check aria-hidden className={`${icon} text-good`} />
      ) : (
        <Circle aria-hidden className={`${icon} text-ink-soft`} />
      )}
      <div className="grid min-w-0 flex-1 gap-2">
        <p>
          <span className="font-medium">{title}</span>
          {isDone && <span className="text-good"> · {words.done}</span>}
          <span className="block text-sm text-ink-soft">{body}</span>
        </p>
        {children && <div className="min-w-0">{children}</div>}
      </div>
    </li>
  );
}
