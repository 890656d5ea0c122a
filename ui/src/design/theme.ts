import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark" | "system";

const KEY = "weir-theme";
const dark = () => globalThis.matchMedia?.("(prefers-color-scheme: dark)");
const watchers = new Set<() => void>();

export function chosenTheme(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

/** Writes the theme to the page. Called before the first paint, and when the choice or the system's theme changes. */
export function applyTheme() {
  const theme = chosenTheme();
  const isDark = theme === "dark" || (theme === "system" && dark()?.matches);
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  for (const watcher of watchers) watcher();
}

export function chooseTheme(theme: Theme) {
  if (theme === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  applyTheme();
}

export function followSystemTheme() {
  dark()?.addEventListener("change", applyTheme);
}

export function useTheme(): Theme {
  return useSyncExternalStore((watcher) => {
    watchers.add(watcher);
    return () => void watchers.delete(watcher);
  }, chosenTheme);
}
