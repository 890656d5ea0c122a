import { zodResolver } from "@hookform/resolvers/zod";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { z } from "zod";
import { client, unwrap } from "../../api/client";
import { useIdentity } from "../../api/identity";
import { forget, newIdempotencyKey, useCreate } from "../../api/resources";
import { Button } from "../../design/Button";
import { Dialog } from "../../design/Dialog";
import { PickerField } from "../../design/Picker";
import { Notice } from "../../design/States";
import { TenantField } from "../../design/TenantField";
import { texts } from "../../texts";

const { playground: words, common } = texts;
const HOUR_MS = 3_600_000;

const schema = z.object({ tenant_id: z.string().min(1, common.required), profile_id: z.string() });

/** A key of this page's own, with a guardrail profile, for those who may make keys. It is revoked, or expires within the hour. */
export function HourKey({ onKey }: { onKey: (key: string) => void }) {
  const { isPlatform, identity, mayWrite } = useIdentity();
  const queries = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const [made, setMade] = useState<string>();
  const revoke = useMutation({
    mutationFn: (id: string) => unwrap(client.POST("/api/v1/admin/api-keys/{id}/revoke", { params: { path: { id } } })),
    onSuccess: () => {
      setMade(undefined);
      onKey("");
      return forget(queries, "api-keys");
    },
  });
  if (!isPlatform && !mayWrite(identity?.tenant_id)) return null;
  return (
    <>
      {made ? (
        <Notice>
          <p>{words.madeKey}</p>
          {revoke.error && <p className="mt-1 text-bad">{revoke.error.message}</p>}
          <Button className="mt-2" isDisabled={revoke.isPending} onPress={() => revoke.mutate(made)}>
            {words.endKey}
          </Button>
        </Notice>
      ) : (
        <Button onPress={() => setAsking(true)}>{words.makeKey}</Button>
      )}
      {isAsking && (
        <KeyDialog
          onClose={() => setAsking(false)}
          onMade={({ id, key }) => {
            setAsking(false);
            setMade(id);
            onKey(key);
          }}
        />
      )}
    </>
  );
}

function KeyDialog({ onClose, onMade }: { onClose: () => void; onMade: (made: { id: string; key: string }) => void }) {
  const { isPlatform, identity } = useIdentity();
  const create = useCreate("api-keys");
  const { control, handleSubmit, watch } = useForm({
    resolver: zodResolver(schema),
    defaultValues: { tenant_id: identity?.tenant_id ?? "", profile_id: "" },
  });
  const tenantId = watch("tenant_id");
  const make = handleSubmit(async ({ tenant_id, profile_id }) => {
    const now = Date.now();
    const body = {
      tenant_id,
      name: `${words.keyName(identity?.email ?? "")} ${new Date(now).toISOString()}`,
      guardrail_profile_id: profile_id || null,
      expires_at: new Date(now + HOUR_MS).toISOString(),
    };
    const key = await create.mutateAsync({ body, idempotencyKey: newIdempotencyKey() }).catch(() => undefined);
    if (key?.key) onMade({ id: key.id, key: key.key });
  });
  return (
    <Dialog title={words.makeKey} isOpen onClose={onClose}>
      <form noValidate className="grid gap-4" onSubmit={make}>
        <p className="text-ink-soft">{words.makeKeyBody}</p>
        {create.error && <Notice tone="bad">{create.error.message}</Notice>}
        {isPlatform && <TenantField control={control} name="tenant_id" />}
        <PickerField
          resource="guardrails/profiles"
          control={control}
          name="profile_id"
          label={texts.keys.profile}
          none={texts.keys.tenantsProfile}
          accepts={({ tenant_id }) => !tenant_id || tenant_id === tenantId}
        />
        <div className="mt-2 flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">
          <Button onPress={onClose}>{common.cancel}</Button>
          <Button kind="primary" type="submit" isDisabled={create.isPending}>
            {words.makeKeyAction}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
