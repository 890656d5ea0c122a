import { ArrowLeft } from "lucide-react";
import { useState } from "react";
import { Button } from "../../design/Button";
import { Page, Section } from "../../design/Page";
import { texts } from "../../texts";
import { type Kind, kinds } from "./kinds";
import { ProviderForm } from "./ProviderForm";

const { providers: words } = texts;
const other: Kind = { preset: "", label: words.other, schema: "openai", baseUrl: "", hint: "https://HOST/v1" };

/** A new provider: its kind first, from which most of the rest follows. */
export function NewProviderPage() {
  const [kind, setKind] = useState<Kind>();
  if (!kind) {
    return (
      <Page title={words.new} lead={words.step(1, 3)} width="form">
        <Section title={words.kind} lead={words.kindLead}>
          <ul className="grid grid-cols-1 gap-2 sm:grid-cols-2 lg:grid-cols-3">
            {[...kinds, other].map((each) => (
              <li key={each.preset}>
                <button
                  type="button"
                  onClick={() => setKind(each)}
                  className="flex min-h-16 w-full flex-col items-start justify-center rounded-md border border-line-strong bg-surface px-4 py-2 text-left hover:bg-sunken"
                >
                  <span className="font-medium">{each.label}</span>
                  <span className="max-w-full truncate text-xs text-ink-soft">
                    {each === other ? words.otherHelp : each.baseUrl ? new URL(each.baseUrl).host : words.address}
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </Section>
      </Page>
    );
  }
  return (
    <Page
      title={words.new}
      lead={`${words.step(2, 3)}: ${kind.label}`}
      width="form"
      actions={
        <Button icon={<ArrowLeft aria-hidden className="size-4" />} onPress={() => setKind(undefined)}>
          {texts.common.back}
        </Button>
      }
    >
      <ProviderForm kind={kind} />
    </Page>
  );
}
