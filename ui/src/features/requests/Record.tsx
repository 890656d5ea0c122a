import type { ReactNode } from "react";
import { useIdentity } from "../../api/identity";
import { useNames } from "../../api/resources";
import { Badge, type Tone } from "../../design/Badge";
import { Rows } from "../../design/DataTable";
import { count, dateTime, duration, money } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Facts, Section } from "../../design/Page";
import { Notice } from "../../design/States";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { Outcome } from "./outcome";
import type { UsageRecord } from "./queries";

const { requests: words, common } = texts;

/** Everything that the ledger has about one request. */
export function Record({ record }: { record: UsageRecord }) {
  return (
    <>
      {record.error_code && (
        <Notice tone={record.outcome === "refused" ? "warn" : "bad"}>
          {words.refused}: <code className="font-mono font-medium">{record.error_code}</code>
        </Notice>
      )}
      <div className="grid gap-x-6 lg:grid-cols-2">
        <Section title={words.timeline}>
          <Timeline record={record} />
        </Section>
        <Section title={words.who}>
          <Who record={record} />
        </Section>
      </div>
      <Section
        title={words.tokensTitle}
        lead={record.doubtful.length > 0 ? words.doubtful(record.doubtful.join(", ")) : undefined}
      >
        <Tokens record={record} />
      </Section>
      <Section title={words.costTitle}>
        <p className="text-2xl font-semibold tabular-nums">{money(record.cost_microusd)}</p>
        <p className="mt-1 text-sm text-ink-soft">
          {record.price_version ? words.priceVersion(record.price_version) : words.noPrice}
        </p>
      </Section>
    </>
  );
}

function Timeline({ record }: { record: UsageRecord }) {
  const providerName = useNames("providers");
  const provider = record.provider_id ? (providerName(record.provider_id) ?? record.provider_id) : undefined;
  const firstContent = record.time_to_first_token_us;
  return (
    <ol className="border-l border-line-strong">
      <Step at={dateTime(record.started_at)} title={words.arrived}>
        {words.arrivedBody(record.operation, record.model || common.unknown, record.streamed)}
      </Step>
      <Step title={words.checked}>
        {record.guardrail_findings.length === 0 ? (
          words.noFindings
        ) : (
          <span className="flex flex-wrap gap-1">
            {record.guardrail_findings.map((finding) => (
              <Badge key={finding} tone="warn">
                {finding}
              </Badge>
            ))}
          </span>
        )}
      </Step>
      <Step title={words.attempted}>
        {record.attempts === 0 ? words.notForwarded : words.attempts(record.attempts)}
        {record.attempts > 0 && (
          <span className="block">
            {provider ? words.answeredBy(provider, record.upstream_model) : words.nobodyAnswered}
          </span>
        )}
      </Step>
      {firstContent != null && <Step at={`+ ${duration(firstContent)}`} title={words.firstContent} />}
      <Step at={`+ ${duration(record.latency_us)}`} title={words.ended}>
        <span className="flex flex-wrap items-center gap-2">
          <Outcome outcome={record.outcome} />
          {record.status > 0 && <Badge tone={statusTone(record.status)}>HTTP {record.status}</Badge>}
        </span>
      </Step>
    </ol>
  );
}

function statusTone(status: number): Tone {
  return status < 400 ? "good" : status < 500 ? "warn" : "bad";
}

function Step({ at, title, children }: { at?: string; title: string; children?: ReactNode }) {
  return (
    <li className="relative pb-5 pl-5 last:pb-0">
      <span aria-hidden className="absolute top-1.5 -left-[5px] size-2.5 rounded-full bg-line-strong" />
      <p className="flex flex-wrap items-baseline justify-between gap-x-4">
        <span className="text-sm font-medium">{title}</span>
        {at && <span className="text-sm tabular-nums text-ink-soft">{at}</span>}
      </p>
      {children && <div className="mt-1 text-sm text-ink-soft">{children}</div>}
    </li>
  );
}

function Who({ record }: { record: UsageRecord }) {
  const { isPlatform } = useIdentity();
  const tenantName = useNames("tenants", isPlatform);
  const keyName = useNames("api-keys");
  const gatewayName = useNames("gateways", isPlatform);
  const facts: [string, ReactNode][] = [
    [
      words.key,
      <AppLink key="key" to={paths.key(record.key_id)}>
        {keyName(record.key_id) ?? record.key_id}
      </AppLink>,
    ],
    [words.gateway, gatewayName(record.gateway_id) ?? record.gateway_id],
    [words.revision, count(record.revision)],
  ];
  if (isPlatform) {
    const name = tenantName(record.tenant_id) ?? record.tenant_id;
    facts.unshift([
      common.tenant,
      <AppLink key="tenant" to={paths.tenant(record.tenant_id)}>
        {name}
      </AppLink>,
    ]);
  }
  return <Facts facts={facts} />;
}

function Tokens({ record }: { record: UsageRecord }) {
  const { classes } = words;
  const rows = [
    { name: classes.input, tokens: record.input_tokens, source: record.input_source, always: true },
    { name: classes.cached_input, tokens: record.cached_input_tokens, source: record.cached_input_source },
    { name: classes.cache_write, tokens: record.cache_write_tokens, source: record.cache_write_source },
    { name: classes.cache_write_1h, tokens: record.cache_write_1h_tokens, source: record.cache_write_source },
    { name: classes.output, tokens: record.output_tokens, source: record.output_source, always: true },
    { name: classes.reasoning, tokens: record.reasoning_tokens, source: record.reasoning_source },
  ];
  return (
    <Rows
      label={words.tokensTitle}
      items={rows.filter((row) => row.always || row.tokens > 0)}
      rowKey={(row) => row.name}
      columns={[
        {
          title: words.tokenClass,
          width: "minmax(0,2fr)",
          cell: (row) => <span className={row.always ? "" : "md:pl-4"}>{row.name}</span>,
        },
        { title: words.count, numeric: true, cell: (row) => count(row.tokens) },
        {
          title: words.source,
          cell: (row) => (
            <Badge tone={row.source === "provider" ? "good" : "neutral"}>{words.sources[row.source]}</Badge>
          ),
        },
      ]}
    />
  );
}
