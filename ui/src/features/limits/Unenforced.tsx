import { serverNow } from "../../api/client";
import { hasPrice, type Limit } from "../../api/limits";
import { type Item, useAccepted } from "../../api/resources";
import { Notice } from "../../design/States";
import { texts } from "../../texts";
import { canHaveGaps, gapsOf } from "./enforced";

const { limits: words } = texts;

/** So many models are looked at, and so many pools without a price named. */
const MOST = 1_000;
const anything = () => true;

/** Where a limit cannot be enforced, why, and what mends it. */
export function Unenforced({ limit }: { limit: Limit }) {
  return canHaveGaps(limit) ? <Gaps limit={limit} /> : null;
}

function Gaps({ limit }: { limit: Limit }) {
  const now = serverNow();
  const models = useAccepted("models", "", { accepts: anything, most: MOST });
  const isUnpriced = ({ members }: Item<"pools">) => members.some((member) => !hasPrice(member, now));
  // Whoever may not see pools is told of models alone.
  const pools = useAccepted("pools", "", { accepts: isUnpriced, most: MOST });
  const { unpriced, unbounded } = gapsOf(limit, models.items, pools.items, now);
  if (unpriced.length + unbounded.length === 0) return null;
  return (
    <Notice tone="warn">
      {unpriced.length > 0 && <p>{words.unpriced(unpriced.join(", "))}</p>}
      {unbounded.length > 0 && <p>{words.unbounded(unbounded.join(", "))}</p>}
      {!models.isSeeking && models.hasMore && <p>{words.notAllSeen}</p>}
    </Notice>
  );
}
