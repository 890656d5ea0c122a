import { useMutation } from "@tanstack/react-query";
import { PlugZap } from "lucide-react";
import type { ReactNode } from "react";
import { client, type Schemas, unwrap } from "../../api/client";
import { Button } from "../../design/Button";
import { Notice } from "../../design/States";
import { texts } from "../../texts";

const { providers: words } = texts;
/** Of a long list the beginning says enough. */
const MOST_SHOWN = 30;

/** Asks a provider for its models: the stored one, or the one that a form describes. */
export function Check({ id, describe }: { id?: string; describe: () => Promise<Schemas["NewProvider"] | undefined> }) {
  const check = useMutation({
    mutationFn: async () => {
      const body = await describe();
      // What is in the form with a new credential is checked as it is there.
      if (id && !body?.credential) {
        return unwrap(client.POST("/api/v1/admin/providers/{id}/check", { params: { path: { id } } }));
      }
      return body && unwrap(client.POST("/api/v1/admin/providers/check", { body }));
    },
  });
  const { data, error } = check;
  return (
    <div>
      <Button
        icon={<PlugZap aria-hidden className="size-4" />}
        isDisabled={check.isPending}
        onPress={() => check.mutate()}
      >
        {words.check}
      </Button>
      <p className="mt-1 mb-3 text-sm text-ink-soft">{words.checkNow}</p>
      {error && <Notice tone="bad">{error.message}</Notice>}
      {data && !data.ok && <CheckFailed check={data} />}
      {data?.ok && (
        <Notice tone="good">
          <p className="font-medium">{words.checkOk(data.took_ms, data.models.length)}</p>
          {data.models.length > 0 && (
            <p className="mt-1 font-mono text-xs break-words">
              {data.models.slice(0, MOST_SHOWN).join(", ")}
              {data.models.length > MOST_SHOWN && " …"}
            </p>
          )}
        </Notice>
      )}
    </div>
  );
}

/** What failed, what the server said or did, and what to look at. */
export function CheckFailed({ check, children }: { check: Schemas["ProviderCheck"]; children?: ReactNode }) {
  const [what, next] = words.checkResults[check.result] ?? [words.checkFailed, undefined];
  return (
    <Notice tone="warn">
      <p className="font-medium">{what}</p>
      <p className="break-words">{check.message}</p>
      {next && <p className="mt-1">{next}</p>}
      {children}
    </Notice>
  );
}
