import { useEffect, useState } from "react";
import type { Schemas } from "./client";

export type Pulse = Extract<Schemas["AdminEvent"], { type: "usage" }>;
const ADDRESS = "/api/v1/admin/events";

/** What was used in the latest seconds, as the server tells it; undefined until it has. Only while the page can be seen. */
export function usePulse(tenantId: string): Pulse | undefined {
  const [pulse, setPulse] = useState<Pulse>();
  useEffect(() => {
    let source: EventSource | undefined;
    const listen = () => {
      source?.close();
      source = undefined;
      setPulse(undefined);
      if (document.hidden) return;
      source = new EventSource(tenantId ? `${ADDRESS}?${new URLSearchParams({ tenant_id: tenantId })}` : ADDRESS);
      source.addEventListener("usage", ({ data }) => setPulse(JSON.parse(data) as Pulse));
    };
    listen();
    document.addEventListener("visibilitychange", listen);
    return () => {
      document.removeEventListener("visibilitychange", listen);
      source?.close();
    };
  }, [tenantId]);
  return pulse;
}
