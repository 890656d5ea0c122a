import {
  keepPreviousData,
  type QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useEffect } from "react";
import { client, type Schemas, unwrap } from "./client";

/** The collections of the API that are listed, made, changed and deleted in one way, and their bodies. */
export interface Resources {
  tenants: { item: Schemas["Tenant"]; create: Schemas["NewTenant"]; patch: Schemas["TenantPatch"] };
  users: { item: Schemas["User"]; create: Schemas["NewUser"]; patch: Schemas["UserPatch"] };
  departments: { item: Schemas["Department"]; create: Schemas["NewDepartment"]; patch: Schemas["DepartmentPatch"] };
  "service-accounts": {
    item: Schemas["ServiceAccount"];
    create: Schemas["NewServiceAccount"];
    patch: Schemas["ServiceAccountPatch"];
  };
  roles: { item: Schemas["CustomRole"]; create: Schemas["NewCustomRole"]; patch: Schemas["CustomRolePatch"] };
  "api-keys": {
    item: Schemas["ApiKey"];
    create: Schemas["NewApiKey"];
    patch: Schemas["ApiKeyPatch"];
    made: Schemas["CreatedApiKey"];
  };
  limits: { item: Schemas["Limit"]; create: Schemas["NewLimit"]; patch: Schemas["LimitPatch"] };
  "currency-rates": {
    item: Schemas["CurrencyRate"];
    create: Schemas["NewCurrencyRate"];
    patch: Schemas["CurrencyRatePatch"];
  };
  providers: { item: Schemas["Provider"]; create: Schemas["NewProvider"]; patch: Schemas["ProviderPatch"] };
  models: { item: Schemas["Model"]; create: Schemas["NewModel"]; patch: Schemas["ModelPatch"] };
  pools: { item: Schemas["Pool"]; create: Schemas["NewPool"]; patch: Schemas["PoolPatch"] };
  "guardrails/profiles": { item: Schemas["Profile"]; create: Schemas["NewProfile"]; patch: Schemas["ProfilePatch"] };
  gateways: {
    item: Schemas["Gateway"];
    create: Schemas["NewGateway"];
    patch: Schemas["GatewayPatch"];
    made: Schemas["CreatedGateway"];
  };
  "sign-in-providers": {
    item: Schemas["SignInProvider"];
    create: Schemas["NewSignInProvider"];
    patch: Schemas["SignInProviderPatch"];
  };
  "token-issuers": {
    item: Schemas["TokenIssuer"];
    create: Schemas["NewTokenIssuer"];
    patch: Schemas["TokenIssuerPatch"];
  };
  "identity-rules": {
    item: Schemas["IdentityRule"];
    create: Schemas["NewIdentityRule"];
    patch: Schemas["IdentityRulePatch"];
  };
  "service-tokens": {
    item: Schemas["ServiceToken"];
    create: Schemas["NewServiceToken"];
    patch: Schemas["ServiceTokenPatch"];
    made: Schemas["CreatedServiceToken"];
  };
}

export type ResourceName = keyof Resources;
export type Item<R extends ResourceName> = Resources[R]["item"];
export type Made<R extends ResourceName> = Resources[R] extends { made: infer M } ? M : Item<R>;

/** What a thing is called: its name, or somebody's address. */
export function nameOf(item: { id: string; name?: string; email?: string }): string {
  return item.name ?? item.email ?? item.id;
}

/** Items of one part of a list; the API gives at most 200. */
export const PART = 100;

/** One part of any list. */
export interface Part<T> {
  items: T[];
  next_cursor?: string | null;
}

type Query = Record<string, string | number | undefined>;

/** What becomes of streams under way of those whom a change concerns; undefined: as the API does it where nothing is said. */
export type Streams = "finish" | "end";

/**
 * openapi-fetch checks a path against the document where it is written out. These are the same for every collection, so they are
 * written once, and the map above says which bodies go with which.
 */
const collection = {
  list: <R extends ResourceName>(name: R, query: Query, signal?: AbortSignal) =>
    unwrap(
      client.GET(`/api/v1/admin/${name}` as "/api/v1/admin/tenants", { params: { query }, signal }),
    ) as unknown as Promise<Part<Item<R>>>,
  get: <R extends ResourceName>(name: R, id: string, signal?: AbortSignal) =>
    unwrap(
      client.GET(`/api/v1/admin/${name}/{id}` as "/api/v1/admin/tenants/{id}", { params: { path: { id } }, signal }),
    ) as unknown as Promise<Item<R>>,
  create: <R extends ResourceName>(name: R, body: Resources[R]["create"], idempotencyKey: string) =>
    unwrap(
      client.POST(`/api/v1/admin/${name}` as "/api/v1/admin/tenants", {
        params: { header: { "Idempotency-Key": idempotencyKey } },
        body: body as Schemas["NewTenant"],
      }),
    ) as unknown as Promise<Made<R>>,
  update: <R extends ResourceName>(
    name: R,
    id: string,
    revision: number,
    body: Resources[R]["patch"],
    streams?: Streams,
  ) =>
    unwrap(
      client.PATCH(`/api/v1/admin/${name}/{id}` as "/api/v1/admin/users/{id}", {
        params: { path: { id }, query: { streams }, header: { "If-Match": `"${revision}"` } },
        body: body as Schemas["UserPatch"],
      }),
    ) as unknown as Promise<Item<R>>,
  remove: (name: ResourceName, id: string, revision: number, streams?: Streams) =>
    unwrap(
      client.DELETE(`/api/v1/admin/${name}/{id}` as "/api/v1/admin/users/{id}", {
        params: { path: { id }, query: { streams }, header: { "If-Match": `"${revision}"` } },
      }),
    ),
};

/** Reads one thing, past the cache: what holds at the server now. */
export const readNow = collection.get;

/** Deletes one of several things that were read at their revisions. Whoever does so calls `forget` once all are done. */
export const removeOne = collection.remove;

/** A list that grows part by part, in the order of the API. */
export function useList<R extends ResourceName>(name: R, filter: Query = {}) {
  return useInfiniteQuery({
    queryKey: [name, "list", filter],
    queryFn: ({ pageParam, signal }) => collection.list(name, { ...filter, limit: PART, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (part) => part.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}

/** One thing by its id. */
export function useItem<R extends ResourceName>(name: R, id: string | undefined) {
  return useQuery({
    queryKey: [name, "item", id],
    queryFn: ({ signal }) => collection.get(name, id ?? "", signal),
    enabled: id !== undefined,
  });
}

/** Beyond so many of a kind one does not choose from a list, but looks for a name. */
export const FEW = 50;

/** The first few of a kind, to choose from; `next_cursor` tells that there are more. `enabled: false` where the caller may not see them. */
export function useFew<R extends ResourceName>(name: R, filter: Query = {}, enabled = true) {
  return useQuery({
    queryKey: [name, "few", filter],
    queryFn: ({ signal }) => collection.list(name, { ...filter, limit: FEW }, signal),
    enabled,
    staleTime: 30_000,
  });
}

/** Some of a kind that have this in their names, as the server finds them. */
export function useFound<R extends ResourceName>(name: R, text: string, filter: Query = {}, enabled = true) {
  const q = text.trim() || undefined;
  return useQuery({
    queryKey: [name, "found", filter, q],
    queryFn: ({ signal }) => collection.list(name, { ...filter, q, limit: FEW }, signal),
    enabled,
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
}

/** So many the API gives at most in one part of a list. */
const LARGEST_PART = 200;
/** After so many parts that held too little one has to write more of the name. */
const MOST_PARTS = 20;

/**
 * The first `most` of a kind that have this in their names and that `accepts` takes; undefined: all. The server does not know what is
 * accepted, so part after part is read until there are so many, or `MOST_PARTS` for each `FEW`.
 */
export function useAccepted<R extends ResourceName>(
  name: R,
  text: string,
  { filter = {}, accepts, most = FEW }: { filter?: Query; accepts?: (item: Item<R>) => boolean; most?: number } = {},
) {
  const limit = accepts ? LARGEST_PART : FEW;
  const query = { ...filter, q: text.trim() || undefined, limit };
  const { data, error, hasNextPage, isFetching, isPlaceholderData, fetchNextPage } = useInfiniteQuery({
    queryKey: [name, "accepted", query],
    queryFn: ({ pageParam, signal }) => collection.list(name, { ...query, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (part) => part.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
  const parts = data?.pages ?? [];
  const accepted = parts.flatMap(({ items }) => items).filter((item) => accepts?.(item) ?? true);
  const mostParts = (MOST_PARTS * most) / FEW;
  const isIncomplete =
    hasNextPage && !isPlaceholderData && !error && accepted.length < most && parts.length < mostParts;
  // Another one for each part: the rest of the query's state may be the same again by the time it is seen.
  const next = isIncomplete && !isFetching ? parts.at(-1)?.next_cursor : undefined;
  useEffect(() => {
    if (next) void fetchNextPage({ cancelRefetch: false });
  }, [next, fetchNextPage]);
  return {
    items: accepted.slice(0, most),
    error,
    /** Whether there are more that could be accepted. */
    hasMore: hasNextPage || accepted.length > most,
    isSeeking: isIncomplete || isPlaceholderData || (!data && !error),
  };
}

/** Everything that may show a changed thing is read again. */
export function forget(queries: QueryClient, name: string): Promise<void> {
  return queries.invalidateQueries({ queryKey: [name] });
}

/** A key that no other request has. `crypto.randomUUID` exists only where browsers trust the connection. */
export function newIdempotencyKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Makes a thing. The key makes a repeat after a lost answer harmless. */
export function useCreate<R extends ResourceName>(name: R) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ body, idempotencyKey }: { body: Resources[R]["create"]; idempotencyKey: string }) =>
      collection.create(name, body, idempotencyKey),
    onSuccess: () => forget(queries, name),
  });
}

/** Changes a thing that was read at a revision. */
export function useUpdate<R extends ResourceName>(name: R) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (change: { id: string; revision: number; body: Resources[R]["patch"]; streams?: Streams }) =>
      collection.update(name, change.id, change.revision, change.body, change.streams),
    onSuccess: (item) => {
      queries.setQueryData([name, "item", item.id], item);
      return forget(queries, name);
    },
  });
}

/** Deletes a thing that was read at a revision. */
export function useRemove(name: ResourceName) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, revision, streams }: { id: string; revision: number; streams?: Streams }) =>
      collection.remove(name, id, revision, streams),
    onSuccess: (_, { id }) => {
      queries.removeQueries({ queryKey: [name, "item", id] });
      return queries.invalidateQueries({ queryKey: [name], refetchType: "active" });
    },
  });
}
