import { useMutation } from "@tanstack/react-query";
import { Send } from "lucide-react";
import { useDeferredValue, useId, useState } from "react";
import { send } from "../../api/client";
import { useGatewayUrl } from "../../api/playground";
import { useFound } from "../../api/resources";
import { Button } from "../../design/Button";
import { inputClass, Labelled } from "../../design/Fields";
import { duration } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Notice } from "../../design/States";
import { paths } from "../../paths";
import { texts } from "../../texts";

const { keys: words } = texts;
const PATH = "/api/v1/admin/playground/chat.completions";
const MOST_TOKENS = 16;

interface Outcome {
  status: number;
  tookMs: number;
  requestId?: string;
  /** What a refusal says. */
  reason?: string;
}

/** One small request through the gateway with a key: the one that was just made, or one that is entered. It is kept nowhere. */
export function TestCall({ secret, tenantId }: { secret?: string; tenantId?: string }) {
  const [entered, setEntered] = useState("");
  const [model, setModel] = useState<string>();
  const keyId = useId();
  const modelId = useId();
  const gateway = useGatewayUrl();
  // The tenant's own names, or the platform's.
  const models = useFound("models", useDeferredValue(model ?? ""));
  const names = (models.data?.items ?? []).filter(({ tenant_id }) => !tenantId || !tenant_id || tenant_id === tenantId);
  const asked = model ?? names[0]?.name ?? "";
  const key = secret ?? entered.trim();
  const call = useMutation({
    mutationFn: async (): Promise<Outcome> => {
      const body = {
        model: asked,
        max_tokens: MOST_TOKENS,
        messages: [{ role: "user", content: texts.firstCall.hello }],
      };
      const headers = { "content-type": "application/json", "x-weir-app-key": key };
      const began = performance.now();
      const response = await send(PATH, headers, JSON.stringify(body), AbortSignal.timeout(90_000));
      const text = await response.text();
      return {
        status: response.status,
        tookMs: performance.now() - began,
        requestId: response.headers.get("x-weir-request-id") ?? undefined,
        reason: response.ok ? undefined : reasonOf(text),
      };
    },
  });
  if (gateway.data && !gateway.data.gateway_url) {
    return <p className="text-sm text-ink-soft">{texts.playground.unset}</p>;
  }
  return (
    <form
      noValidate
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        call.mutate();
      }}
    >
      <div className="grid grid-cols-1 items-end gap-4 sm:grid-cols-[1fr_1fr_auto]">
        {secret === undefined && (
          <Labelled id={keyId} label={words.one}>
            <input
              id={keyId}
              type="password"
              autoComplete="off"
              value={entered}
              onChange={(event) => setEntered(event.target.value)}
              className={`${inputClass} font-mono`}
            />
          </Labelled>
        )}
        <Labelled id={modelId} label={texts.models.one}>
          <input
            id={modelId}
            list={`${modelId}-names`}
            value={asked}
            onChange={(event) => setModel(event.target.value)}
            spellCheck={false}
            className={`${inputClass} font-mono`}
          />
        </Labelled>
        <datalist id={`${modelId}-names`}>
          {names.map(({ id, name }) => (
            <option key={id} value={name} />
          ))}
        </datalist>
        <Button
          type="submit"
          icon={<Send aria-hidden className="size-4" />}
          isDisabled={call.isPending || key === "" || asked === ""}
        >
          {words.test}
        </Button>
      </div>
      {call.error && <Notice tone="bad">{texts.playground.noAnswer}</Notice>}
      {call.data && (
        <Notice tone={call.data.status === 200 ? "good" : "bad"}>
          <p className="font-medium">
            {call.data.status === 200
              ? words.testWorks(duration(call.data.tookMs * 1_000))
              : texts.playground.refused(call.data.status)}
          </p>
          {call.data.reason && <p className="break-words">{call.data.reason}</p>}
          {call.data.requestId && (
            // To leave the page that shows a key this once is to lose it.
            <AppLink to={paths.request(call.data.requestId)} inNewTab={secret !== undefined}>
              {texts.requests.one}
            </AppLink>
          )}
        </Notice>
      )}
    </form>
  );
}

/** The words of a refusal, in the schemas' and the API's own form. */
function reasonOf(text: string): string | undefined {
  try {
    const said = JSON.parse(text) as { error?: { message?: string }; detail?: string };
    return said.error?.message ?? said.detail;
  } catch {
    return text.slice(0, 200) || undefined;
  }
}
