import { useNavigate, useParams } from "@tanstack/react-router";
import { FlaskConical, Plus, Trash2 } from "lucide-react";
import { type Control, useFieldArray, useWatch } from "react-hook-form";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { type Item, useItem, useList } from "../../api/resources";
import { Badge } from "../../design/Badge";
import { Button, IconButton, LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { CheckboxField, SelectField, TextField } from "../../design/Fields";
import { FilterBar, NameFilter, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { actions, actionTone, directions, findings, uninspectableActions } from "../../design/guardrails";
import { AppLink } from "../../design/Link";
import { OwnerField } from "../../design/OwnerField";
import { Page } from "../../design/Page";
import { ResourceForm } from "../../design/ResourceForm";
import { Failed, Loading } from "../../design/States";
import { toast } from "../../design/Toasts";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { forms, modes, NEW_RULE, ruleSchema, toRule, toRuleValues } from "./rules";

const { profiles: words, common } = texts;
type Profile = Item<"guardrails/profiles">;

/** The profiles in one's scope and the platform's. */
export function ProfilesPage() {
  const { isPlatform, identity, mayWrite } = useIdentity();
  const filters = useFilters("tenant_id", "q");
  const list = useList("guardrails/profiles", filters.query);
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        <>
          <LinkButton to={paths.bench} icon={<FlaskConical aria-hidden className="size-4" />}>
            {words.benchLink}
          </LinkButton>
          {(isPlatform || mayWrite(identity?.tenant_id)) && (
            <LinkButton to={paths.profileNew} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
              {words.new}
            </LinkButton>
          )}
        </>
      }
    >
      <FilterBar onClear={filters.clear}>
        <NameFilter value={filters.values.q} onChange={(q) => filters.set({ q })} />
        {isPlatform && (
          <TenantFilter value={filters.values.tenant_id} onChange={(tenant_id) => filters.set({ tenant_id })} />
        )}
      </FilterBar>
      <DataTable
        label={words.title}
        list={list}
        rowKey={(profile) => profile.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          { title: common.name, cell: (profile) => <AppLink to={paths.profile(profile.id)}>{profile.name}</AppLink> },
          {
            title: words.rules,
            width: "minmax(0,3fr)",
            cell: (profile) => (
              <span className="flex flex-wrap gap-1">
                {profile.rules.map((rule) => (
                  <Badge
                    key={`${rule.type}-${rule.action}-${rule.direction}-${rule.mode}`}
                    tone={rule.mode === "shadow" ? "neutral" : actionTone[rule.action]}
                  >
                    {words.findings[rule.type]}: {words.actions[rule.action]}
                    {rule.mode === "shadow" && ` (${words.inShadow})`}
                  </Badge>
                ))}
              </span>
            ),
          },
          {
            title: common.owner,
            cell: (profile) => (profile.tenant_id ? (profile.tenant_name ?? common.tenant) : common.platform),
          },
        ]}
      />
    </Page>
  );
}

const schema = z.object({
  tenant_id: z.string(),
  name: z.string().trim().min(1, common.required),
  rules: z.array(ruleSchema).min(1, words.noRule),
  uninspectable: z.enum(uninspectableActions),
  for_everybody: z.boolean(),
});
type Values = z.infer<typeof schema>;

export function NewProfilePage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <ProfileForm />
    </Page>
  );
}

export function ProfilePage() {
  const { id } = useParams({ strict: false });
  const profile = useItem("guardrails/profiles", id);
  if (profile.isPending) return <Loading />;
  if (profile.error) return <Failed error={profile.error} onRetry={() => profile.refetch()} />;
  return (
    <Page
      title={profile.data.name}
      width="form"
      actions={
        <LinkButton
          to={`${paths.bench}?profile=${profile.data.id}`}
          icon={<FlaskConical aria-hidden className="size-4" />}
        >
          {words.benchLink}
        </LinkButton>
      }
    >
      <ProfileForm key={profile.data.id} profile={profile.data} />
    </Page>
  );
}

function ProfileForm({ profile }: { profile?: Profile }) {
  const navigate = useNavigate();
  const { isPlatform, identity, mayWrite } = useIdentity();
  const isWritable = profile ? mayWrite(profile.tenant_id) : isPlatform || mayWrite(identity?.tenant_id);
  const reason = profile && !profile.tenant_id && !isPlatform ? texts.states.notYours : texts.states.readOnly;
  return (
    <ResourceForm
      resource="guardrails/profiles"
      item={profile}
      schema={schema}
      label={profile?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={isWritable ? undefined : reason}
      toForm={(item): Values => ({
        tenant_id: item ? (item.tenant_id ?? "") : (identity?.tenant_id ?? ""),
        name: item?.name ?? "",
        rules: (item?.rules ?? [{ type: "EMAIL" as const, action: "redact" as const }]).map(toRuleValues),
        uninspectable: item?.uninspectable ?? "allow",
        for_everybody: item?.for_everybody ?? false,
      })}
      toCreate={(form) => ({
        ...form,
        rules: form.rules.map(toRule),
        tenant_id: form.tenant_id || null,
        for_everybody: form.for_everybody && !form.tenant_id,
      })}
      toPatch={({ name, rules, uninspectable, for_everybody }) => ({
        name,
        rules: rules.map(toRule),
        uninspectable,
        for_everybody,
      })}
      onMade={(made) => {
        toast(common.created(made.name));
        void navigate({ to: paths.profiles as never });
      }}
      onRemoved={() => void navigate({ to: paths.profiles as never })}
    >
      {({ control, formState }) => (
        <>
          {isPlatform && !profile && <OwnerField control={control} name="tenant_id" />}
          <TextField control={control} name="name" label={common.name} autoFocus={!profile} />
          <Rules
            control={control}
            error={formState.errors.rules?.root?.message ?? formState.errors.rules?.message}
            disabled={!isWritable}
          />
          <SelectField
            control={control}
            name="uninspectable"
            label={words.uninspectable}
            help={words.uninspectableHelp}
            options={uninspectableActions.map((value) => ({ value, label: words.uninspectableActions[value] }))}
          />
          {isPlatform && !profile?.tenant_id && (
            <CheckboxField
              control={control}
              name="for_everybody"
              label={words.forEverybody}
              help={words.forEverybodyHelp}
            />
          )}
        </>
      )}
    </ResourceForm>
  );
}

function Rules({ control, error, disabled }: { control: Control<Values>; error?: string; disabled: boolean }) {
  const { fields, append, remove } = useFieldArray({ control, name: "rules" });
  return (
    <fieldset>
      <legend className="text-sm font-medium">{words.rules}</legend>
      <p className="mb-3 text-sm text-ink-soft">{words.rulesHelp}</p>
      <ol className="grid gap-3">
        {fields.map((field, at) => (
          <li
            key={field.id}
            className="grid grid-cols-1 items-end gap-3 rounded-md border border-line p-3 sm:grid-cols-[repeat(3,minmax(0,1fr))_auto]"
          >
            <SelectField
              control={control}
              name={`rules.${at}.type`}
              label={words.finding}
              options={findings.map((value) => ({ value, label: words.findings[value] }))}
            />
            <SelectField
              control={control}
              name={`rules.${at}.action`}
              label={words.action}
              options={actions.map((value) => ({ value, label: words.actions[value] }))}
            />
            <SelectField
              control={control}
              name={`rules.${at}.direction`}
              label={words.direction}
              options={directions.map((value) => ({ value, label: words.directions[value] }))}
            />
            {!disabled && (
              <IconButton label={`${words.remove} ${words.rule(at + 1)}`} onPress={() => remove(at)}>
                <Trash2 aria-hidden className="size-4" />
              </IconButton>
            )}
            <More control={control} at={at} />
          </li>
        ))}
      </ol>
      {error && <p className="mt-1 text-sm text-bad">{error}</p>}
      {!disabled && (
        <Button className="mt-3" icon={<Plus aria-hidden className="size-4" />} onPress={() => append(NEW_RULE)}>
          {words.add}
        </Button>
      )}
    </fieldset>
  );
}

/** Whether a rule acts, how sure a finding must be, and what stands in the place of what is redacted. */
function More({ control, at }: { control: Control<Values>; at: number }) {
  const [action, form] = useWatch({ control, name: [`rules.${at}.action`, `rules.${at}.form`] });
  return (
    <div className="grid gap-3 sm:col-span-full sm:grid-cols-3">
      <SelectField
        control={control}
        name={`rules.${at}.mode`}
        label={words.mode}
        options={modes.map((value) => ({ value, label: words.modes[value] }))}
      />
      <TextField
        control={control}
        name={`rules.${at}.threshold`}
        label={words.threshold}
        help={words.thresholdHelp}
        inputMode="decimal"
        optional
      />
      {action === "redact" && (
        <SelectField
          control={control}
          name={`rules.${at}.form`}
          label={words.form}
          options={forms.map((value) => ({ value, label: words.forms[value] }))}
        />
      )}
      {action === "redact" && form === "mask" && (
        <TextField
          control={control}
          name={`rules.${at}.keep_last`}
          label={words.keepLast}
          help={words.keepLastHelp}
          inputMode="numeric"
        />
      )}
    </div>
  );
}
