import { useNavigate, useSearch } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { type Control, useWatch } from "react-hook-form";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { type Item, useList } from "../../api/resources";
import { Button, LinkButton } from "../../design/Button";
import { EffectiveLimits } from "../../design/EffectiveLimits";
import { EffectivePolicy } from "../../design/EffectivePolicy";
import { TextField } from "../../design/Fields";
import { FilterBar, TenantFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { AppLink } from "../../design/Link";
import { ItemOf, ListPage } from "../../design/ListPage";
import { patchLabels, readLabels, writeLabels } from "../../design/labels";
import { LabelsField, labelsSchema, ProfileField } from "../../design/OwnedFields";
import { Page } from "../../design/Page";
import { PickerField } from "../../design/Picker";
import { ResourceForm } from "../../design/ResourceForm";
import { Empty, Failed, Loading } from "../../design/States";
import { TenantField } from "../../design/TenantField";
import { toast } from "../../design/Toasts";
import { departmentKeys, departmentUsers, newDepartmentBeneath, paths } from "../../paths";
import { texts } from "../../texts";
import { type Branch, treeOf } from "./tree";

const { common, identity: shared } = texts;
const words = shared.departments;
type Department = Item<"departments">;

/** The departments in one's scope, as trees. */
export function DepartmentsPage() {
  const { isPlatform } = useIdentity();
  const filters = useFilters("tenant_id");
  const list = useList("departments", { ...filters.query, sort: "name" });
  const departments = list.data?.pages.flatMap(({ items }) => items) ?? [];
  return (
    <ListPage
      title={words.title}
      lead={words.lead}
      add={{ to: paths.departmentNew, label: words.new, needs: "departments.write" }}
    >
      {isPlatform && (
        <FilterBar onClear={filters.clear}>
          <TenantFilter value={filters.values.tenant_id} onChange={(tenant_id) => filters.set({ tenant_id })} />
        </FilterBar>
      )}
      {list.isPending && <Loading />}
      {list.error && !list.data && <Failed error={list.error} onRetry={() => list.refetch()} />}
      {list.data && departments.length === 0 && <Empty>{words.empty}</Empty>}
      {departments.length > 0 && <Branches branches={treeOf(departments)} label={words.title} />}
      {list.hasNextPage && (
        <Button className="mt-4" onPress={() => void list.fetchNextPage()} isDisabled={list.isFetchingNextPage}>
          {common.more}
        </Button>
      )}
    </ListPage>
  );
}

function Branches({ branches, label }: { branches: Branch[]; label?: string }) {
  const { isPlatform, may } = useIdentity();
  return (
    <ul
      aria-label={label}
      className={label ? "rounded-lg border border-line bg-surface p-2" : "ml-5 border-l border-line pl-2"}
    >
      {branches.map(({ department, beneath, isLoose }) => (
        <li key={department.id}>
          <div className="flex min-h-11 flex-wrap items-center gap-x-3">
            <AppLink to={paths.department(department.id)}>{department.name}</AppLink>
            <span className="text-sm text-ink-soft">
              {isLoose && department.parent_name && words.beneath(department.parent_name)}
              {label && isPlatform && ` ${department.tenant_name ?? ""}`}
            </span>
            {may("departments.write", department.tenant_id) && (
              <LinkButton
                to={newDepartmentBeneath(department.id, department.tenant_id)}
                kind="quiet"
                icon={<Plus aria-hidden className="size-4" />}
              >
                <span className="sr-only">{words.add(department.name)}</span>
              </LinkButton>
            )}
          </div>
          {beneath.length > 0 && <Branches branches={beneath} />}
        </li>
      ))}
    </ul>
  );
}

const schema = z.object({
  tenant_id: z.string().min(1, common.required),
  name: z.string().trim().min(1, common.required),
  parent_id: z.string(),
  guardrail_profile_id: z.string(),
  labels: labelsSchema,
});

export function NewDepartmentPage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <DepartmentForm />
    </Page>
  );
}

export function DepartmentPage() {
  return (
    <ItemOf resource="departments">
      {(department) => (
        <Page
          title={department.name}
          width="form"
          actions={
            <>
              <LinkButton to={departmentUsers(department.id)}>{words.people}</LinkButton>
              <LinkButton to={departmentKeys(department.id)}>{words.keys}</LinkButton>
            </>
          }
        >
          <DepartmentForm key={department.id} department={department} />
          <EffectivePolicy of="departments" id={department.id} />
          <EffectiveLimits of="departments" id={department.id} />
        </Page>
      )}
    </ItemOf>
  );
}

function DepartmentForm({ department }: { department?: Department }) {
  const navigate = useNavigate();
  const chosen = useSearch({ strict: false }) as { parent_id?: string; tenant_id?: string };
  const { isPlatform, identity, may } = useIdentity();
  const tenantId = department?.tenant_id ?? identity?.tenant_id ?? chosen.tenant_id ?? "";
  const settings = (form: z.infer<typeof schema>) => ({
    name: form.name,
    parent_id: form.parent_id || null,
    guardrail_profile_id: form.guardrail_profile_id || null,
    labels: patchLabels(department?.labels ?? {}, readLabels(form.labels) ?? {}) as Record<string, string>,
  });
  return (
    <ResourceForm
      resource="departments"
      item={department}
      schema={schema}
      label={department?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={isPlatform || may("departments.write", tenantId) ? undefined : texts.states.readOnly}
      toForm={(item) => ({
        tenant_id: tenantId,
        name: item?.name ?? "",
        parent_id: item ? (item.parent_id ?? "") : (chosen.parent_id ?? ""),
        guardrail_profile_id: item?.guardrail_profile_id ?? "",
        labels: writeLabels(item?.labels),
      })}
      toCreate={(form) => ({ tenant_id: form.tenant_id, ...settings(form) })}
      toPatch={settings}
      onMade={(made) => {
        toast(common.created(made.name));
        void navigate({ to: paths.departments as never });
      }}
      onRemoved={() => void navigate({ to: paths.departments as never })}
    >
      {({ control }) => (
        <>
          {isPlatform && !department && <TenantField control={control} name="tenant_id" />}
          <TextField control={control} name="name" label={common.name} autoFocus={!department} />
          <ParentField control={control} own={department?.id} />
          <ProfileField control={control} help={words.profileHelp} />
          <LabelsField control={control} />
        </>
      )}
    </ResourceForm>
  );
}

/** What it is beneath, of the chosen tenant. */
function ParentField({ control, own }: { control: Control<z.infer<typeof schema>>; own?: string }) {
  const tenantId = useWatch({ control, name: "tenant_id" });
  return (
    <PickerField
      resource="departments"
      control={control}
      name="parent_id"
      label={words.parent}
      help={words.parentHelp}
      none={words.top}
      filter={{ tenant_id: tenantId || undefined }}
      accepts={({ id }) => id !== own}
    />
  );
}
