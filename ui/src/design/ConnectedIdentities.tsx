import { useState } from "react";
import { type ConnectedIdentity, useConnectedIdentities, useDisconnect } from "../api/connectedIdentities";
import { texts } from "../texts";
import { Button } from "./Button";
import { type Column, Rows } from "./DataTable";
import { Confirm } from "./Dialog";
import { shortDateTime } from "./format";
import { Failed, Loading } from "./States";
import { toast } from "./Toasts";

const { connectedIdentities: words, common } = texts;

/** The accounts at identity providers by which somebody signs in, taken away one by one. `userId` undefined: one's own. */
export function ConnectedIdentities({ userId, mayRemove = true }: { userId?: string; mayRemove?: boolean }) {
  const identities = useConnectedIdentities(userId);
  const disconnect = useDisconnect(userId);
  const [leaving, setLeaving] = useState<ConnectedIdentity>();
  if (identities.isPending) return <Loading lines={2} />;
  if (identities.error) return <Failed error={identities.error} onRetry={() => identities.refetch()} />;
  const { items } = identities.data;
  if (items.length === 0) return <p className="text-sm">{words.none}</p>;
  const actions: Column<ConnectedIdentity> = {
    title: common.actions,
    width: "8rem",
    cell: (identity) => (
      <Button aria-label={words.removeOne(identity.provider_name)} onPress={() => setLeaving(identity)}>
        {words.remove}
      </Button>
    ),
  };
  return (
    <>
      <Rows
        label={words.title}
        items={items}
        rowKey={({ id }) => id}
        columns={[
          { title: words.provider, width: "minmax(0,1.2fr)", cell: ({ provider_name }) => provider_name },
          {
            title: words.subject,
            width: "minmax(0,1.5fr)",
            secondary: true,
            cell: ({ subject, issuer }) => <span title={`${issuer} ${subject}`}>{subject}</span>,
          },
          { title: words.since, width: "8rem", cell: ({ created_at }) => shortDateTime(created_at) },
          ...(mayRemove ? [actions] : []),
        ]}
      />
      <Confirm
        title={words.removeTitle(leaving?.provider_name ?? "")}
        consequence={userId ? words.consequence : words.ownConsequence}
        action={words.remove}
        isOpen={leaving !== undefined}
        onClose={() => setLeaving(undefined)}
        onConfirm={async () => {
          if (leaving) await disconnect.mutateAsync(leaving.id);
          toast(words.removed);
        }}
      />
    </>
  );
}
