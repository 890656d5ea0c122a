import { useMutation } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useId, useState } from "react";
import { client, type Schemas, unwrap } from "../../api/client";
import { useItem } from "../../api/resources";
import { Button } from "../../design/Button";
import { Rows } from "../../design/DataTable";
import { Labelled } from "../../design/Fields";
import { count } from "../../design/format";
import { Section } from "../../design/Page";
import { Failed, Notice } from "../../design/States";
import { texts } from "../../texts";
import {
  type Example,
  type Mistake,
  precision,
  readExamples,
  recall,
  type Score,
  scoreOf,
  type Tally,
  writeExamples,
} from "./scoring";

const { examples: words, profiles: names } = texts;
/** Mistakes that are shown; the figures are of all. */
const MOST_SHOWN = 50;
/** Characters before and behind a mistake that are shown with it. */
const AROUND = 40;

/** Has a profile look through a file of examples, and says how often it was right; and keeps examples for such a file. */
export function Examples({
  how,
  kept,
  profileId,
}: {
  /** Against what, and how, each text is tried. */
  how: Omit<Schemas["Trial"], "text">;
  /** What was kept on this page. */
  kept: Example[];
  /** Undefined: the one that looks for everything. */
  profileId: string | undefined;
}) {
  const id = useId();
  const profile = useItem("guardrails/profiles", profileId);
  const [file, setFile] = useState<ReturnType<typeof readExamples>>();
  const [done, setDone] = useState(0);
  const run = useMutation({
    mutationFn: async (examples: Example[]) => {
      setDone(0);
      const tried: { example: Example; findings: Schemas["TrialFinding"][] }[] = [];
      // One after the other: the control plane has others to serve.
      for (const example of examples) {
        const body = { ...how, text: example.text };
        const { findings } = await unwrap(client.POST("/api/v1/admin/guardrails/test", { body }));
        tried.push({ example, findings });
        setDone(tried.length);
      }
      return scoreOf(tried, profile.data && new Set(profile.data.rules.map(({ type }) => type)));
    },
  });
  const isReady = file && file.examples.length > 0 && (profileId === undefined || profile.data !== undefined);
  return (
    <Section title={words.title} lead={words.lead}>
      <Labelled id={id} label={words.file} help={words.fileHelp}>
        <input
          id={id}
          type="file"
          accept=".jsonl,.ndjson,.json,.txt"
          aria-describedby={`${id}-help`}
          className="block min-h-11 w-full text-sm file:mr-3 file:min-h-11 file:rounded-md file:border file:border-line-strong file:bg-surface file:px-4 file:text-ink"
          onChange={async (event) => {
            run.reset();
            const content = await event.target.files?.[0]?.text();
            setFile(content === undefined ? undefined : readExamples(content));
          }}
        />
      </Labelled>
      {file && file.unread.length > 0 && (
        <Notice tone="warn">{words.unread(count(file.unread.length), file.unread.slice(0, 10).join(", "))}</Notice>
      )}
      {file?.isCut && <Notice tone="warn">{words.cut}</Notice>}
      <div className="mt-3 flex flex-wrap items-center gap-3">
        <Button isDisabled={!isReady || run.isPending} onPress={() => file && run.mutate(file.examples)}>
          {words.run}
        </Button>
        {kept.length > 0 && (
          <Button icon={<Download aria-hidden className="size-4" />} onPress={() => save(writeExamples(kept))}>
            {words.download(kept.length)}
          </Button>
        )}
        <span aria-live="polite" className="text-sm text-ink-soft">
          {run.isPending && file && words.progress(count(done), count(file.examples.length))}
        </span>
      </div>
      {run.error && <Failed error={run.error} onRetry={() => file && run.mutate(file.examples)} />}
      {run.data && <Scored score={run.data} />}
    </Section>
  );
}

function Scored({ score: { tallies, mistakes, clean } }: { score: Score }) {
  return (
    <div className="mt-5">
      {clean.texts > 0 && <p className="mb-3 text-sm">{words.clean(count(clean.flagged), count(clean.texts))}</p>}
      {tallies.length === 0 && <p className="text-sm">{words.nothing}</p>}
      {tallies.length > 0 && (
        <Rows
          label={words.scores}
          items={tallies}
          rowKey={({ type }) => type}
          columns={[
            { title: names.finding, width: "minmax(0,1.6fr)", cell: ({ type }) => nameOf(type) },
            { title: words.precision, numeric: true, cell: (tally: Tally) => share(precision(tally)) },
            { title: words.recall, numeric: true, cell: (tally: Tally) => share(recall(tally)) },
            { title: words.right, numeric: true, cell: ({ right }) => count(right) },
            { title: words.wrong, numeric: true, cell: ({ wrong }) => count(wrong) },
            { title: words.missed, numeric: true, cell: ({ missed }) => count(missed) },
          ]}
        />
      )}
      {mistakes.length > 0 && (
        <>
          <h3 className="mt-5 mb-2 text-sm font-medium">{words.mistakes(count(mistakes.length))}</h3>
          <Rows
            label={words.mistakes(count(mistakes.length))}
            items={mistakes.slice(0, MOST_SHOWN).map((mistake, at) => ({ ...mistake, at }))}
            rowKey={({ at }) => String(at)}
            columns={[
              { title: names.finding, cell: ({ type }) => nameOf(type) },
              { title: words.mistake, width: "7rem", cell: ({ kind }) => words.kinds[kind] },
              { title: words.where, width: "minmax(0,2fr)", cell: (mistake) => <Where mistake={mistake} /> },
            ]}
          />
        </>
      )}
    </div>
  );
}

/** A mistake with what stands around it. */
function Where({ mistake: { example, start, end } }: { mistake: Mistake }) {
  const characters = Array.from(example.text);
  const part = (from: number, to: number) => characters.slice(Math.max(0, from), to).join("");
  return (
    <span className="break-words whitespace-normal">
      {part(start - AROUND, start)}
      <mark className="rounded bg-mark px-0.5 text-ink">{part(start, end)}</mark>
      {part(end, end + AROUND)}
    </span>
  );
}

const nameOf = (type: string) => (names.findings as Record<string, string>)[type] ?? type;
const share = (value: number | undefined) => (value === undefined ? "–" : value.toFixed(3));

/** Gives a file to whoever sits there. */
function save(content: string) {
  const url = URL.createObjectURL(new Blob([content], { type: "application/jsonl" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "examples.jsonl";
  link.click();
  URL.revokeObjectURL(url);
}
