import { useNavigate, useParams } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useWatch } from "react-hook-form";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { type Item, useChoices, useItem, useList, useNames } from "../../api/resources";
import { LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { SelectField, TextField } from "../../design/Fields";
import { FilterBar, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { shortDateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Page } from "../../design/Page";
import { ResourceForm } from "../../design/ResourceForm";
import { Failed, Loading } from "../../design/States";
import { toast } from "../../design/Toasts";
import { paths } from "../../paths";
import { texts } from "../../texts";

const { users: words, common } = texts;
const roles = ["platform_admin", "tenant_admin", "viewer"] as const;

/** The people in one's scope. */
export function UsersPage() {
  const { isPlatform, identity, mayWrite } = useIdentity();
  const filters = useFilters("tenant_id");
  const list = useList("users", filters.query);
  const tenantName = useNames("tenants", isPlatform);
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        mayWrite(identity?.tenant_id) && (
          <LinkButton to={paths.userNew} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
            {words.new}
          </LinkButton>
        )
      }
    >
      {isPlatform && (
        <FilterBar onClear={filters.clear}>
          <TenantFilter value={filters.values.tenant_id} onChange={(tenant_id) => filters.set({ tenant_id })} />
        </FilterBar>
      )}
      <DataTable
        label={words.title}
        list={list}
        rowKey={(user) => user.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          {
            title: words.email,
            width: "minmax(0,2fr)",
            cell: (user) => <AppLink to={paths.user(user.id)}>{user.email}</AppLink>,
          },
          { title: words.role, cell: (user) => texts.nav.roles[user.role] },
          ...(isPlatform
            ? [
                {
                  title: common.tenant,
                  cell: (user: Item<"users">) =>
                    user.tenant_id ? (tenantName(user.tenant_id) ?? user.tenant_id) : common.platform,
                },
              ]
            : []),
          { title: common.createdAt, secondary: true, cell: (user) => shortDateTime(user.created_at) },
        ]}
      />
    </Page>
  );
}

const schema = z.object({
  email: z.email(),
  role: z.enum(roles),
  tenant_id: z.string(),
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
    </Page>
  );
}

function UserForm({ user }: { user?: Item<"users"> }) {
  const navigate = useNavigate();
  const { isPlatform, identity, mayWrite } = useIdentity();
  const tenants = useChoices("tenants", isPlatform);
  // A user does not become one of the platform's, nor stop being one.
  const possible = roles.filter((role) =>
    user ? (role === "platform_admin") === (user.tenant_id == null) : isPlatform || role !== "platform_admin",
  );
  return (
    <ResourceForm
      resource="users"
      item={user}
      schema={
        user ? schema : schema.refine((form) => form.password !== "", { path: ["password"], message: common.required })
      }
      label={user?.email ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={mayWrite(user ? user.tenant_id : identity?.tenant_id) ? undefined : texts.states.readOnly}
      toForm={(item) => ({
        email: item?.email ?? "",
        role: item?.role ?? "tenant_admin",
        tenant_id: item ? (item.tenant_id ?? "") : (identity?.tenant_id ?? ""),
        password: "",
      })}
      toCreate={({ tenant_id, role, ...form }) => ({
        ...form,
        role,
        tenant_id: role === "platform_admin" ? null : tenant_id || null,
      })}
      toPatch={({ email, role, password }) => ({ email, role, ...(password ? { password } : {}) })}
      onMade={(made) => {
        toast(common.created(made.email));
        void navigate({ to: paths.users as never });
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
          <RoleAndTenant
            control={control}
            roles={possible}
            tenants={isPlatform && !user ? (tenants.data?.items ?? []) : undefined}
          />
          <TextField
            control={control}
            name="password"
            label={user ? words.newPassword : words.password}
            help={user ? words.newPasswordHelp : words.passwordHelp}
            optional={!!user}
            type="password"
            autoComplete="new-password"
          />
        </>
      )}
    </ResourceForm>
  );
}

type UserControl = Parameters<typeof TextField<z.infer<typeof schema>>>[0]["control"];

function RoleAndTenant({
  control,
  roles: possible,
  tenants,
}: {
  control: UserControl;
  roles: (typeof roles)[number][];
  /** Undefined: the tenant cannot be chosen. */
  tenants: Item<"tenants">[] | undefined;
}) {
  const role = useWatch({ control, name: "role" });
  return (
    <>
      <SelectField
        control={control}
        name="role"
        label={words.role}
        help={words.roleHelp[role]}
        options={possible.map((value) => ({ value, label: texts.nav.roles[value] }))}
      />
      {tenants && role !== "platform_admin" && (
        <SelectField
          control={control}
          name="tenant_id"
          label={common.tenant}
          options={[
            { value: "", label: common.select },
            ...tenants.map(({ id, name }) => ({ value: id, label: name })),
          ]}
        />
      )}
    </>
  );
}
