import { useState } from "react";
import { ApiProblem } from "../../api/client";
import { startSignIn, useSignInChoices } from "../../api/signIn";
import { Button } from "../../design/Button";
import { Notice } from "../../design/States";
import { texts } from "../../texts";

const { signInProviders: words } = texts;

/** The identity providers that one can sign in by; nothing where there are none. */
export function Choices({ tenant, next }: { tenant?: string; next?: string }) {
  const choices = useSignInChoices(tenant);
  const [failure, setFailure] = useState<string>();
  if (!choices.data || choices.data.items.length === 0) return null;
  const go = async (id: string) => {
    setFailure(undefined);
    try {
      await startSignIn(id, { next });
    } catch (error) {
      setFailure(error instanceof ApiProblem ? error.message : texts.states.broken);
    }
  };
  return (
    <div className="mt-6 grid gap-3">
      <p className="text-center text-sm text-ink-soft">{words.or}</p>
      {failure && <Notice tone="bad">{failure}</Notice>}
      {choices.data.items.map(({ id, name }) => (
        <Button key={id} onPress={() => void go(id)}>
          {words.continueWith(name)}
        </Button>
      ))}
    </div>
  );
}
