import type { ReactNode } from "react";

/** The line that opens a `<details>`: as large as everything else that is touched. */
export function Summary({ children }: { children: ReactNode }) {
  return (
    <summary className="flex min-h-11 w-fit cursor-pointer items-center text-sm font-medium text-link">
      {children}
    </summary>
  );
}
