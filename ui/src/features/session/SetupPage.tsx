import { zodResolver } from "@hookform/resolvers/zod";
import { useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useForm } from "react-hook-form";
import { z } from "zod";
import { ApiProblem, client, unwrap } from "../../api/client";
import { identityQuery } from "../../api/identity";
import { useSetupStatus } from "../../api/setup";
import { Button, LinkButton } from "../../design/Button";
import { TextField } from "../../design/Fields";
import { Failed, Loading, Notice } from "../../design/States";
import { paths } from "../../paths";
import { texts } from "../../texts";

const { setup: words, common } = texts;
/** The API's own bounds. */
const [LEAST, MOST] = [12, 256];

const schema = z
  .object({
    token: z.string().trim().min(1, common.required),
    email: z.string().trim().min(1, common.required),
    password: z.string().min(LEAST, texts.users.passwordHelp).max(MOST, texts.users.passwordHelp),
    repeat: z.string(),
  })
  .refine(({ password, repeat }) => password === repeat, { path: ["repeat"], message: words.different });

/** Makes the first administrator, with the token behind `#` in the address, which no server has seen. */
export function SetupPage() {
  const status = useSetupStatus();
  useEffect(() => {
    document.title = words.title;
  }, []);
  return (
    <main className="flex min-h-dvh items-start justify-center px-4 pt-[8dvh]">
      <div className="w-full max-w-sm rounded-xl border border-line bg-surface p-6 sm:p-8">
        <h1 className="mb-4 text-xl font-semibold tracking-tight">{words.title}</h1>
        {status.isPending && <Loading lines={3} />}
        {status.error && <Failed error={status.error} onRetry={() => status.refetch()} />}
        {status.data && !status.data.is_needed && (
          <>
            <Notice>{words.done}</Notice>
            <LinkButton to={paths.signIn} kind="primary">
              {words.signIn}
            </LinkButton>
          </>
        )}
        {status.data?.is_needed && <SetupForm />}
      </div>
    </main>
  );
}

function SetupForm() {
  const router = useRouter();
  const queries = useQueryClient();
  const [failure, setFailure] = useState<string>();
  const { control, handleSubmit, formState, setError } = useForm({
    resolver: zodResolver(schema),
    defaultValues: {
      token: new URLSearchParams(globalThis.location.hash.slice(1)).get("token") ?? "",
      email: "",
      password: "",
      repeat: "",
    },
  });
  const submit = handleSubmit(async ({ token, email, password }) => {
    setFailure(undefined);
    try {
      await unwrap(client.POST("/api/v1/admin/setup", { body: { token, email, password } }));
      await unwrap(client.POST("/api/v1/admin/auth/session", { body: { email, password } }));
      await queries.fetchQuery({ ...identityQuery, staleTime: 0 });
      router.history.replace(paths.dashboard);
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      if (error.status === 401) {
        setError("token", { message: words.wrongToken }, { shouldFocus: true });
        return;
      }
      if (error.fields.length === 0) setFailure(error.message);
      for (const { field, reason } of error.fields) setError(field as "email", { message: reason });
    }
  });
  return (
    <form onSubmit={submit} noValidate className="grid gap-4">
      <p className="text-ink-soft">{words.lead}</p>
      {failure && <Notice tone="bad">{failure}</Notice>}
      <TextField control={control} name="token" label={words.token} help={words.tokenHelp} autoComplete="off" mono />
      <TextField control={control} name="email" label={texts.users.email} type="email" autoComplete="username" />
      <TextField
        control={control}
        name="password"
        label={texts.users.password}
        help={texts.users.passwordHelp}
        type="password"
        autoComplete="new-password"
      />
      <TextField control={control} name="repeat" label={words.repeat} type="password" autoComplete="new-password" />
      <Button kind="primary" type="submit" isDisabled={formState.isSubmitting}>
        {words.submit}
      </Button>
    </form>
  );
}
