import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { type Control, useController, useWatch } from "react-hook-form";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { forget, type Item, removeOne, type Streams, useList } from "../../api/resources";
import { BulkBar, useSelection } from "../../design/Bulk";
import { LinkButton } from "../../design/Button";
import { createdColumn, departmentColumn, disabledColumn, tenantColumn } from "../../design/columns";
import { DataTable } from "../../design/DataTable";
import { EffectiveLimits } from "../../design/EffectiveLimits";
import { EffectivePolicy } from "../../design/EffectivePolicy";
import { CheckboxField, TextField } from "../../design/Fields";
import { FilterBar, TenantFilter, TextFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { AppLink } from "../../design/Link";
import { ItemOf, ListPage } from "../../design/ListPage";
import { patchLabels, readLabels, writeLabels } from "../../design/labels";
import { DepartmentField, LabelsField, labelsSchema, ProfileField } from "../../design/OwnedFields";
import { DepartmentFilter, DisabledFilter, LabelFilter } from "../../design/OwnedFilters";
import { Page } from "../../design/Page";
import { ResourceForm } from "../../design/ResourceForm";
import { ROLES, RoleFields } from "../../design/RoleFields";
import { StreamsChoice } from "../../design/StreamsChoice";
import { toast } from "../../design/Toasts";
import { paths, userKeys } from "../../paths";
import { texts } from "../../texts";
import { type Grant, GrantsField } from "./GrantsField";
import { PasswordLink } from "./PasswordLink";

const { users: words, common, identity: shared } = texts;
type User = Item<"users">;

/** The people in one's scope. */
export function UsersPage() {
  const { isPlatform, identity, may } = useIdentity();
  const filters = useFilters("tenant_id", "q", "department_id", "state", "label");
  const queries = useQueryClient();
  const [streams, setStreams] = useState<Streams>("finish");
  const selection = useSelection<User>({
    keyOf: ({ id }) => id,
    nameOf: ({ email }) => email,
    // Nobody deletes themselves.
    isSelectable: (user) => may("users.write", user.tenant_id) && user.id !== identity?.id,
  });
  const list = useList("users", filters.query);
  const { values, set } = filters;
  return (
    <ListPage title={words.title} lead={words.lead} add={{ to: paths.userNew, label: words.new, needs: "users.write" }}>
      <FilterBar onClear={filters.clear}>
        <TextFilter label={words.emailHas} value={values.q} onChange={(q) => set({ q })} />
        {isPlatform && <TenantFilter value={values.tenant_id} onChange={(tenant_id) => set({ tenant_id })} />}
        <DepartmentFilter
          tenantId={values.tenant_id}
          value={values.department_id}
          onChange={(department_id) => set({ department_id })}
        />
        <DisabledFilter value={values.state} onChange={(state) => set({ state })} />
        <LabelFilter value={values.label} onChange={(label) => set({ label })} />
      </FilterBar>
      <BulkBar
        selection={selection}
        onDone={() => forget(queries, "users")}
        actions={[
          {
            label: common.delete,
            consequence: words.deleteConsequence,
            choice: <StreamsChoice value={streams} onChange={setStreams} />,
            run: ({ id, revision }) => removeOne("users", id, revision, streams),
          },
        ]}
      />
      <DataTable
        label={words.title}
        list={list}
        rowKey={(user) => user.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        selection={list.data?.pages.some(({ items }) => items.some(selection.isSelectable)) ? selection : undefined}
        columns={[
          {
            title: words.email,
            width: "minmax(0,2fr)",
            cell: (user) => <AppLink to={paths.user(user.id)}>{user.email}</AppLink>,
          },
          { title: words.role, cell: (user) => texts.nav.roles[user.role] },
          departmentColumn(),
          ...tenantColumn<User>(isPlatform),
          disabledColumn(),
          createdColumn(),
        ]}
      />
    </ListPage>
  );
}

const schema = z.object({
  email: z.email(),
  role: z.enum(ROLES),
  tenant_id: z.string(),
  department_id: z.string(),
  grants: z.array(z.custom<Grant>()),
  guardrail_profile_id: z.string(),
  labels: labelsSchema,
  disabled: z.boolean(),
  is_break_glass: z.boolean(),
  password: z.union([z.literal(""), z.string().min(12, words.passwordHelp).max(256, words.passwordHelp)]),
});

export function NewUserPage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <UserForm />
    </Page>
  );
}

export function UserPage() {
  return (
    <ItemOf resource="users">
      {(user) => (
        <Page
          title={user.email}
          width="form"
          actions={user.tenant_id && <LinkButton to={userKeys(user.id)}>{words.keys}</LinkButton>}
        >
          <UserForm key={user.id} user={user} />
          <PasswordLink user={user} />
          {user.tenant_id && (
            <>
              <EffectivePolicy of="users" id={user.id} />
              <EffectiveLimits of="users" id={user.id} />
            </>
          )}
        </Page>
      )}
    </ItemOf>
  );
}

function UserForm({ user }: { user?: User }) {
  const navigate = useNavigate();
  const { identity, may } = useIdentity();
  const labels = (text: string) => patchLabels(user?.labels ?? {}, readLabels(text) ?? {}) as Record<string, string>;
  return (
    <ResourceForm
      resource="users"
      item={user}
      schema={schema}
      label={user?.email ?? words.one}
      hasStreams
      deleteConsequence={words.deleteConsequence}
      readOnly={may("users.write", user ? user.tenant_id : identity?.tenant_id) ? undefined : texts.states.readOnly}
      toForm={(item) => ({
        email: item?.email ?? "",
        role: item?.role ?? "tenant_admin",
        tenant_id: item ? (item.tenant_id ?? "") : (identity?.tenant_id ?? ""),
        department_id: item?.department_id ?? "",
        grants: item?.grants ?? [],
        guardrail_profile_id: item?.guardrail_profile_id ?? "",
        labels: writeLabels(item?.labels),
        disabled: item?.disabled ?? false,
        is_break_glass: item?.is_break_glass ?? false,
        password: "",
      })}
      toCreate={({ tenant_id, role, department_id, guardrail_profile_id, password, is_break_glass, ...form }) => ({
        ...form,
        role,
        labels: labels(form.labels),
        department_id: department_id || null,
        guardrail_profile_id: guardrail_profile_id || null,
        is_break_glass: role === "platform_admin" && is_break_glass,
        ...(password ? { password } : {}),
        tenant_id: role === "platform_admin" ? null : tenant_id || null,
      })}
      toPatch={({ email, role, grants, disabled, is_break_glass, password, ...form }) => ({
        email,
        role,
        department_id: form.department_id || null,
        guardrail_profile_id: form.guardrail_profile_id || null,
        grants,
        labels: labels(form.labels),
        disabled,
        is_break_glass,
        ...(password ? { password } : {}),
      })}
      onMade={(made) => {
        toast(common.created(made.email));
        // Whoever has no password is sent a link, which is made on the user's page.
        void navigate({ to: (made.has_password ? paths.users : paths.user(made.id)) as never });
      }}
      onRemoved={() => void navigate({ to: paths.users as never })}
    >
      {({ control }) => (
        <>
          <TextField
            control={control}
            name="email"
            label={words.email}
            type="email"
            autoComplete="off"
            autoFocus={!user}
          />
          <RoleFields control={control} item={user} />
          <ScopeFields control={control} />
          <BreakGlassField control={control} />
          <TextField
            control={control}
            name="password"
            label={user ? words.newPassword : words.password}
            help={user ? words.newPasswordHelp : `${words.passwordHelp} ${words.passwordNewHelp}`}
            optional
            type="password"
            autoComplete="new-password"
          />
          <LabelsField control={control} />
          {user && <CheckboxField control={control} name="disabled" label={shared.disabledUser} />}
        </>
      )}
    </ResourceForm>
  );
}

/** What somebody has of the chosen tenant: the department, grants, and the profile of all their keys. */
function ScopeFields({ control }: { control: Control<z.infer<typeof schema>> }) {
  const [tenantId, role] = useWatch({ control, name: ["tenant_id", "role"] });
  const { field } = useController({ control, name: "grants" });
  if (role === "platform_admin") return null;
  return (
    <>
      <DepartmentField control={control} />
      <GrantsField tenantId={tenantId} value={field.value} onChange={field.onChange} isDisabled={field.disabled} />
      <ProfileField control={control} help={words.profileHelp} />
    </>
  );
}

/** For the platform's admins only. */
function BreakGlassField({ control }: { control: Control<z.infer<typeof schema>> }) {
  const role = useWatch({ control, name: "role" });
  if (role !== "platform_admin") return null;
  return (
    <CheckboxField
      control={control}
      name="is_break_glass"
      label={texts.breakGlass.label}
      help={texts.breakGlass.help}
    />
  );
}
