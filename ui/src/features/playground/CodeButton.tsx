import { Code } from "lucide-react";
import { useState } from "react";
import type { UseFormReturn } from "react-hook-form";
import { Button } from "../../design/Button";
import { CopyButton, Dialog } from "../../design/Dialog";
import { Select } from "../../design/Fields";
import { texts } from "../../texts";
import { codeFor, type Language } from "./code";
import { requestBody, type Turn } from "./conversation";
import type { RequestValues } from "./PlaygroundPage";

const { playground: words, common } = texts;
const LANGUAGES: Language[] = ["curl", "python", "typescript"];

/** The conversation's latest request as code. */
export function CodeButton({
  gatewayUrl,
  form,
  turns,
}: {
  gatewayUrl: string;
  form: UseFormReturn<RequestValues>;
  turns: Turn[];
}) {
  const [isOpen, setOpen] = useState(false);
  const [language, setLanguage] = useState<Language>("curl");
  const code = () => {
    const values = form.getValues();
    const asked = turns.map((turn, at) => (at === turns.length - 1 ? { ...turn, answers: [] } : turn));
    const said = asked.length > 0 ? asked : [{ text: "Hello", pictures: [], answers: [] }];
    return codeFor(language, gatewayUrl, requestBody(values.model || "MODEL", 0, values, said));
  };
  return (
    <>
      <Button icon={<Code aria-hidden className="size-4" />} onPress={() => setOpen(true)}>
        {words.copyAs}
      </Button>
      {isOpen && (
        <Dialog title={words.copyAs} isOpen onClose={() => setOpen(false)} wide>
          <div className="mb-3 max-w-xs">
            <Select
              label={words.copyAs}
              value={language}
              onChange={(value) => setLanguage(value as Language)}
              options={LANGUAGES.map((value) => ({ value, label: words.languages[value] }))}
            />
          </div>
          <pre className="rounded-md border border-line bg-ground p-3 font-mono text-xs break-all whitespace-pre-wrap">
            {shortened(code())}
          </pre>
          <div className="mt-4 flex justify-end gap-2">
            <CopyButton text={code()} />
            <Button kind="primary" onPress={() => setOpen(false)}>
              {common.close}
            </Button>
          </div>
        </Dialog>
      )}
    </>
  );
}

/** Pictures are long; what is copied has them whole. */
function shortened(code: string): string {
  return code.replace(/(base64,[\w+/]{40})[\w+/=]+/g, "$1…");
}
