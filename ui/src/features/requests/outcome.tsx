import { Badge, type Tone } from "../../design/Badge";
import { texts } from "../../texts";

const tones: Record<string, Tone> = {
  complete: "good",
  refused: "warn",
  failed: "bad",
  client_disconnect: "warn",
  upstream_broken: "bad",
  ended_by_policy: "warn",
};

/** How a request ended. One that this console does not know yet is shown by its name. */
export function Outcome({ outcome }: { outcome: string }) {
  return <Badge tone={tones[outcome] ?? "bad"}>{texts.requests.outcomes[outcome] ?? outcome}</Badge>;
}
