import { useNavigate, useParams } from "@tanstack/react-router";
import { FlaskConical, Plus } from "lucide-react";
import { useIdentity } from "../../api/identity";
import { type Item, useItem, useList } from "../../api/resources";
import { Badge } from "../../design/Badge";
import { LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { CheckboxField, SelectField, TextField } from "../../design/Fields";
import { FilterBar, NameFilter, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { actionTone, uninspectableActions } from "../../design/guardrails";
import { AppLink } from "../../design/Link";
import { OwnerField } from "../../design/OwnerField";
import { Page } from "../../design/Page";
import { ResourceForm } from "../../design/ResourceForm";
import { Failed, Loading } from "../../design/States";
import { toast } from "../../design/Toasts";
import { Versions } from "../../design/Versions";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { type ProfileValues, profileSchema } from "./profile";
import { Rules } from "./Rules";
import { ruleInWords, toRule, toRuleValues } from "./rules";

const { profiles: words, common } = texts;
type Profile = Item<"guardrails/profiles">;

/** Rules of one profile that its list shows: its own page has them all. */
const MOST_SHOWN = 6;

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
              <span className="flex flex-wrap items-center gap-1">
                {profile.rules.slice(0, MOST_SHOWN).map((rule, at) => (
                  <Badge
                    // biome-ignore lint/suspicious/noArrayIndexKey: rules have no other name than their place
                    key={at}
                    tone={rule.mode === "shadow" ? "neutral" : actionTone[rule.action]}
                  >
                    {rule.custom?.name ?? words.findings[rule.type]}: {words.actions[rule.action]}
                    {rule.mode === "shadow" && ` (${words.inShadow})`}
                  </Badge>
                ))}
                {profile.rules.length > MOST_SHOWN && (
                  <span className="text-xs text-ink-soft">{words.moreRules(profile.rules.length - MOST_SHOWN)}</span>
                )}
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

export function NewProfilePage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <ProfileForm />
    </Page>
  );
}

/** What a profile's fields are called. */
const FIELDS = {
  name: common.name,
  rules: words.rules,
  uninspectable: words.uninspectable,
  for_everybody: words.forEverybody,
};

export function ProfilePage() {
  const { isPlatform, mayWrite } = useIdentity();
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
      <div className="mt-6">
        <Versions
          resource="guardrails/profiles"
          item={profile.data}
          tenantId={profile.data.tenant_id}
          names={FIELDS}
          inLines={{ rules: (rules) => ((rules as Profile["rules"]) ?? []).map(ruleInWords) }}
          mayWrite={isPlatform || mayWrite(profile.data.tenant_id)}
        />
      </div>
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
      schema={profileSchema}
      label={profile?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={isWritable ? undefined : reason}
      toForm={(item): ProfileValues => ({
        tenant_id: item ? (item.tenant_id ?? "") : (identity?.tenant_id ?? ""),
        name: item?.name ?? "",
        rules: (item?.rules ?? []).map((rule, at) => ({ ...toRuleValues(rule), key: String(at) })),
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
      {(form) => (
        <>
          {isPlatform && !profile && <OwnerField control={form.control} name="tenant_id" />}
          <TextField control={form.control} name="name" label={common.name} autoFocus={!profile} />
          <Rules form={form} disabled={!isWritable} />
          <SelectField
            control={form.control}
            name="uninspectable"
            label={words.uninspectable}
            help={words.uninspectableHelp}
            options={uninspectableActions.map((value) => ({ value, label: words.uninspectableActions[value] }))}
          />
          {isPlatform && !profile?.tenant_id && (
            <CheckboxField
              control={form.control}
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
