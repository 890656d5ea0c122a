import { useSyncExternalStore } from "react";

let shown: { id: number; text: string }[] = [];
let next = 0;
const watchers = new Set<() => void>();

function change(to: typeof shown) {
  shown = to;
  for (const watcher of watchers) watcher();
}

/** Says for a moment that something has worked. What failed belongs beside what failed. */
export function toast(text: string) {
  const id = next++;
  change([...shown, { id, text }]);
  setTimeout(() => change(shown.filter((each) => each.id !== id)), 5_000);
}

export function Toasts() {
  const toasts = useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },
    () => shown,
  );
  return (
    <div
      role="status"
      className="pointer-events-none fixed inset-x-0 bottom-4 z-40 flex flex-col items-center gap-2 px-4"
    >
      {toasts.map(({ id, text }) => (
        <p key={id} className="max-w-lg truncate rounded-md bg-accent px-4 py-3 text-sm text-accent-ink shadow-lg">
          {text}
        </p>
      ))}
    </div>
  );
}
