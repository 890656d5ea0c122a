import { useNavigate, useParams } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useController } from "react-hook-form";
import { z } from "zod";
import type { Schemas } from "../../api/client";
import { useIdentity } from "../../api/identity";
import { type Item, useItem, useList } from "../../api/resources";
import { LinkButton } from "../../design/Button";
import { DataTable } from "../../design/DataTable";
import { TextField } from "../../design/Fields";
import { shortDateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Page, Section } from "../../design/Page";
import { ResourceForm } from "../../design/ResourceForm";
import { Failed, Loading } from "../../design/States";
import { TenantField } from "../../design/TenantField";
import { toast } from "../../design/Toasts";
import { paths } from "../../paths";
import { texts } from "../../texts";

const { common, identity: shared } = texts;
const words = shared.roles;
type Permission = Schemas["Permission"];
const PERMISSIONS = Object.keys(words.allows) as Permission[];

/** The roles that always exist, and those that administrators made. */
export function RolesPage() {
  const { isPlatform, identity, may } = useIdentity();
  const list = useList("roles");
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        may("roles.write", identity?.tenant_id) && (
          <LinkButton to={paths.roleNew} kind="primary" icon={<Plus aria-hidden className="size-4" />}>
            {words.new}
          </LinkButton>
        )
      }
    >
      <Section title={words.custom}>
        <DataTable
          label={words.custom}
          list={list}
          rowKey={(role) => role.id}
          empty={words.empty}
          columns={[
            {
              title: common.name,
              width: "minmax(0,2fr)",
              cell: (role) => <AppLink to={paths.role(role.id)}>{role.name}</AppLink>,
            },
            { title: words.permissions, cell: (role) => words.count(role.permissions.length) },
            ...(isPlatform
              ? [{ title: common.tenant, cell: (role: Item<"roles">) => role.tenant_name ?? common.platform }]
              : []),
            { title: common.createdAt, width: "9rem", secondary: true, cell: (role) => shortDateTime(role.created_at) },
          ]}
        />
      </Section>
      <div className="mt-6">
        <Section title={words.always}>
          <dl className="grid gap-3 sm:grid-cols-2">
            {(Object.keys(words.names) as (keyof typeof words.names)[]).map((role) => (
              <div key={role}>
                <dt className="font-medium">{words.names[role]}</dt>
                <dd className="text-ink-soft">{words.abouts[role]}</dd>
              </div>
            ))}
          </dl>
        </Section>
      </div>
    </Page>
  );
}

const schema = z.object({
  tenant_id: z.string(),
  name: z.string().trim().min(1, common.required),
  permissions: z.array(z.string()).min(1, words.atLeastOne),
});
type Values = z.infer<typeof schema>;

export function NewRolePage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <RoleForm />
    </Page>
  );
}

export function RolePage() {
  const { id } = useParams({ strict: false });
  const role = useItem("roles", id);
  if (role.isPending) return <Loading />;
  if (role.error) return <Failed error={role.error} onRetry={() => role.refetch()} />;
  return (
    <Page title={role.data.name} width="form">
      <RoleForm key={role.data.id} role={role.data} />
    </Page>
  );
}

function RoleForm({ role }: { role?: Item<"roles"> }) {
  const navigate = useNavigate();
  const { isPlatform, identity, may } = useIdentity();
  const settings = (form: Values) => ({ name: form.name, permissions: form.permissions as Permission[] });
  return (
    <ResourceForm
      resource="roles"
      item={role}
      schema={schema}
      label={role?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={may("roles.write", role ? role.tenant_id : identity?.tenant_id) ? undefined : texts.states.readOnly}
      toForm={(item) => ({
        tenant_id: item?.tenant_id ?? identity?.tenant_id ?? "",
        name: item?.name ?? "",
        permissions: item?.permissions ?? [],
      })}
      toCreate={(form) => ({ tenant_id: form.tenant_id || null, ...settings(form) })}
      toPatch={settings}
      onMade={(made) => {
        toast(common.created(made.name));
        void navigate({ to: paths.roles as never });
      }}
      onRemoved={() => void navigate({ to: paths.roles as never })}
    >
      {({ control }) => (
        <>
          {isPlatform && !role && <TenantField control={control} name="tenant_id" />}
          <TextField control={control} name="name" label={common.name} autoFocus={!role} />
          <PermissionsField control={control} />
        </>
      )}
    </ResourceForm>
  );
}

function PermissionsField({ control }: { control: Parameters<typeof TextField<Values>>[0]["control"] }) {
  const { field, fieldState } = useController({ control, name: "permissions" });
  const chosen = new Set(field.value);
  const choose = (permission: Permission, isChosen: boolean) =>
    field.onChange(PERMISSIONS.filter((one) => (one === permission ? isChosen : chosen.has(one))));
  return (
    <fieldset>
      <legend className="mb-1 text-sm font-medium">{words.permissions}</legend>
      {fieldState.error && <p className="text-sm text-bad">{fieldState.error.message}</p>}
      <div className="grid gap-x-6 sm:grid-cols-2">
        {PERMISSIONS.map((permission) => (
          <label key={permission} className="flex min-h-11 items-center gap-3 text-sm">
            <input
              type="checkbox"
              className="size-5 accent-accent"
              checked={chosen.has(permission)}
              disabled={field.disabled}
              onBlur={field.onBlur}
              onChange={({ target }) => choose(permission, target.checked)}
            />
            {words.allows[permission]}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
