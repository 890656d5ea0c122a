import { zodResolver } from "@hookform/resolvers/zod";
import { Eraser } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useForm } from "react-hook-form";
import { z } from "zod";
import { useGatewayUrl } from "../../api/playground";
import { Button } from "../../design/Button";
import { Page, Section } from "../../design/Page";
import { Failed, Loading, Notice } from "../../design/States";
import { texts } from "../../texts";
import { AnswerCard } from "./AnswerCard";
import { ask } from "./ask";
import { CodeButton } from "./CodeButton";
import { Composer } from "./Composer";
import { type Answer, type Picture, readTools, requestBody, type Turn } from "./conversation";
import { RequestForm } from "./RequestForm";

const { playground: words, common } = texts;

const between = (least: number, most: number) => (text: string) =>
  text.trim() === "" || (Number(text) >= least && Number(text) <= most);
const schema = z.object({
  key: z.string().trim().min(1, common.required),
  model: z.string().trim().min(1, common.required),
  secondModel: z.string().trim(),
  system: z.string(),
  temperature: z.string().refine(between(0, 2), words.temperatureNumber),
  topP: z.string().refine(between(0, 1), words.topPNumber),
  maxTokens: z.string().regex(/^\d*$/, common.number),
  tools: z.string().refine((text) => readTools(text) !== undefined, words.toolsWrong),
  stream: z.boolean(),
});
export type RequestValues = z.infer<typeof schema>;

/** Talks to models as an app does, and shows what came of it. */
export function PlaygroundPage() {
  const playground = useGatewayUrl();
  if (playground.isPending) return <Loading />;
  if (playground.error) return <Failed error={playground.error} onRetry={() => playground.refetch()} />;
  const url = playground.data.gateway_url;
  return (
    <Page title={words.title} lead={words.lead}>
      {url ? (
        <Playground gatewayUrl={url} />
      ) : (
        <Notice tone="warn">
          <p className="font-medium">{words.unset}</p>
          <p className="mt-1">{words.unsetHow}</p>
        </Notice>
      )}
    </Page>
  );
}

function Playground({ gatewayUrl }: { gatewayUrl: string }) {
  const form = useForm<RequestValues>({
    resolver: zodResolver(schema),
    defaultValues: {
      key: "",
      model: "",
      secondModel: "",
      system: "",
      temperature: "",
      topP: "",
      maxTokens: "",
      tools: "",
      stream: true,
    },
  });
  const [turns, setTurns] = useState<Turn[]>([]);
  const running = useRef<AbortController>(undefined);
  const [isRunning, setRunning] = useState(false);
  // What is under way ends with the page: nobody would read it.
  useEffect(() => () => running.current?.abort(), []);

  const send = (text: string, pictures: Picture[]) =>
    new Promise<boolean>((accepted) => {
      const start = async (values: RequestValues) => {
        accepted(true);
        const models = [values.model, values.secondModel].filter(Boolean);
        const waiting = models.map((model): Answer => ({ model, state: "waiting", text: "", toolCalls: [] }));
        const all = [...turns, { text, pictures, answers: waiting }];
        setTurns(all);
        const abort = new AbortController();
        running.current = abort;
        setRunning(true);
        const told = (place: number) => (answer: Answer) =>
          setTurns((before) => {
            const last = before.at(-1);
            if (!last || abort !== running.current) return before;
            return [...before.slice(0, -1), { ...last, answers: last.answers.with(place, answer) }];
          });
        await Promise.all(
          models.map((model, place) => {
            const said = all.map((turn) => (turn === all.at(-1) ? { ...turn, answers: [] } : turn));
            return ask(requestBody(model, place, values, said), values.key, abort.signal, told(place));
          }),
        );
        setRunning(false);
      };
      void form.handleSubmit(start, () => accepted(false))();
    });

  return (
    <div className="grid gap-6 xl:grid-cols-[22rem_minmax(0,1fr)] xl:items-start">
      <Section title={words.settings}>
        <RequestForm form={form} />
      </Section>
      <div className="min-w-0">
        <Section
          title={words.answers}
          actions={
            <div className="flex flex-wrap gap-2">
              <CodeButton gatewayUrl={gatewayUrl} form={form} turns={turns} />
              {turns.length > 0 && (
                <Button
                  kind="quiet"
                  icon={<Eraser aria-hidden className="size-4" />}
                  onPress={() => {
                    running.current?.abort();
                    running.current = undefined;
                    setRunning(false);
                    setTurns([]);
                  }}
                >
                  {words.clear}
                </Button>
              )}
            </div>
          }
        >
          {turns.length === 0 ? (
            <p className="text-sm text-ink-soft">{words.empty}</p>
          ) : (
            <ol className="grid gap-4">
              {turns.map((turn, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: turns are only added at the end
                <li key={at} className="grid gap-3">
                  <Said turn={turn} />
                  <div className={`grid gap-3 ${turn.answers.length > 1 ? "lg:grid-cols-2" : ""}`}>
                    {turn.answers.map((answer, place) => (
                      // biome-ignore lint/suspicious/noArrayIndexKey: an answer is its place
                      <AnswerCard key={place} answer={answer} />
                    ))}
                  </div>
                </li>
              ))}
            </ol>
          )}
        </Section>
        <Composer isRunning={isRunning} onSend={send} onStop={() => running.current?.abort()} />
      </div>
    </div>
  );
}

function Said({ turn }: { turn: Turn }) {
  return (
    <div className="ml-auto max-w-[90%] rounded-lg bg-sunken px-4 py-3 text-sm">
      <p className="sr-only">{words.you}</p>
      <p className="break-words whitespace-pre-wrap">{turn.text}</p>
      {turn.pictures.length > 0 && (
        <div className="mt-2 flex flex-wrap gap-2">
          {turn.pictures.map(({ name, url }) => (
            <img key={url} src={url} alt={name} className="max-h-32 rounded border border-line" />
          ))}
        </div>
      )}
    </div>
  );
}
