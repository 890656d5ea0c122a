import { useNavigate } from "@tanstack/react-router";
import { type Control, useWatch } from "react-hook-form";
import { z } from "zod";
import { ApiProblem } from "../../api/client";
import type { Governed } from "../../api/effective";
import { useIdentity } from "../../api/identity";
import { type LimitUsage, useLimitStates } from "../../api/limits";
import { type Item, type ResourceName, type Resources, useList } from "../../api/resources";
import { DataTable } from "../../design/DataTable";
import { EffectiveLimits } from "../../design/EffectiveLimits";
import { CheckboxField, SelectField, TextField } from "../../design/Fields";
import { FilterBar, NameFilter, TenantFilter } from "../../design/FilterBar";
import { showAtFields } from "../../design/fieldErrors";
import { useFilters } from "../../design/filters";
import { microDollars, typedDollars } from "../../design/format";
import { AppLink } from "../../design/Link";
import { ItemOf, ListPage } from "../../design/ListPage";
import { amountOf, kindOf, windowOf } from "../../design/limits";
import { OwnerField } from "../../design/OwnerField";
import { Page } from "../../design/Page";
import { PickerField } from "../../design/Picker";
import { ResourceForm } from "../../design/ResourceForm";
import { toast } from "../../design/Toasts";
import { paths } from "../../paths";
import { texts } from "../../texts";
import { Burndown } from "./Burndown";
import { Events } from "./Events";
import { Subjects } from "./Subjects";
import { Try } from "./Try";
import { Unenforced } from "./Unenforced";

const { common, limits: words } = texts;
type Limit = Item<"limits">;
type Kind = keyof typeof words.kinds;

/** The limits in one's scope. */
export function LimitsPage() {
  const { isPlatform } = useIdentity();
  const filters = useFilters("tenant_id", "q");
  const list = useList("limits", filters.query);
  const states = useLimitStates(filters.values.tenant_id || undefined);
  return (
    <ListPage
      title={words.title}
      lead={words.lead}
      add={{ to: paths.limitNew, label: words.new, needs: "limits.write" }}
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
        rowKey={(limit) => limit.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          {
            title: common.name,
            width: "minmax(0,1.5fr)",
            cell: (limit) => (
              <span className="whitespace-normal">
                <AppLink to={paths.limit(limit.id)}>{limit.name}</AppLink>
              </span>
            ),
          },
          {
            title: words.subject,
            width: "minmax(0,1.5fr)",
            cell: (limit) => <span className="whitespace-normal">{subjectOf(limit, states.get(limit.id))}</span>,
          },
          {
            title: words.amount,
            width: "minmax(0,1.5fr)",
            cell: (limit) => (
              <span className="whitespace-normal">{`${amountOf(limit, limit.amount)} ${words.units[limit.unit]}`}</span>
            ),
          },
          { title: words.window, width: "6rem", cell: windowOf },
          {
            title: words.remaining,
            cell: (limit) => {
              const state = states.get(limit.id)?.state;
              return state ? amountOf(limit, state.remaining) : "–";
            },
          },
          { title: words.action, secondary: true, cell: (limit) => words.actions[limit.action] },
          ...(isPlatform
            ? [
                {
                  title: common.owner,
                  secondary: true,
                  cell: (limit: Limit) => (
                    <span className="whitespace-normal">{limit.tenant_name ?? common.platform}</span>
                  ),
                },
              ]
            : []),
        ]}
      />
    </ListPage>
  );
}

/** By name where that is known, with what it is. */
function subjectOf({ subject, tenant_name }: Limit, usage: LimitUsage | undefined): string {
  if (subject.value) return subject.value;
  const kind = kindOf(subject.kind, subject.each);
  const name = usage?.subject_name ?? (subject.kind === "tenant" && !subject.each ? tenant_name : undefined);
  return name ? `${kind}: ${name}` : kind;
}

/** What can be chosen of a kind. */
const RESOURCES: Partial<Record<Kind, ResourceName>> = {
  tenant: "tenants",
  department: "departments",
  user: "users",
  service_account: "service-accounts",
  api_key: "api-keys",
  model: "models",
};
const optionsOf = (names: Record<string, string>) => Object.entries(names).map(([value, label]) => ({ value, label }));

const schema = z
  .object({
    tenant_id: z.string(),
    name: z.string().trim().min(1, common.required),
    kind: z.string(),
    subject_id: z.string(),
    value: z.string(),
    each: z.boolean(),
    unit: z.string(),
    amount: z.string(),
    window: z.string(),
    period: z.string(),
    time_zone: z.string(),
    start_day: z.string(),
    seconds: z.string(),
    action: z.string(),
    release_after: z.string().regex(/^\d*$/, common.number),
    fall_over_pool_id: z.string(),
    thresholds: z
      .string()
      .refine((text) => percents(text).every((percent) => percent >= 1 && percent <= 100), words.thresholdsWrong),
  })
  .refine((form) => (unitsOf(form) ?? 0) > 0, { path: ["amount"], error: words.amountWrong });
type Values = z.infer<typeof schema>;

/** Percents as they are typed; what is none is not a number. */
function percents(text: string): number[] {
  const parts = text.split(",").map((part) => part.trim());
  return parts.filter(Boolean).map((part) => (/^\d+$/.test(part) ? Number(part) : Number.NaN));
}

/** The amount in the limit's unit; undefined: it is none. */
function unitsOf({ unit, amount }: { unit: string; amount: string }): number | undefined {
  if (unit === "cost_microusd") return microDollars(amount);
  return /^\d+$/.test(amount.trim()) ? Number(amount) : undefined;
}

/** All fields of the window, so that those of another kind go. */
function windowFrom(form: Values) {
  if (form.unit === "concurrent_requests") return null;
  const isCalendar = form.window === "calendar";
  return {
    kind: form.window,
    period: isCalendar ? form.period : null,
    time_zone: isCalendar ? form.time_zone.trim() || null : null,
    start_day: isCalendar && form.start_day ? Number(form.start_day) : null,
    seconds: form.window === "sliding" ? Number(form.seconds) : null,
  };
}

function settingsFrom(form: Values): Resources["limits"]["patch"] {
  const isOne = !form.each && form.kind in RESOURCES;
  const settings = {
    name: form.name,
    subject: {
      kind: form.kind,
      id: isOne ? form.subject_id || null : null,
      value: form.kind === "label" ? form.value : null,
      each: form.each,
    },
    unit: form.unit,
    amount: unitsOf(form),
    window: windowFrom(form),
    action: form.action,
    fall_over_pool_id: form.action === "fall_over" ? form.fall_over_pool_id || null : null,
    thresholds: percents(form.thresholds),
    unreconciled_release_after_s:
      form.unit !== "concurrent_requests" && form.release_after ? Number(form.release_after) : null,
  };
  return settings as Resources["limits"]["patch"];
}

/** A window without the fields that it does not have: a new one is not merged with another. */
function newFrom(form: Values): Resources["limits"]["create"] {
  const settings = settingsFrom(form) as Resources["limits"]["create"];
  const window = settings.window && Object.entries(settings.window).filter(([, value]) => value !== null);
  const whole = { tenant_id: form.tenant_id || null, ...settings, window: window && Object.fromEntries(window) };
  return whole as Resources["limits"]["create"];
}

/** What the API's fields are called in the form. */
const FIELD_NAMES = {
  unreconciled_release_after_s: "release_after",
  subject: "kind",
  "subject.id": "subject_id",
  "subject.value": "value",
  "window.seconds": "seconds",
  "window.time_zone": "time_zone",
  "window.start_day": "start_day",
  "window.period": "period",
};

export function NewLimitPage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <LimitForm />
    </Page>
  );
}

export function LimitPage() {
  return (
    <ItemOf resource="limits">
      {(limit) => (
        <Page title={limit.name} width="form">
          <Unenforced limit={limit} />
          {limit.subject.each ? <Subjects limit={limit} /> : <Burndown limit={limit} />}
          <LimitForm key={limit.id} limit={limit} />
          <Inherited limit={limit} />
          <Events limit={limit} />
        </Page>
      )}
    </ItemOf>
  );
}

/** Whose page tells which limits hold, from above, too. */
const GOVERNED: Partial<Record<Kind, Governed>> = {
  department: "departments",
  user: "users",
  service_account: "service-accounts",
  api_key: "api-keys",
};

/** What else must have room where this one holds: what is on those above it. */
function Inherited({ limit: { subject } }: { limit: Limit }) {
  const of = GOVERNED[subject.kind as Kind];
  if (!of || !subject.id) return null;
  return (
    <div className="mt-6">
      <EffectiveLimits of={of} id={subject.id} />
    </div>
  );
}

function LimitForm({ limit }: { limit?: Limit }) {
  const navigate = useNavigate();
  const { isPlatform, identity, may } = useIdentity();
  const toForm = (item?: Limit): Values => {
    const calendar = item?.window?.kind === "calendar" ? item.window : undefined;
    const amount = item?.unit === "cost_microusd" ? typedDollars(item.amount) : String(item?.amount ?? "");
    return {
      tenant_id: item?.tenant_id ?? identity?.tenant_id ?? "",
      name: item?.name ?? "",
      kind: item?.subject.kind ?? "tenant",
      subject_id: item?.subject.id ?? "",
      value: item?.subject.value ?? "",
      each: item?.subject.each ?? false,
      unit: item?.unit ?? "cost_microusd",
      amount,
      window: item?.window?.kind ?? "calendar",
      period: calendar?.period ?? "month",
      time_zone: calendar?.time_zone ?? "",
      start_day: String(calendar?.start_day ?? ""),
      seconds: String(item?.window?.kind === "sliding" ? item.window.seconds : 60),
      action: item?.action ?? "refuse",
      release_after: String(item?.unreconciled_release_after_s ?? ""),
      fall_over_pool_id: item?.fall_over_pool_id ?? "",
      thresholds: item?.thresholds.join(", ") ?? "",
    };
  };
  return (
    <ResourceForm
      resource="limits"
      item={limit}
      schema={schema}
      label={limit?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={may("limits.write", limit ? limit.tenant_id : identity?.tenant_id) ? undefined : texts.states.readOnly}
      toForm={toForm}
      toCreate={newFrom}
      toPatch={settingsFrom}
      fieldNames={FIELD_NAMES}
      onMade={(made) => {
        toast(common.created(made.name));
        void navigate({ to: paths.limits as never });
      }}
      onRemoved={() => void navigate({ to: paths.limits as never })}
    >
      {({ control, trigger, getValues, setError }) => (
        <>
          {isPlatform && !limit && <OwnerField control={control} name="tenant_id" />}
          <TextField control={control} name="name" label={common.name} autoFocus={!limit} />
          <SubjectFields control={control} />
          <AmountFields control={control} />
          <Try
            read={async () => {
              if (!(await trigger())) return undefined;
              const { tenant_id, ...rest } = newFrom(getValues());
              return { tenant_id, limit: rest };
            }}
            onRefused={(problem) => showAtFields({ setError }, inTheLimit(problem), getValues(), FIELD_NAMES)}
          />
        </>
      )}
    </ResourceForm>
  );
}

/** What is said of the limit that is tried, as it is said of one that is saved. */
function inTheLimit({ status, code, message, fields }: ApiProblem): ApiProblem {
  const own = fields.map(({ field, reason }) => ({ field: field.replace(/^limit\./, ""), reason }));
  return new ApiProblem(status, code, message, own);
}

function SubjectFields({ control }: { control: Control<Values> }) {
  const [kind, each, tenantId] = useWatch({ control, name: ["kind", "each", "tenant_id"] });
  const resource = RESOURCES[kind as Kind];
  return (
    <>
      <SelectField
        control={control}
        name="kind"
        label={words.subject}
        help={words.subjectHelp}
        options={optionsOf(words.kinds)}
      />
      {kind !== "platform" && <CheckboxField control={control} name="each" label={words.each} />}
      {kind === "label" && <TextField control={control} name="value" label={words.value} help={words.valueHelp} mono />}
      {resource && !each && (
        <PickerField
          resource={resource}
          control={control}
          name="subject_id"
          label={words.which}
          none={common.none}
          filter={kind === "tenant" || kind === "model" ? {} : { tenant_id: tenantId || undefined }}
        />
      )}
    </>
  );
}

function AmountFields({ control }: { control: Control<Values> }) {
  const [unit, window, action] = useWatch({ control, name: ["unit", "window", "action"] });
  const isCalendar = unit !== "concurrent_requests" && window === "calendar";
  return (
    <>
      <SelectField control={control} name="unit" label={words.unit} options={optionsOf(words.units)} />
      <TextField control={control} name="amount" label={words.amount} help={words.amountHelp} inputMode="decimal" />
      {unit !== "concurrent_requests" && (
        <SelectField control={control} name="window" label={words.window} options={optionsOf(words.windows)} />
      )}
      {isCalendar && (
        <>
          <SelectField control={control} name="period" label={words.period} options={optionsOf(words.periods)} />
          <TextField control={control} name="time_zone" label={words.timeZone} help={words.timeZoneHelp} optional />
          <TextField
            control={control}
            name="start_day"
            label={words.startDay}
            help={words.startDayHelp}
            inputMode="numeric"
            optional
          />
        </>
      )}
      {unit !== "concurrent_requests" && window === "sliding" && (
        <TextField
          control={control}
          name="seconds"
          label={words.seconds}
          help={words.secondsHelp}
          inputMode="numeric"
        />
      )}
      <SelectField control={control} name="action" label={words.action} options={optionsOf(words.actions)} />
      {unit !== "concurrent_requests" && (
        <TextField
          control={control}
          name="release_after"
          label={words.releaseAfter}
          help={words.releaseAfterHelp}
          inputMode="numeric"
          optional
        />
      )}
      <TextField
        control={control}
        name="thresholds"
        label={words.thresholds}
        help={words.thresholdsHelp}
        inputMode="text"
        optional
      />
      {action === "fall_over" && (
        <PickerField
          resource="pools"
          control={control}
          name="fall_over_pool_id"
          label={words.fallOver}
          none={common.none}
        />
      )}
    </>
  );
}
