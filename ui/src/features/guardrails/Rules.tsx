import { Plus } from "lucide-react";
import { useState } from "react";
import { type UseFormReturn, useWatch } from "react-hook-form";
import { Badge } from "../../design/Badge";
import { Button } from "../../design/Button";
import { firstMessage } from "../../design/fieldErrors";
import { actionTone } from "../../design/guardrails";
import { OrderedList } from "../../design/OrderedList";
import { texts } from "../../texts";
import type { ProfileValues } from "./profile";
import { RuleDialog } from "./RuleDialog";
import { inWords, type ListedRule, lookedFor, NEW_RULE } from "./rules";

const { profiles: words } = texts;

/** The rules of a profile: moved by drag or by keyboard, each said in words, changed in a dialog. */
export function Rules({ form, disabled }: { form: UseFormReturn<ProfileValues>; disabled: boolean }) {
  const [edited, setEdited] = useState<ListedRule | "new">();
  const rules = useWatch({ control: form.control, name: "rules" });
  const failed = form.formState.errors.rules as ({ message?: string } & Record<number, unknown>) | undefined;
  const change = (next: ListedRule[]) => form.setValue("rules", next, { shouldDirty: true, shouldValidate: true });
  return (
    <div>
      <p className="text-sm font-medium">{words.rules}</p>
      <p className="mb-2 text-sm text-ink-soft">{words.rulesHelp}</p>
      <OrderedList
        label={words.rules}
        items={rules}
        onChange={change}
        nameOf={nameOf(rules)}
        onEdit={setEdited}
        disabled={disabled}
        dependencies={[failed]}
      >
        {(rule, position) => {
          const wrong = firstMessage(failed?.[position]);
          return (
            <>
              <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
                <span className="font-medium break-words">{lookedFor(rule)}</span>
                <Badge tone={rule.mode === "shadow" ? "neutral" : actionTone[rule.action]}>
                  {words.actions[rule.action]}
                </Badge>
              </span>
              <span className="block text-ink-soft">{inWords(rule)}</span>
              {wrong && <span className="block text-bad">{wrong}</span>}
            </>
          );
        }}
      </OrderedList>
      {failed?.message && (
        <p role="alert" className="mt-1 text-sm text-bad">
          {failed.message}
        </p>
      )}
      {!disabled && (
        <Button className="mt-2" icon={<Plus aria-hidden className="size-4" />} onPress={() => setEdited("new")}>
          {words.add}
        </Button>
      )}
      {edited && (
        <RuleDialog
          rule={edited === "new" ? NEW_RULE : edited}
          isNew={edited === "new"}
          onClose={() => setEdited(undefined)}
          onDone={(done) => {
            change(
              edited === "new"
                ? [...rules, ...done.map((rule, at) => ({ ...rule, key: `new-${Date.now()}-${at}` }))]
                : rules.map((rule) => (rule.key === edited.key ? { ...rule, ...done[0] } : rule)),
            );
            setEdited(undefined);
          }}
        />
      )}
    </div>
  );
}

/** What a rule is called beside the others: several may look for the same. */
function nameOf(rules: ListedRule[]) {
  return (rule: ListedRule) => {
    const same = rules.filter((other) => lookedFor(other) === lookedFor(rule));
    return same.length > 1 ? words.nth(lookedFor(rule), same.indexOf(rule) + 1) : lookedFor(rule);
  };
}
