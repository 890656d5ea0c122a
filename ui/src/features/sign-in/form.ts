import { z } from "zod";
import type { Schemas } from "../../api/client";
import type { Item } from "../../api/resources";
import { ROLES } from "../../design/RoleFields";
import { texts } from "../../texts";

const needed = z.string().trim().min(1, texts.common.required);

/** What the form of an identity provider holds. */
export const schema = z.object({
  name: needed,
  tenant_id: z.string(),
  issuer: needed,
  client_id: needed,
  client_secret: z.string(),
  scopes: needed,
  claims: z.object({ email: needed, groups: needed }),
  rules: z.array(
    z.object({
      group: needed,
      role: z.enum(ROLES),
      tenant_id: z.string(),
      // Carried as they are: files and the API write them.
      grants: z.array(z.custom<Schemas["UserGrant"]>()),
    }),
  ),
  creates_users: z.boolean(),
  is_only_way_in: z.boolean(),
});
export type Form = z.infer<typeof schema>;

export function toForm(item: Item<"sign-in-providers"> | undefined, owner: string): Form {
  return {
    name: item?.name ?? "",
    tenant_id: item ? (item.tenant_id ?? "") : owner,
    issuer: item?.issuer ?? "",
    client_id: item?.client_id ?? "",
    client_secret: "",
    scopes: (item?.scopes ?? ["openid", "email", "profile"]).join(" "),
    claims: {
      email: item?.claims?.email ?? "email",
      groups: item?.claims?.groups ?? "groups",
    },
    rules: (item?.rules ?? []).map(({ group, role, tenant_id, grants }) => ({
      group,
      role,
      tenant_id: tenant_id ?? "",
      grants: grants ?? [],
    })),
    creates_users: item?.creates_users ?? false,
    is_only_way_in: item?.is_only_way_in ?? false,
  };
}

/** All that can be changed. A secret that is not entered stays. */
export function toPatch({ tenant_id, client_secret, scopes, rules, ...form }: Form): Schemas["SignInProviderPatch"] {
  return {
    ...form,
    scopes: scopes.split(/\s+/).filter(Boolean),
    rules: rules.map(({ group, role, tenant_id: leadsTo, grants }) => ({
      group,
      role,
      grants,
      tenant_id: role === "platform_admin" ? null : tenant_id || leadsTo || null,
    })),
    ...(client_secret ? { client_secret } : {}),
  };
}

export function toCreate(form: Form): Schemas["NewSignInProvider"] {
  return { ...(toPatch(form) as Schemas["NewSignInProvider"]), tenant_id: form.tenant_id || null };
}
