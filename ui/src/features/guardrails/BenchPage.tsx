import { useMutation } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { useId, useState } from "react";
import { ApiProblem, client, type Schemas, unwrap } from "../../api/client";
import { Badge } from "../../design/Badge";
import { Button } from "../../design/Button";
import { Rows } from "../../design/DataTable";
import { inputClass, Labelled, Select } from "../../design/Fields";
import { duration } from "../../design/format";
import { actionTone } from "../../design/guardrails";
import { Facts, Page, Section } from "../../design/Page";
import { Picker } from "../../design/Picker";
import { Notice } from "../../design/States";
import { toast } from "../../design/Toasts";
import { texts } from "../../texts";
import { Examples } from "./Examples";
import { pieces } from "./marks";
import type { Example } from "./scoring";

const { bench: words, profiles: names } = texts;

type Place = Schemas["TrialPlace"];

/** The profile with every detector, which always exists. */
const ALL = "all";

/** Tries a profile on a text, and shows what was found where. */
export function BenchPage() {
  const search = useSearch({ strict: false }) as { profile?: string };
  const [text, setText] = useState<string>(words.sample);
  const [profile, setProfile] = useState(search.profile ?? "");
  const [direction, setDirection] = useState<"input" | "output">("input");
  const [place, setPlace] = useState<Place>("user");
  const id = useId();
  const [kept, setKept] = useState<Example[]>([]);
  // What stands in an answer is the assistant's.
  const how = { profile: profile || ALL, direction, place: direction === "input" ? place : null };
  const trial = useMutation({
    mutationFn: (body: Schemas["Trial"]) => unwrap(client.POST("/api/v1/admin/guardrails/test", { body })),
  });
  return (
    <Page title={words.title} lead={words.lead} width="form">
      <form
        className="mb-6 grid gap-4 rounded-lg border border-line bg-surface p-4 sm:p-6"
        onSubmit={(event) => {
          event.preventDefault();
          trial.mutate({ text, ...how });
        }}
      >
        <Labelled id={id} label={words.text}>
          <textarea
            id={id}
            rows={6}
            value={text}
            onChange={(event) => setText(event.target.value)}
            spellCheck={false}
            className={`${inputClass} min-h-32`}
          />
        </Labelled>
        <div className="grid grid-cols-1 items-end gap-4 sm:grid-cols-2">
          <Picker
            resource="guardrails/profiles"
            label={words.profile}
            value={profile}
            onChange={setProfile}
            none={ALL}
            accepts={({ name, tenant_id }) => name !== ALL || tenant_id !== null}
          />
          <Select
            label={words.direction}
            value={direction}
            onChange={(value) => setDirection(value === "output" ? "output" : "input")}
            options={[
              { value: "input", label: words.input },
              { value: "output", label: words.output },
            ]}
          />
          {direction === "input" && (
            <Select
              label={words.standsIn}
              value={place}
              onChange={(value) => setPlace(value as Place)}
              options={Object.entries(words.places).map(([value, label]) => ({ value, label }))}
            />
          )}
          <Button
            className="justify-self-start"
            kind="primary"
            type="submit"
            isDisabled={trial.isPending || text === ""}
          >
            {words.run}
          </Button>
        </div>
      </form>
      {trial.error && (
        <Notice tone="bad">{trial.error instanceof ApiProblem ? trial.error.message : texts.states.broken}</Notice>
      )}
      {trial.data && (
        <Result
          key={trial.submittedAt}
          text={trial.variables.text}
          outcome={trial.data}
          onKeep={(example) => {
            setKept((before) => [...before, example]);
            toast(texts.examples.kept);
          }}
        />
      )}
      <Examples how={how} kept={kept} profileId={profile || undefined} />
    </Page>
  );
}

function Result({
  text,
  outcome,
  onKeep,
}: {
  text: string;
  outcome: Schemas["Outcome"];
  /** Makes an example of the text. */
  onKeep: (example: Example) => void;
}) {
  const [wrong, setWrong] = useState<ReadonlySet<number>>(new Set());
  const toggle = (at: number, isWrong: boolean) =>
    setWrong((before) => new Set(isWrong ? [...before, at] : [...before].filter((other) => other !== at)));
  const keep = () => {
    const spans = outcome.findings.filter((_, at) => !wrong.has(at));
    onKeep({ text, spans: spans.map(({ type, start, end }) => ({ type, start, end })) });
  };
  return (
    <Section
      title={words.result}
      lead={words.took(duration(outcome.took_us))}
      actions={
        <Badge tone={outcome.action === "allow" ? "good" : actionTone[outcome.action]}>
          {words.outcome[outcome.action]}
        </Badge>
      }
    >
      {outcome.findings.length === 0 ? (
        <p>{words.nothing}</p>
      ) : (
        <>
          <h3 className="mb-1 text-sm font-medium">{words.marked}</h3>
          <p className="mb-4 rounded-md border border-line bg-ground p-3 break-words whitespace-pre-wrap">
            {pieces(text, outcome.findings).map((piece, at) =>
              piece.findings.length === 0 ? (
                piece.text
              ) : (
                // biome-ignore lint/suspicious/noArrayIndexKey: a text's pieces have no other name than their place
                <mark key={at} className="rounded bg-mark px-0.5 text-ink">
                  {piece.text}
                  <sup className="ml-1 text-[0.7em]">{piece.findings.map(({ type }) => type).join(", ")}</sup>
                </mark>
              ),
            )}
          </p>
          {outcome.action !== "block" && (
            <>
              <h3 className="mb-1 text-sm font-medium">{words.passes}</h3>
              <p className="mb-4 rounded-md border border-line bg-ground p-3 break-words whitespace-pre-wrap">
                {outcome.text}
              </p>
            </>
          )}
          <h3 className="mb-2 text-sm font-medium">{words.findings}</h3>
          <Rows
            label={words.findings}
            items={outcome.findings.map((finding, at) => ({ ...finding, at }))}
            rowKey={(finding) => `${finding.detector}-${finding.start}-${finding.end}`}
            columns={[
              {
                title: names.finding,
                width: "minmax(0,1.6fr)",
                cell: (finding) => <span className="whitespace-normal">{names.findings[finding.type]}</span>,
              },
              {
                title: names.action,
                cell: (finding) => (
                  <>
                    <Badge tone={finding.enforced ? actionTone[finding.action] : "neutral"}>
                      {names.actions[finding.action]}
                    </Badge>
                    {!finding.enforced && <span className="block text-xs text-ink-soft">{words.onlyTold}</span>}
                  </>
                ),
              },
              { title: words.detector, cell: (finding) => finding.detector },
              {
                title: words.place,
                width: "4.5rem",
                numeric: true,
                cell: (finding) => `${finding.start}–${finding.end}`,
              },
              { title: words.score, width: "4rem", numeric: true, cell: (finding) => finding.score.toFixed(2) },
              {
                title: texts.examples.falseAlarm,
                width: "6rem",
                cell: ({ at, type, start, end }) => (
                  <label className="flex size-11 items-center justify-center">
                    <input
                      type="checkbox"
                      aria-label={texts.examples.isWrong(names.findings[type], `${start}–${end}`)}
                      checked={wrong.has(at)}
                      onChange={(event) => toggle(at, event.target.checked)}
                      className="size-5 accent-accent"
                    />
                  </label>
                ),
              },
            ]}
          />
        </>
      )}
      <Scores scores={outcome.scores} />
      <div className="mt-4">
        <Button onPress={keep}>{texts.examples.keep}</Button>
        <p className="mt-1 text-sm text-ink-soft">{texts.examples.keepHelp}</p>
      </div>
    </Section>
  );
}

/** How likely the text holds something of each type that is learnt, found or not. */
function Scores({ scores }: { scores: Record<string, number> }) {
  const told = Object.entries(scores);
  if (told.length === 0) return null;
  const name = (type: string) => (names.findings as Record<string, string>)[type] ?? type;
  return (
    <div className="mt-4">
      <h3 className="mb-2 text-sm font-medium">{words.scores}</h3>
      <Facts facts={told.map(([type, score]) => [name(type), score.toFixed(2)])} />
    </div>
  );
}
