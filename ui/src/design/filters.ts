import { useNavigate, useSearch } from "@tanstack/react-router";

/** The filters of a list. They stand in the address, so that every view has one. */
export function useFilters<K extends string>(...names: K[]) {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>;
  const navigate = useNavigate();
  const values = Object.fromEntries(names.map((name) => [name, search[name] ?? ""])) as Record<K, string>;
  const set = (change: Partial<Record<K, string>>) => {
    const next = Object.fromEntries(Object.entries({ ...search, ...change }).filter(([, value]) => value));
    void navigate({ to: ".", search: next as never, replace: true });
  };
  return {
    values,
    set,
    /** Takes all of them away; undefined where none is set. */
    clear: names.some((name) => values[name])
      ? () => set(Object.fromEntries(names.map((name) => [name, ""])) as Record<K, string>)
      : undefined,
    /** For the API: what is not set is not sent. */
    query: Object.fromEntries(names.filter((name) => values[name]).map((name) => [name, values[name]])) as Partial<
      Record<K, string>
    >,
  };
}
