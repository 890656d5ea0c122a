import { useMutation } from "@tanstack/react-query";
import { useIdentity } from "../../api/identity";
import { useItem } from "../../api/resources";
import { startSignIn, useSignInChoices } from "../../api/signIn";
import { Button } from "../../design/Button";
import { Section } from "../../design/Page";
import { Notice } from "../../design/States";
import { paths } from "../../paths";
import { texts } from "../../texts";

const { signInProviders: words } = texts;

/** Lets whoever is signed in sign in by an identity provider from now on. */
export function Connections() {
  const { identity } = useIdentity();
  const tenant = useItem("tenants", identity?.tenant_id ?? undefined);
  const choices = useSignInChoices(tenant.data?.name);
  const connect = useMutation({ mutationFn: (id: string) => startSignIn(id, { next: paths.settings, connect: true }) });
  if (!choices.data || choices.data.items.length === 0) return null;
  return (
    <Section title={words.connectTitle} lead={words.connectLead}>
      {connect.error && <Notice tone="bad">{connect.error.message}</Notice>}
      <div className="flex flex-wrap gap-2">
        {choices.data.items.map(({ id, name }) => (
          <Button key={id} isDisabled={connect.isPending} onPress={() => connect.mutate(id)}>
            {words.connect(name)}
          </Button>
        ))}
      </div>
    </Section>
  );
}
