import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { client, type Schemas, unwrap } from "../../api/client";
import { forget, newIdempotencyKey } from "../../api/resources";
import { microDollars } from "../../design/format";

/** What is done about a limit for a time. */
export type Change = "raise" | "reset" | "release" | "adjust";

/** Does it, and reads anew what shows the limit. A repeat after a lost answer adjusts nothing twice. */
export function useChange(change: Change | "end_raise", id: string) {
  const queries = useQueryClient();
  const idempotencyKey = useRef<string>(undefined);
  return useMutation({
    mutationFn: (body: Record<string, unknown>) => {
      const path = { id };
      if (change === "raise") {
        return unwrap(
          client.PUT("/api/v1/admin/limits/{id}/raise", { params: { path }, body: body as Schemas["LimitRaise"] }),
        );
      }
      if (change === "end_raise") {
        const query = { subject_id: body.subject_id as string | undefined };
        return unwrap(client.DELETE("/api/v1/admin/limits/{id}/raise", { params: { path, query } }));
      }
      if (change === "reset") {
        return unwrap(
          client.POST("/api/v1/admin/limits/{id}/reset", { params: { path }, body: body as Schemas["LimitReset"] }),
        );
      }
      if (change === "release") {
        return unwrap(
          client.POST("/api/v1/admin/limits/{id}/release", { params: { path }, body: body as Schemas["LimitRelease"] }),
        );
      }
      idempotencyKey.current ??= newIdempotencyKey();
      return unwrap(
        client.POST("/api/v1/admin/limits/{id}/adjust", {
          params: { path },
          headers: { "Idempotency-Key": idempotencyKey.current },
          body: body as Schemas["LimitAdjustment"],
        }),
      );
    },
    onSuccess: () => forget(queries, "limits"),
  });
}

/** An amount as people type it, in the limit's unit; undefined: it is none. */
export function unitsOf(unit: Schemas["LimitUnit"], text: string): number | undefined {
  if (unit === "cost_microusd") return microDollars(text);
  return /^\d+$/.test(text.trim()) ? Number(text) : undefined;
}

/** The same with a sign before it; undefined also for nothing. */
export function signedUnits(unit: Schemas["LimitUnit"], text: string): number | undefined {
  const sign = /^\s*[-−]/.test(text) ? -1 : 1;
  const units = unitsOf(unit, text.replace(/^\s*[-−+]\s*/, ""));
  return units ? sign * units : undefined;
}
