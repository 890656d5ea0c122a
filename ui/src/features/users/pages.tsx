import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { type Control, useController, useWatch } from "react-hook-form";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { forget, type Item, removeOne, useItem, useList } from "../../api/resources";
import { BulkBar, useSelection } from "../../design/Bulk";
import { LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { CheckboxField, Select, TextAreaField, TextField } from "../../design/Fields";
import { FilterBar, TenantFilter, TextFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { shortDateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { patchLabels, readLabels, writeLabels } from "../../design/labels";
import { Page } from "../../design/Page";
import { Picker, PickerField } from "../../design/Picker";
import { ResourceForm } from "../../design/ResourceForm";
import { ROLES, RoleFields } from "../../design/RoleFields";
import { Failed, Loading } from "../../design/States";
import { toast } from "../../design/Toasts";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { type Grant, GrantsField } from "./GrantsField";
import { PasswordLink } from "./PasswordLink";

const { users: words, common, identity: shared } = texts;

/** The people in one's scope. */
export function UsersPage() {
  const { isPlatform, identity, may } = useIdentity();
  const filters = useFilters("tenant_id", "q", "department_id", "state");
  const queries = useQueryClient();
  const selection = useSelection<Item<"users">>({
    keyOf: ({ id }) => id,
    nameOf: ({ email }) => email,
    // Nobody deletes themselves.
    isSelectable: (user) => may("users.write", user.tenant_id) && user.id !== identity?.id,
  });
  const list = useList("users", filters.query);
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        may("users.write", identity?.tenant_id) && (
          <LinkButton to={paths.userNew} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
            {words.new}
          </LinkButton>
        )
      }
    >
      <FilterBar onClear={filters.clear}>
        <TextFilter label={words.emailHas} value={filters.values.q} onChange={(q) => filters.set({ q })} />
        {isPlatform && (
          <TenantFilter value={filters.values.tenant_id} onChange={(tenant_id) => filters.set({ tenant_id })} />
        )}
        {may("departments.read", identity?.tenant_id) && (
          <Picker
            resource="departments"
            label={shared.department}
            none={common.all}
            filter={{ tenant_id: filters.values.tenant_id || undefined }}
            value={filters.values.department_id}
            onChange={(department_id) => filters.set({ department_id })}
          />
        )}
        <Select
          label={shared.state}
          value={filters.values.state}
          onChange={(state) => filters.set({ state })}
          options={[
            { value: "", label: common.all },
            { value: "active", label: shared.active },
            { value: "disabled", label: shared.disabled },
          ]}
        />
      </FilterBar>
      <BulkBar
        selection={selection}
        onDone={() => forget(queries, "users")}
        actions={[
          {
            label: common.delete,
            consequence: words.deleteConsequence,
            run: ({ id, revision }) => removeOne("users", id, revision),
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
          {
            title: words.role,
            cell: (user) => (user.disabled ? shared.disabled : texts.nav.roles[user.role]),
          },
          { title: shared.department, secondary: true, cell: (user) => user.department_name ?? shared.noDepartment },
          ...(isPlatform
            ? [
                {
                  title: common.tenant,
                  cell: (user: Item<"users">) => user.tenant_name ?? user.tenant_id ?? common.platform,
                },
              ]
            : []),
          { title: common.createdAt, width: "9rem", secondary: true, cell: (user) => shortDateTime(user.created_at) },
        ]}
      />
    </Page>
  );
}

const schema = z.object({
  email: z.email(),
  role: z.enum(ROLES),
  tenant_id: z.string(),
  department_id: z.string(),
  grants: z.array(z.custom<Grant>()),
  labels: z.string().refine((text) => readLabels(text), shared.labelsWrong),
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
  const { id } = useParams({ strict: false });
  const user = useItem("users", id);
  if (user.isPending) return <Loading />;
  if (user.error) return <Failed error={user.error} onRetry={() => user.refetch()} />;
  return (
    <Page title={user.data.email} width="form">
      <UserForm key={user.data.id} user={user.data} />
      <PasswordLink user={user.data} />
    </Page>
  );
}

function UserForm({ user }: { user?: Item<"users"> }) {
  const navigate = useNavigate();
  const { identity, may } = useIdentity();
  const labels = (text: string) => patchLabels(user?.labels ?? {}, readLabels(text) ?? {}) as Record<string, string>;
  return (
    <ResourceForm
      resource="users"
      item={user}
      schema={schema}
      label={user?.email ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={may("users.write", user ? user.tenant_id : identity?.tenant_id) ? undefined : texts.states.readOnly}
      toForm={(item) => ({
        email: item?.email ?? "",
        role: item?.role ?? "tenant_admin",
        tenant_id: item ? (item.tenant_id ?? "") : (identity?.tenant_id ?? ""),
        department_id: item?.department_id ?? "",
        grants: item?.grants ?? [],
        labels: writeLabels(item?.labels),
        disabled: item?.disabled ?? false,
        is_break_glass: item?.is_break_glass ?? false,
        password: "",
      })}
      toCreate={({ tenant_id, role, department_id, password, is_break_glass, ...form }) => ({
        ...form,
        role,
        labels: labels(form.labels),
        department_id: department_id || null,
        is_break_glass: role === "platform_admin" && is_break_glass,
        ...(password ? { password } : {}),
        tenant_id: role === "platform_admin" ? null : tenant_id || null,
      })}
      toPatch={({ email, role, department_id, grants, disabled, is_break_glass, password, ...form }) => ({
        email,
        role,
        department_id: department_id || null,
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
          <TextAreaField
            control={control}
            name="labels"
            label={shared.labels}
            help={shared.labelsHelp}
            rows={3}
            optional
            mono
          />
          {user && <CheckboxField control={control} name="disabled" label={shared.disabledUser} />}
        </>
      )}
    </ResourceForm>
  );
}

/** The department and the grants, of the chosen tenant. */
function ScopeFields({ control }: { control: Parameters<typeof TextField<z.infer<typeof schema>>>[0]["control"] }) {
  const [tenantId, role] = useWatch({ control, name: ["tenant_id", "role"] });
  const { field } = useController({ control, name: "grants" });
  if (role === "platform_admin") return null;
  return (
    <>
      <PickerField
        resource="departments"
        control={control}
        name="department_id"
        label={shared.department}
        none={shared.noDepartment}
        filter={{ tenant_id: tenantId || undefined }}
      />
      <GrantsField tenantId={tenantId} value={field.value} onChange={field.onChange} isDisabled={field.disabled} />
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
