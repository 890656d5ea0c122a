import { useMutation } from "@tanstack/react-query";
import { PlugZap } from "lucide-react";
import { client, unwrap } from "../../api/client";
import { Button } from "../../design/Button";
import { Notice } from "../../design/States";
import { texts } from "../../texts";

const { signInProviders: words } = texts;

/** Asks the issuer that a form describes what it can do. */
export function Check({ describe }: { describe: () => { issuer: string; tenant_id: string | null } }) {
  const check = useMutation({
    mutationFn: () => unwrap(client.POST("/api/v1/admin/sign-in-providers/check", { body: describe() })),
  });
  const { data, error } = check;
  const can: [boolean | undefined, string][] = [
    [data?.ends_its_session, words.endsItsSession],
    [data?.tells_of_ended_sessions, words.tellsOfEndedSessions],
    [data?.names_itself, words.namesItself],
  ];
  return (
    <div>
      <Button
        icon={<PlugZap aria-hidden className="size-4" />}
        isDisabled={check.isPending}
        onPress={() => check.mutate()}
      >
        {words.check}
      </Button>
      <p className="mt-1 mb-3 text-sm text-ink-soft">{words.checkLead}</p>
      {error && <Notice tone="bad">{error.message}</Notice>}
      {data && !data.ok && (
        <Notice tone="warn">
          <p className="font-medium">{words.checkFailed}</p>
          <p className="break-words">{data.message}</p>
        </Notice>
      )}
      {data?.ok && (
        <Notice tone="good">
          <p className="font-medium">{data.message}</p>
          {can
            .filter(([does]) => does)
            .map(([, what]) => (
              <p key={what}>{what}</p>
            ))}
        </Notice>
      )}
    </div>
  );
}
