import { useParams } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import type { ReactNode } from "react";
import { type Permission, useIdentity } from "../api/identity";
import { type Item, type ResourceName, useItem } from "../api/resources";
import { LinkButton } from "./Button";
import { Page } from "./Page";
import { Failed, Loading } from "./States";

/** A page with a list: what it is for, and for whoever may, where one makes another. */
export function ListPage({
  title,
  lead,
  add,
  children,
}: {
  title: string;
  lead: ReactNode;
  /** Where one is made, what that is called, and what it takes. */
  add: { to: string; label: string; needs: Permission };
  children: ReactNode;
}) {
  const { identity, may } = useIdentity();
  return (
    <Page
      title={title}
      lead={lead}
      actions={
        may(add.needs, identity?.tenant_id) && (
          <LinkButton to={add.to} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
            {add.label}
          </LinkButton>
        )
      }
    >
      {children}
    </Page>
  );
}

/** Reads the thing that the address names, and shows it once it is there. */
export function ItemOf<R extends ResourceName>({
  resource,
  children,
}: {
  resource: R;
  children: (item: Item<R>) => ReactNode;
}) {
  const { id } = useParams({ strict: false });
  const item = useItem(resource, id);
  if (item.isPending) return <Loading />;
  if (item.error) return <Failed error={item.error} onRetry={() => item.refetch()} />;
  return children(item.data);
}
