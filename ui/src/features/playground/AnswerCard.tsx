import { useRequest } from "../../api/usage";
import { Badge } from "../../design/Badge";
import { count, decimalDollars, duration } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Facts } from "../../design/Page";
import { paths } from "../../paths";
import { texts } from "../../texts";
import type { Answer } from "./conversation";

const { playground: words, requests: requestWords } = texts;
/** Envoy hands its records over about once a second. */
const ASK_EVERY_MS = 1_000;

/** What a model answered, as it comes, and what its record says afterwards. */
export function AnswerCard({ answer }: { answer: Answer }) {
  const hasEnded = answer.state !== "waiting" && answer.state !== "coming";
  return (
    <article aria-label={answer.model} className="min-w-0 rounded-lg border border-line p-4 text-sm">
      <h3 className="mb-2 font-mono text-xs text-ink-soft">{answer.model}</h3>
      <div aria-live="polite" aria-busy={!hasEnded}>
        {answer.state === "waiting" && <p className="text-ink-soft">{words.waiting}</p>}
        {answer.text && <p className="break-words whitespace-pre-wrap">{answer.text}</p>}
        {answer.state === "complete" && !answer.text && answer.toolCalls.length === 0 && (
          <p className="text-ink-soft">{words.noText}</p>
        )}
        {answer.toolCalls.map((call, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a call is its place
          <div key={at} className="mt-2 rounded-md border border-line bg-sunken p-3">
            <p className="font-medium">{words.toolCall(call.name)}</p>
            <pre className="mt-1 font-mono text-xs break-all whitespace-pre-wrap">{call.arguments}</pre>
          </div>
        ))}
        {hasEnded && <Ending answer={answer} />}
      </div>
      {hasEnded && answer.requestId && <Happened answer={answer} requestId={answer.requestId} />}
    </article>
  );
}

function Ending({ answer }: { answer: Answer }) {
  if (answer.state === "stopped") return <Line>{words.stopped}</Line>;
  if (answer.state === "broken") return <Line>{words.broken}</Line>;
  if (answer.state !== "refused") return null;
  return (
    <div role="alert" className="mt-2 rounded-md border border-bad bg-bad-ground px-3 py-2 text-bad">
      {answer.status !== undefined && answer.status >= 400 && (
        <p className="font-medium">{words.refused(answer.status)}</p>
      )}
      <p className="break-words">{answer.reason}</p>
    </div>
  );
}

function Line({ children }: { children: string }) {
  return <p className="mt-2 rounded-md bg-warn-ground px-3 py-2 text-warn">{children}</p>;
}

/** From the request's own record, once it has come; by this browser's clock until then. */
function Happened({ answer, requestId }: { answer: Answer; requestId: string }) {
  const request = useRequest(requestId, ASK_EVERY_MS);
  const record = request.data;
  const milliseconds = (value: number | undefined) => (value === undefined ? "–" : duration(value * 1_000));
  if (!record) {
    return (
      <div className="mt-3 border-t border-line pt-3 text-xs text-ink-soft">
        <p>
          {words.firstContent} {milliseconds(answer.firstContentMs)}, {words.took.toLowerCase()}{" "}
          {milliseconds(answer.tookMs)}
        </p>
        <p className="mt-1">{request.isGivenUp ? words.recordNotSeen : words.recordComing}</p>
      </div>
    );
  }
  const provider = record.names.provider ?? record.provider_id ?? "–";
  const firstContent = record.time_to_first_token_us;
  return (
    <div className="mt-3 border-t border-line pt-3">
      <h4 className="mb-2 font-medium">{words.happened}</h4>
      <Facts
        facts={[
          [requestWords.provider, record.upstream_model ? `${provider} / ${record.upstream_model}` : provider],
          [requestWords.tokensInOut, `${count(record.input_tokens)} / ${count(record.output_tokens)}`],
          [requestWords.cost, record.price_version ? decimalDollars(record.cost_usd) : requestWords.noPrice],
          [words.firstContent, firstContent == null ? "–" : duration(firstContent)],
          [words.took, duration(record.latency_us)],
          [
            words.findings,
            record.guardrail_findings.length === 0 ? (
              requestWords.noFindings
            ) : (
              <span key="findings" className="flex flex-wrap gap-1">
                {record.guardrail_findings.map((finding) => (
                  <Badge key={finding} tone="warn">
                    {finding}
                  </Badge>
                ))}
              </span>
            ),
          ],
          [
            words.record,
            <AppLink key="record" to={paths.request(requestId)}>
              {requestWords.one}
            </AppLink>,
          ],
        ]}
      />
    </div>
  );
}
