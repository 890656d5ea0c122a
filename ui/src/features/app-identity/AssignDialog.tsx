import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { z } from "zod";
import { ApiProblem } from "../../api/client";
import { Button } from "../../design/Button";
import { Dialog } from "../../design/Dialog";
import { TextField } from "../../design/Fields";
import { showAtFields } from "../../design/fieldErrors";
import { readLabels } from "../../design/labels";
import { LabelsField } from "../../design/OwnedFields";
import { Notice } from "../../design/States";
import { TenantField } from "../../design/TenantField";
import { toast } from "../../design/Toasts";
import { texts } from "../../texts";
import { type Caller, nameFor, useAssign } from "./discovered";
import { LeadsFields } from "./LeadsFields";
import { expectChosen, FIELD_NAMES, fromLeads, leadsSchema, toLeads } from "./ruleForm";

const { common } = texts;
const { discovered: words } = texts.appIdentity;

const schema = z.object({ name: z.string().trim().min(1, common.required), ...leadsSchema }).superRefine(expectChosen);

/** Says whose requests somebody's are, in one step. */
export function AssignDialog({ caller, onClose }: { caller: Caller; onClose: () => void }) {
  const assign = useAssign();
  const [failure, setFailure] = useState<string>();
  const form = useForm({
    resolver: zodResolver(schema),
    defaultValues: { name: nameFor(caller), ...toLeads(undefined, caller.tenant_id ?? "") },
  });
  const { control } = form;
  const submit = form.handleSubmit(async (values) => {
    setFailure(undefined);
    const body = {
      name: values.name,
      // Where it leads is said by whose issuer or gateway it was, unless that is the platform's.
      tenant_id: caller.tenant_id === null ? values.tenant_id : null,
      ...fromLeads(values),
      labels: readLabels(values.labels) ?? {},
    };
    try {
      const rule = await assign.mutateAsync({ id: caller.id, body });
      toast(words.assigned(rule.name));
      onClose();
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      setFailure(showAtFields(form, error, values, FIELD_NAMES));
    }
  });
  return (
    <Dialog title={words.assignTo(caller.subject)} isOpen onClose={onClose}>
      <form onSubmit={submit} noValidate className="grid gap-4">
        {failure && <Notice tone="bad">{failure}</Notice>}
        <p className="text-sm text-ink-soft">{words.consequence}</p>
        <TextField control={control} name="name" label={words.rule} help={words.ruleHelp} autoFocus />
        {caller.tenant_id === null && <TenantField control={control} name="tenant_id" />}
        <LeadsFields control={control} isToken={caller.way === "token"} />
        <LabelsField control={control} />
        <div className="flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">
          <Button onPress={onClose}>{common.cancel}</Button>
          <Button kind="primary" type="submit" isDisabled={assign.isPending}>
            {words.assign}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
