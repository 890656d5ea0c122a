import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link2 } from "lucide-react";
import { useState } from "react";
import { client, unwrap } from "../../api/client";
import { useIdentity } from "../../api/identity";
import { forget, type Item } from "../../api/resources";
import { Button } from "../../design/Button";
import { SecretOnce } from "../../design/Dialog";
import { Section } from "../../design/Page";
import { managedElsewhere } from "../../design/ResourceForm";
import { Notice } from "../../design/States";
import { texts } from "../../texts";

const { passwordLinks: words } = texts;

/** Makes the link with which a user sets a password, and shows it this once. */
export function PasswordLink({ user }: { user: Item<"users"> }) {
  const { may } = useIdentity();
  const queries = useQueryClient();
  const [link, setLink] = useState<string>();
  const make = useMutation({
    mutationFn: () =>
      unwrap(client.POST("/api/v1/admin/users/{id}/password-link", { params: { path: { id: user.id } } })),
    onSuccess: ({ path }) => {
      setLink(`${globalThis.location.origin}${path}`);
      return forget(queries, "users");
    },
  });
  if (!may("users.write", user.tenant_id) || managedElsewhere(user.origin)) return null;
  return (
    <div className="mt-6">
      <Section
        title={words.section}
        lead={words.lead}
        actions={
          <Button
            icon={<Link2 aria-hidden className="size-4" />}
            isDisabled={make.isPending}
            onPress={() => make.mutate()}
          >
            {user.has_password ? words.reset : words.invite}
          </Button>
        }
      >
        {make.error && <Notice tone="bad">{make.error.message}</Notice>}
        <p className="text-sm text-ink-soft">{user.has_password ? words.resetNote : words.inviteNote}</p>
      </Section>
      <SecretOnce label={words.link} secret={link} onDone={() => setLink(undefined)} />
    </div>
  );
}
