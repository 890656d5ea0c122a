import { useMutation } from "@tanstack/react-query";
import { FlaskConical } from "lucide-react";
import { ApiProblem, client, type Schemas, unwrap } from "../../api/client";
import { Button } from "../../design/Button";
import { count, dateTime, shortDateTime } from "../../design/format";
import { Notice } from "../../design/States";
import { texts } from "../../texts";

const { trial: words } = texts.limits;
type Trial = Schemas["LimitTrial"];
/** What the API takes where nothing is said. */
const DAYS = 7;

/** Tries a limit that is not written yet on the requests of the last days. */
export function Try({
  read,
  onRefused,
}: {
  /** What the form holds; undefined: it is not right yet, and says so. */
  read: () => Promise<Schemas["LimitTrialRequest"] | undefined>;
  /** Shows what the API says of fields, and gives what is left of it. */
  onRefused: (problem: ApiProblem) => string | undefined;
}) {
  const trial = useMutation({
    mutationFn: async () => {
      const body = await read();
      if (!body) return { failure: undefined, found: undefined };
      const found = unwrap(client.POST("/api/v1/admin/limits/try", { body: { ...body, days: DAYS } }));
      return found.then(
        (data) => ({ failure: undefined, found: data }),
        (error: unknown) => {
          if (!(error instanceof ApiProblem)) throw error;
          return { failure: onRefused(error), found: undefined };
        },
      );
    },
  });
  const { failure, found } = trial.data ?? {};
  return (
    <div>
      <Button
        icon={<FlaskConical aria-hidden className="size-4" />}
        isDisabled={trial.isPending}
        onPress={() => trial.mutate()}
      >
        {words.run}
      </Button>
      <p className="mt-1 text-sm text-ink-soft">{words.help(DAYS)}</p>
      <div aria-live="polite" className="mt-3">
        {failure && <Notice tone="bad">{failure}</Notice>}
        {found && <Found trial={found} />}
      </div>
    </div>
  );
}

function Found({ trial }: { trial: Trial }) {
  const { without_room, requests, first_without_room_at, unpriced, refused_then, truncated, from } = trial;
  return (
    <Notice tone={without_room > 0 ? "warn" : "good"}>
      <p className="font-medium">{words.found(count(without_room), count(requests))}</p>
      {first_without_room_at && <p>{words.first(dateTime(first_without_room_at))}</p>}
      {unpriced > 0 && <p>{words.unpriced(count(unpriced))}</p>}
      {refused_then > 0 && <p>{words.refusedThen(count(refused_then))}</p>}
      {truncated && <p>{words.truncated(shortDateTime(from))}</p>}
    </Notice>
  );
}
