import { useMutation, useQueryClient } from "@tanstack/react-query";
import { RefreshCw } from "lucide-react";
import { useRef, useState } from "react";
import { client, unwrap } from "../../api/client";
import { forget, type Item, newIdempotencyKey } from "../../api/resources";
import { Button } from "../../design/Button";
import { Confirm, SecretOnce } from "../../design/Dialog";
import { Select } from "../../design/Fields";
import { dateTime } from "../../design/format";
import { Section } from "../../design/Page";
import { Notice } from "../../design/States";
import { texts } from "../../texts";

const { gateways: words } = texts;
type Overlap = keyof typeof words.overlaps;
const DAY_SECONDS = 86_400;

/**
 * A gateway's token: until when a former one holds, and how it is replaced. `connected`: how many of its Envoys are; undefined: that is
 * not known.
 */
export function Token({ gateway, connected }: { gateway: Item<"gateways">; connected?: number }) {
  const queries = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const [overlap, setOverlap] = useState(DAY_SECONDS);
  const [token, setToken] = useState<string>();
  // One key for one replacement, so that a repeat after a lost answer replaces nothing more.
  const idempotencyKey = useRef<string>(undefined);
  const rotate = useMutation({
    mutationFn: (overlap_seconds: number) => {
      idempotencyKey.current ??= newIdempotencyKey();
      const params = { path: { id: gateway.id }, header: { "Idempotency-Key": idempotencyKey.current } };
      return unwrap(client.POST("/api/v1/admin/gateways/{id}/rotate", { params, body: { overlap_seconds } }));
    },
    onSuccess: () => forget(queries, "gateways"),
  });
  const close = () => {
    idempotencyKey.current = undefined;
    setAsking(false);
  };
  const choices = Object.entries(words.overlaps).map(([value, label]) => ({ value, label }));
  return (
    <div className="mt-6">
      <Section
        title={words.token}
        lead={words.tokenLead}
        actions={
          <Button icon={<RefreshCw aria-hidden className="size-4" />} onPress={() => setAsking(true)}>
            {words.rotate}
          </Button>
        }
      >
        {gateway.former_tokens_until ? (
          <Notice tone="warn">{words.formerUntil(dateTime(gateway.former_tokens_until))}</Notice>
        ) : (
          <p className="text-sm text-ink-soft">{words.onlyPresent}</p>
        )}
      </Section>
      <Confirm
        title={words.rotateTitle}
        consequence={overlap === 0 ? words.atOnce(connected) : words.rotateLead}
        action={words.rotate}
        isOpen={isAsking}
        onClose={close}
        onConfirm={async () => setToken((await rotate.mutateAsync(overlap)).token)}
      >
        <Select
          label={words.overlap}
          value={String(overlap)}
          onChange={(value) => {
            idempotencyKey.current = undefined;
            setOverlap(Number(value) as Overlap);
          }}
          options={choices}
        />
      </Confirm>
      <SecretOnce label={words.newToken} secret={token} onDone={() => setToken(undefined)} />
    </div>
  );
}
