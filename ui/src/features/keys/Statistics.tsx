import { useQuery } from "@tanstack/react-query";
import { client, unwrap } from "../../api/client";
import { count, dateTime, decimalDollars, duration, shortCount } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Facts, Section } from "../../design/Page";
import { Failed, Loading } from "../../design/States";
import { requestsWith, usageWith } from "../../paths";
import { texts } from "../../texts";

const { keys: words, dashboard, common } = texts;

/** What a key was used for lately. */
export function Statistics({ keyId }: { keyId: string }) {
  const statistics = useQuery({
    queryKey: ["api-keys", "statistics", keyId],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/admin/api-keys/{id}/statistics", { params: { path: { id: keyId } }, signal })),
  });
  const { data } = statistics;
  const shown = (milliseconds: number | null) => (milliseconds === null ? "–" : duration(milliseconds * 1_000));
  return (
    <div className="mt-6">
      <Section
        title={words.statistics}
        actions={
          data && <AppLink to={usageWith({ api_key: keyId, from: data.from, to: data.to })}>{words.usage}</AppLink>
        }
      >
        {statistics.isPending && <Loading lines={3} />}
        {statistics.error && <Failed error={statistics.error} onRetry={() => statistics.refetch()} />}
        {data && (
          <Facts
            facts={[
              [
                dashboard.requests,
                <AppLink key="requests" to={requestsWith({ key_id: keyId, from: data.from, to: data.to })}>
                  {count(data.requests)}
                </AppLink>,
              ],
              [words.successRate, data.success_rate === null ? "–" : `${(data.success_rate * 100).toFixed(1)} %`],
              [dashboard.tokens, `${shortCount(data.input_tokens)} / ${shortCount(data.output_tokens)}`],
              [dashboard.cost, decimalDollars(data.cost_usd)],
              [`${dashboard.latency}, ${dashboard.p50}`, shown(data.latency_ms.p50)],
              [words.lastUsed, data.last_used_at ? dateTime(data.last_used_at) : common.never],
            ]}
          />
        )}
      </Section>
    </div>
  );
}
