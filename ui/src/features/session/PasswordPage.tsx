import { zodResolver } from "@hookform/resolvers/zod";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useForm } from "react-hook-form";
import { z } from "zod";
import { ApiProblem, client, unwrap } from "../../api/client";
import { identityQuery } from "../../api/identity";
import { Button, LinkButton } from "../../design/Button";
import { TextField } from "../../design/Fields";
import { Loading, Notice } from "../../design/States";
import { paths } from "../../paths";
import { texts } from "../../texts";

const { passwordLinks: words } = texts;
/** The API's own bounds. */
const [LEAST, MOST] = [12, 256];

const schema = z
  .object({
    password: z.string().min(LEAST, texts.users.passwordHelp).max(MOST, texts.users.passwordHelp),
    repeat: z.string(),
  })
  .refine(({ password, repeat }) => password === repeat, { path: ["repeat"], message: words.different });

/** Sets a password, with the token behind `#` in the address, which no server has seen. */
export function PasswordPage() {
  const [token] = useState(() => globalThis.location.hash.slice(1));
  const link = useQuery({
    queryKey: ["password-link", token],
    queryFn: ({ signal }) => unwrap(client.POST("/api/v1/admin/auth/password-link", { body: { token }, signal })),
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  useEffect(() => {
    document.title = words.title;
  }, []);
  return (
    <main className="flex min-h-dvh items-start justify-center px-4 pt-[8dvh]">
      <div className="w-full max-w-sm rounded-xl border border-line bg-surface p-6 sm:p-8">
        <h1 className="mb-4 text-xl font-semibold tracking-tight">{words.title}</h1>
        {link.isPending && <Loading lines={3} />}
        {link.error && (
          <>
            <Notice tone="bad">
              {link.error instanceof ApiProblem && link.error.status !== 401 ? link.error.message : words.over}
            </Notice>
            <LinkButton to={paths.signIn} kind="primary">
              {texts.setup.signIn}
            </LinkButton>
          </>
        )}
        {link.data && <PasswordForm token={token} email={link.data.email} isInvitation={link.data.is_invitation} />}
      </div>
    </main>
  );
}

function PasswordForm({ token, email, isInvitation }: { token: string; email: string; isInvitation: boolean }) {
  const router = useRouter();
  const queries = useQueryClient();
  const [failure, setFailure] = useState<string>();
  const { control, handleSubmit, formState, setError } = useForm({
    resolver: zodResolver(schema),
    defaultValues: { password: "", repeat: "" },
  });
  const submit = handleSubmit(async ({ password }) => {
    setFailure(undefined);
    try {
      await unwrap(client.POST("/api/v1/admin/auth/password", { body: { token, password } }));
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      const weak = error.fields.find(({ field }) => field === "password");
      if (weak) setError("password", { message: weak.reason }, { shouldFocus: true });
      else setFailure(error.status === 401 ? words.over : error.message);
      return;
    }
    try {
      await unwrap(client.POST("/api/v1/admin/auth/session", { body: { email, password } }));
      await queries.fetchQuery({ ...identityQuery, staleTime: 0 });
      router.history.replace(paths.dashboard);
    } catch {
      // The password is set all the same.
      router.history.replace(paths.signIn);
    }
  });
  return (
    <form onSubmit={submit} noValidate className="grid gap-4">
      <p className="text-ink-soft">{isInvitation ? words.invited(email) : words.resetFor(email)}</p>
      {failure && <Notice tone="bad">{failure}</Notice>}
      <input type="hidden" name="username" autoComplete="username" value={email} readOnly />
      <TextField
        control={control}
        name="password"
        label={texts.users.password}
        help={texts.users.passwordHelp}
        type="password"
        autoComplete="new-password"
        autoFocus
      />
      <TextField control={control} name="repeat" label={words.repeat} type="password" autoComplete="new-password" />
      <Button kind="primary" type="submit" isDisabled={formState.isSubmitting}>
        {words.submit}
      </Button>
    </form>
  );
}
