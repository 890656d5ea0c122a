import { useNavigate } from "@tanstack/react-router";
import { z } from "zod";
import { useIdentity } from "../../api/identity";
import { type Item, useList } from "../../api/resources";
import { createdColumn, nameColumn } from "../../design/columns";
import { DataTable } from "../../design/DataTable";
import { TextField } from "../../design/Fields";
import { FilterBar, NameFilter } from "../../design/FilterBar";
import { useFilters } from "../../design/filters";
import { ItemOf, ListPage } from "../../design/ListPage";
import { Page } from "../../design/Page";
import { ResourceForm } from "../../design/ResourceForm";
import { toast } from "../../design/Toasts";
import { paths } from "../../paths";
import { texts } from "../../texts";

const { currencies: words, common } = texts;
type Rate = Item<"currency-rates">;

/** What a dollar is in other currencies, from which day on. */
export function CurrencyRatesPage() {
  const filters = useFilters("q");
  const list = useList("currency-rates", filters.query);
  return (
    <ListPage
      title={words.title}
      lead={words.lead}
      add={{ to: paths.currencyRateNew, label: words.new, needs: "currencies.write" }}
    >
      <FilterBar onClear={filters.clear}>
        <NameFilter value={filters.values.q} onChange={(q) => filters.set({ q })} />
      </FilterBar>
      <DataTable
        label={words.title}
        list={list}
        rowKey={(rate) => rate.id}
        empty={words.empty}
        onClearFilters={filters.clear}
        columns={[
          nameColumn<Rate>(paths.currencyRate),
          { title: words.rate, cell: ({ currency, rate }) => words.rateOf(rate, currency) },
          { title: words.validFrom, width: "9rem", cell: ({ valid_from }) => valid_from },
          createdColumn<Rate>(),
        ]}
      />
    </ListPage>
  );
}

const schema = z.object({
  name: z.string().trim().min(1, common.required),
  currency: z.string().regex(/^[A-Z]{3}$/, words.code),
  rate: z.string().regex(/^\d{1,12}(\.\d{1,12})?$/, words.decimal),
  valid_from: z.string().min(1, common.required),
});

export function NewCurrencyRatePage() {
  return (
    <Page title={words.new} lead={words.lead} width="form">
      <RateForm />
    </Page>
  );
}

export function CurrencyRatePage() {
  return (
    <ItemOf resource="currency-rates">
      {(rate) => (
        <Page title={rate.name} width="form">
          <RateForm key={rate.id} rate={rate} />
        </Page>
      )}
    </ItemOf>
  );
}

function RateForm({ rate }: { rate?: Rate }) {
  const navigate = useNavigate();
  const { may } = useIdentity();
  return (
    <ResourceForm
      resource="currency-rates"
      item={rate}
      schema={schema}
      label={rate?.name ?? words.one}
      deleteConsequence={words.deleteConsequence}
      readOnly={may("currencies.write", null) ? undefined : texts.states.readOnly}
      toForm={(item) => ({
        name: item?.name ?? "",
        currency: item?.currency ?? "",
        rate: item?.rate ?? "",
        valid_from: item?.valid_from ?? "",
      })}
      toCreate={(form) => form}
      toPatch={(form) => form}
      onMade={(made) => {
        toast(common.created(made.name));
        void navigate({ to: paths.currencyRates as never });
      }}
      onRemoved={() => void navigate({ to: paths.currencyRates as never })}
    >
      {({ control }) => (
        <>
          <TextField control={control} name="name" label={common.name} help={words.nameHelp} autoFocus={!rate} />
          <TextField control={control} name="currency" label={words.currency} help={words.currencyHelp} mono />
          <TextField control={control} name="rate" label={words.rate} help={words.rateHelp} inputMode="decimal" />
          <TextField
            control={control}
            name="valid_from"
            label={words.validFrom}
            help={words.validFromHelp}
            type="date"
          />
        </>
      )}
    </ResourceForm>
  );
}
