import { useRouter, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { useSetupStatus } from "../../api/setup";
import { Notice } from "../../design/States";
import { safeNext } from "../../paths";
import { texts } from "../../texts";
import { Choices } from "./Choices";
import { SignInForm } from "./SignInForm";

/** The first page of whoever has no session. */
export function SignInPage() {
  const { next, problem, tenant } = useSearch({ strict: false }) as {
    next?: string;
    problem?: string;
    tenant?: string;
  };
  const router = useRouter();
  const setup = useSetupStatus();
  useEffect(() => {
    document.title = texts.signIn.title;
  }, []);
  return (
    <main className="flex min-h-dvh items-start justify-center px-4 pt-[12dvh]">
      <div className="w-full max-w-sm rounded-xl border border-line bg-surface p-6 sm:p-8">
        <h1 className="mb-6 text-xl font-semibold tracking-tight">{texts.signIn.title}</h1>
        {setup.data?.is_needed && <Notice tone="warn">{texts.setup.needed}</Notice>}
        {problem && (
          <Notice tone="bad">
            {texts.signInProviders.problems[problem] ?? texts.signInProviders.problems.internal}
          </Notice>
        )}
        <SignInForm onSignedIn={() => router.history.push(safeNext(next))} />
        <Choices tenant={tenant} next={safeNext(next)} />
      </div>
    </main>
  );
}
