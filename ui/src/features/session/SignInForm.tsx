import { zodResolver } from "@hookform/resolvers/zod";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { z } from "zod";
import { ApiProblem, client, unwrap } from "../../api/client";
import { identityQuery } from "../../api/identity";
import { Button } from "../../design/Button";
import { TextField } from "../../design/Fields";
import { Notice } from "../../design/States";
import { texts } from "../../texts";

const schema = z.object({
  email: z.string().min(1, texts.common.required),
  password: z.string().min(1, texts.common.required),
});

/** Signs in, and makes sure that the browser has kept the session. */
export function SignInForm({ email, onSignedIn }: { email?: string; onSignedIn: () => void }) {
  const queries = useQueryClient();
  const [failure, setFailure] = useState<string>();
  const { control, handleSubmit, formState } = useForm({
    resolver: zodResolver(schema),
    defaultValues: { email: email ?? "", password: "" },
  });
  const submit = handleSubmit(async (body) => {
    setFailure(undefined);
    try {
      await unwrap(client.POST("/api/v1/admin/auth/session", { body }));
    } catch (error) {
      setFailure(reason(error));
      return;
    }
    try {
      await queries.fetchQuery({ ...identityQuery, staleTime: 0 });
    } catch (error) {
      setFailure(error instanceof ApiProblem && error.status === 401 ? texts.signIn.noCookie : reason(error));
      return;
    }
    onSignedIn();
  });
  return (
    <form onSubmit={submit} noValidate className="grid gap-4">
      {failure && <Notice tone="bad">{failure}</Notice>}
      <TextField
        control={control}
        name="email"
        label={texts.signIn.email}
        type="email"
        autoComplete="username"
        autoFocus={!email}
      />
      <TextField
        control={control}
        name="password"
        label={texts.signIn.password}
        type="password"
        autoComplete="current-password"
        autoFocus={!!email}
      />
      <Button kind="primary" type="submit" isDisabled={formState.isSubmitting}>
        {texts.signIn.submit}
      </Button>
    </form>
  );
}

function reason(error: unknown): string {
  if (!(error instanceof ApiProblem)) return texts.states.broken;
  if (error.code === "invalid_credentials") return texts.signIn.wrong;
  if (error.status === 429 && error.retryAfterSeconds) return texts.signIn.tooMany(error.retryAfterSeconds);
  return error.message;
}
