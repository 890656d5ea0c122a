import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { Check, CircleAlert, RefreshCw } from "lucide-react";
import { useId, useRef, useState } from "react";
import { client, unwrap } from "../../api/client";
import { useIdentity } from "../../api/identity";
import { forget, type Item, newIdempotencyKey, useCreate, useItem } from "../../api/resources";
import { Button, LinkButton } from "../../design/Button";
import { inputClass, Labelled } from "../../design/Fields";
import { AppLink } from "../../design/Link";
import { Page, Section } from "../../design/Page";
import { Failed, Loading, NoAccess, Notice } from "../../design/States";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { CheckFailed } from "./Check";

const { providers: words, common } = texts;
/** Of a long list so many are shown; the rest is found by a part of its name. */
const MOST_SHOWN = 50;

/** What a new provider goes on with: its models, each of which gets a pool of its own and a name that apps can ask for. */
export function ProviderModelsPage() {
  const { id } = useParams({ strict: false });
  const { isPlatform, mayWrite } = useIdentity();
  const provider = useItem("providers", id);
  if (provider.isPending) return <Loading />;
  if (provider.error) return <Failed error={provider.error} onRetry={() => provider.refetch()} />;
  if (!isPlatform && !mayWrite(provider.data.tenant_id)) return <NoAccess />;
  return (
    <Page
      title={words.itsModels(provider.data.name)}
      lead={words.itsModelsLead}
      width="form"
      actions={<LinkButton to={paths.providers}>{words.withoutModels}</LinkButton>}
    >
      <Models provider={provider.data} />
    </Page>
  );
}

interface Made {
  model: string;
  poolId?: string;
  failure?: string;
}

function Models({ provider }: { provider: Item<"providers"> }) {
  const check = useQuery({
    // Each time it is asked, with the credential, and the audit log says so: only when somebody wants it, and of a changed provider.
    queryKey: ["provider-check", provider.id, provider.revision],
    queryFn: () => unwrap(client.POST("/api/v1/admin/providers/{id}/check", { params: { path: { id: provider.id } } })),
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    retry: false,
  });
  const queries = useQueryClient();
  const createPool = useCreate("pools");
  const createModel = useCreate("models");
  const id = useId();
  const [part, setPart] = useState("");
  const [chosen, setChosen] = useState<string[]>([]);
  const [made, setMade] = useState<Made[]>();
  const [isBusy, setBusy] = useState(false);
  // One key for each thing to make, so that a repeat after a lost answer makes no second one.
  const keys = useRef(new Map<string, string>());
  const idempotencyKey = (of: string) => {
    const known = keys.current.get(of) ?? newIdempotencyKey();
    keys.current.set(of, known);
    return known;
  };
  const known = check.data?.models ?? [];
  const wanted = part.trim().toLowerCase();
  const found = known.filter((name) => name.toLowerCase().includes(wanted));
  const isOwn = wanted !== "" && !known.some((name) => name.toLowerCase() === wanted);
  const toggle = (name: string) =>
    setChosen(chosen.includes(name) ? chosen.filter((each) => each !== name) : [...chosen, name]);

  const makeOne = async (name: string): Promise<Made> => {
    const tenant_id = provider.tenant_id;
    let poolId: string | undefined;
    try {
      const pool = await createPool.mutateAsync({
        body: { tenant_id, name, members: [{ provider_id: provider.id, model: name }] },
        idempotencyKey: idempotencyKey(`pool ${name}`),
      });
      poolId = pool.id;
      await createModel.mutateAsync({
        body: { tenant_id, name, pool_id: pool.id },
        idempotencyKey: idempotencyKey(`model ${name}`),
      });
      return { model: name, poolId };
    } catch (error) {
      return { model: name, poolId, failure: error instanceof Error ? error.message : texts.states.failed };
    }
  };
  const make = async () => {
    setBusy(true);
    const results: Made[] = [];
    for (const name of chosen) {
      results.push(await makeOne(name));
      setMade([...results]);
    }
    setBusy(false);
    // What is made is no longer to be made.
    setChosen(results.filter(({ failure }) => failure).map(({ model }) => model));
    await Promise.all([forget(queries, "pools"), forget(queries, "models")]);
  };

  if (check.isPending) return <Loading />;
  return (
    <>
      {check.error && <Notice tone="bad">{check.error.message}</Notice>}
      {check.data && !check.data.ok && (
        <CheckFailed check={check.data}>
          <AppLink to={paths.provider(provider.id)}>{provider.name}</AppLink>
        </CheckFailed>
      )}
      {check.data?.ok && <Notice tone="good">{words.checkOk(check.data.took_ms, known.length)}</Notice>}
      {made && <Results made={made} />}
      <Section
        title={words.chooseModels}
        lead={words.chooseModelsLead}
        actions={
          <Button
            icon={<RefreshCw aria-hidden className="size-4" />}
            isDisabled={check.isFetching}
            onPress={() => void check.refetch()}
          >
            {words.askAgain}
          </Button>
        }
      >
        <Labelled id={id} label={words.modelPart} help={words.modelPartHelp}>
          <input
            id={id}
            value={part}
            onChange={(event) => setPart(event.target.value)}
            spellCheck={false}
            className={`${inputClass} font-mono`}
          />
        </Labelled>
        <ul aria-label={texts.models.title} className="mt-3 grid grid-cols-1 gap-x-6 sm:grid-cols-2">
          {[...new Set([...(isOwn ? [part.trim()] : []), ...found.slice(0, MOST_SHOWN), ...chosen])].map((name) => (
            <li key={name} className="min-w-0">
              <label className="flex min-h-11 items-center gap-3 text-sm">
                <input
                  type="checkbox"
                  checked={chosen.includes(name)}
                  disabled={isBusy}
                  onChange={() => toggle(name)}
                  className="size-5 shrink-0 accent-accent"
                />
                <span className="min-w-0 font-mono break-words">{name}</span>
              </label>
            </li>
          ))}
        </ul>
        {found.length > MOST_SHOWN && (
          <p className="mt-2 text-sm text-ink-soft">{words.moreModels(found.length - MOST_SHOWN)}</p>
        )}
        <div className="mt-6 flex justify-end border-t border-line pt-4">
          <Button kind="primary" isDisabled={isBusy || chosen.length === 0} onPress={make}>
            {isBusy ? common.loading : words.makeModels(chosen.length)}
          </Button>
        </div>
      </Section>
    </>
  );
}

function Results({ made }: { made: Made[] }) {
  return (
    <Section
      title={words.madeModels}
      lead={words.madeModelsLead}
      actions={<LinkButton to={paths.keyNew}>{texts.keys.new}</LinkButton>}
    >
      <ul className="grid gap-2 text-sm">
        {made.map(({ model, poolId, failure }) => (
          <li key={model} className="flex items-start gap-2">
            {failure === undefined ? (
              <Check aria-label={texts.bulk.done} className="mt-0.5 size-4 shrink-0 text-good" />
            ) : (
              <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
            )}
            <span className="min-w-0 flex-1 break-words">
              <span className="font-mono">{model}</span>
              {failure !== undefined && <span className="block text-bad">{failure}</span>}
            </span>
            {poolId && <AppLink to={paths.pool(poolId)}>{words.setPrice}</AppLink>}
          </li>
        ))}
      </ul>
    </Section>
  );
}
