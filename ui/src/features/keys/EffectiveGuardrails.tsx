import { useQuery } from "@tanstack/react-query";
import { client, unwrap } from "../../api/client";
import { Section } from "../../design/Page";
import { Failed, Loading } from "../../design/States";
import { texts } from "../../texts";

const words = texts.identity.effective;

/** Which guardrails hold for a key, and where each comes from. */
export function EffectiveGuardrails({ keyId }: { keyId: string }) {
  const effective = useQuery({
    queryKey: ["api-keys", "effective", keyId],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/admin/api-keys/{id}/effective", { params: { path: { id: keyId } }, signal })),
  });
  return (
    <Section title={words.title} lead={words.lead}>
      {effective.isPending && <Loading lines={2} />}
      {effective.error && <Failed error={effective.error} onRetry={() => effective.refetch()} />}
      {effective.data?.sources.length === 0 && <p>{words.none}</p>}
      {effective.data && effective.data.sources.length > 0 && (
        <ul className="grid gap-2">
          {effective.data.sources.map(({ kind, id, name, profile_id, profile_name }) => (
            <li key={`${kind} ${id} ${profile_id}`}>
              <span className="font-medium">{profile_name}</span>{" "}
              <span className="text-ink-soft">
                {words.kinds[kind] ?? kind}
                {name && kind !== "api_key" && `: ${name}`}
              </span>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
