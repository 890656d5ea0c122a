import type { ReactNode } from "react";
import { useIdentity } from "../../api/identity";
import type { RecordDetail } from "../../api/usage";
import { Badge, type Tone } from "../../design/Badge";
import { Rows } from "../../design/DataTable";
import { count, dateTime, decimalDollars, duration } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Facts, Section } from "../../design/Page";
import { Notice } from "../../design/States";
import { Summary } from "../../design/Summary";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { Cost } from "./Cost";
import { Outcome } from "./outcome";

const { requests: words, record: recordWords, common } = texts;

/** Everything that the ledger has about one request. */
export function Record({ record }: { record: RecordDetail }) {
  return (
    <>
      {record.error && (
        <Notice tone={record.outcome === "refused" ? "warn" : "bad"}>
          {words.refused}: <code className="font-mono font-medium">{record.error.code}</code>
          {record.error.decided_by && (
            <p className="mt-1">
              {recordWords.decidedBy(recordWords.deciders[record.error.decided_by] ?? record.error.decided_by)}
            </p>
          )}
        </Notice>
      )}
      <div className="grid grid-cols-1 gap-x-6 lg:grid-cols-2">
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
        <SaidByProvider usages={record.raw_usages} />
      </Section>
      <Section title={words.costTitle}>
        <Cost cost={record.cost} priceVersion={record.price_version} />
      </Section>
    </>
  );
}

function Timeline({ record }: { record: RecordDetail }) {
  const provider = record.names.provider ?? record.provider_id;
  const firstContent = record.time_to_first_token_us;
  return (
    <ol className="border-l border-line-strong">
      <Step at={dateTime(record.started_at)} title={words.arrived}>
        {words.arrivedBody(record.operation, record.model || common.unknown, record.streamed)}
      </Step>
      <Step title={words.checked}>
        {record.findings.length === 0 ? (
          words.noFindings
        ) : (
          <span className="flex flex-wrap gap-1">
            {record.findings.map(({ type, action, count: times }) => (
              <Badge key={`${type} ${action}`} tone={action === "block" ? "bad" : "warn"}>
                {recordWords.found(type, action, count(times))}
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
      {record.attempt_details.map((attempt, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: an attempt is its place
        <Step key={at} at={`+ ${duration(attempt.started_after_us)}`} title={recordWords.attempt(at + 1)}>
          {recordWords.attemptTo(attempt.provider ?? recordWords.gone, attempt.upstream_model)}
          <span className="mt-1 block">
            {attempt.status === 0 || attempt.answered_after_us === null ? (
              recordWords.noAnswer
            ) : (
              <Badge tone={statusTone(attempt.status)}>
                {recordWords.answered(attempt.status, duration(attempt.answered_after_us - attempt.started_after_us))}
              </Badge>
            )}{" "}
            {attempt.cost_usd !== null && Number(attempt.cost_usd) > 0 && (
              <span>{recordWords.billed(decimalDollars(attempt.cost_usd))}</span>
            )}
          </span>
        </Step>
      ))}
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

function Who({ record }: { record: RecordDetail }) {
  const { isPlatform } = useIdentity();
  const { names } = record;
  const facts: [string, ReactNode][] = [
    [
      words.key,
      <AppLink key="key" to={paths.key(record.key_id)}>
        {names.key ?? record.key_id}
      </AppLink>,
    ],
    [words.gateway, names.gateway ?? record.gateway_id],
    [words.revision, count(record.revision)],
  ];
  const told: [string, string][] = [
    [recordWords.tier, record.service_tier],
    [recordWords.labels, record.labels.join(", ")],
    [recordWords.trace, record.trace_id],
    [recordWords.clientId, record.client_request_id],
  ];
  facts.push(...told.filter(([, value]) => value !== ""));
  if (isPlatform) {
    const name = names.tenant ?? record.tenant_id;
    facts.unshift([
      common.tenant,
      <AppLink key="tenant" to={paths.tenant(record.tenant_id)}>
        {name}
      </AppLink>,
    ]);
  }
  return <Facts facts={facts} />;
}

/** The provider's own words. */
function SaidByProvider({ usages }: { usages: string[] }) {
  if (usages.length === 0) return null;
  return (
    <details className="mt-3 text-sm">
      <Summary>{recordWords.said}</Summary>
      {usages.map((usage) => (
        <pre key={usage} className="mt-2 overflow-x-auto rounded bg-surface p-2 font-mono text-xs">
          {usage}
        </pre>
      ))}
    </details>
  );
}

function Tokens({ record }: { record: RecordDetail }) {
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
