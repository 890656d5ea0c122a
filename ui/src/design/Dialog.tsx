import { Check, Copy } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { texts } from "../texts";
import { Button } from "./Button";
import { Notice } from "./States";

/** A dialog above the page. It is closed by what is in it, and by Escape unless it is `firm`. */
export function Dialog({
  title,
  isOpen,
  onClose,
  firm = false,
  alert = false,
  wide = false,
  children,
}: {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  firm?: boolean;
  alert?: boolean;
  wide?: boolean;
  children: ReactNode;
}) {
  return (
    <ModalOverlay
      isOpen={isOpen}
      onOpenChange={(open) => !open && onClose()}
      isDismissable={!firm && !alert}
      isKeyboardDismissDisabled={firm}
      className="fixed inset-0 z-50 flex items-end justify-center bg-black/50 p-0 sm:items-center sm:p-6"
    >
      <Modal
        className={`max-h-[92dvh] w-full overflow-y-auto rounded-t-xl border border-line bg-surface shadow-xl sm:rounded-xl ${wide ? "sm:max-w-3xl" : "sm:max-w-lg"}`}
      >
        <AriaDialog role={alert ? "alertdialog" : "dialog"} className="p-6 outline-none">
          <Heading slot="title" className="mb-3 text-lg font-semibold break-words">
            {title}
          </Heading>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

/** Asks before something that cannot be undone, and says what follows from it. */
export function Confirm({
  title,
  consequence,
  action,
  isOpen,
  onClose,
  onConfirm,
  children,
}: {
  title: string;
  consequence: ReactNode;
  action: string;
  isOpen: boolean;
  onClose: () => void;
  onConfirm: () => Promise<unknown>;
  /** What is still to be chosen. */
  children?: ReactNode;
}) {
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const close = () => {
    setError(undefined);
    onClose();
  };
  const confirm = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await onConfirm();
      close();
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : texts.states.failed);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} isOpen={isOpen} onClose={close} alert>
      {error && <Notice tone="bad">{error}</Notice>}
      <p className="text-ink-soft">{consequence}</p>
      {children && <div className="mt-4">{children}</div>}
      <div className="mt-6 flex flex-col-reverse gap-2 sm:flex-row sm:justify-end">
        <Button onPress={close} autoFocus>
          {texts.common.cancel}
        </Button>
        <Button kind="danger" isDisabled={busy} onPress={confirm}>
          {action}
        </Button>
      </div>
    </Dialog>
  );
}

/** A secret that the API tells this once. The dialog does not go away by accident. */
export function SecretOnce({
  label,
  secret,
  onDone,
  children,
}: {
  label: string;
  secret: string | undefined;
  onDone: () => void;
  /** What can be done with it while it is known. */
  children?: ReactNode;
}) {
  return (
    <Dialog title={texts.secret.title} isOpen={secret !== undefined} onClose={onDone} firm alert>
      <Notice tone="warn">{texts.secret.warning}</Notice>
      <p className="mb-1 text-sm font-medium">{label}</p>
      <div className="flex items-center gap-2">
        <code className="min-w-0 flex-1 rounded-md border border-line bg-sunken p-3 font-mono text-sm break-all">
          {secret}
        </code>
        <CopyButton text={secret ?? ""} />
      </div>
      {children && <div className="mt-6">{children}</div>}
      <div className="mt-6 flex justify-end">
        <Button kind="primary" onPress={onDone}>
          {texts.secret.done}
        </Button>
      </div>
    </Dialog>
  );
}

export function CopyButton({ text, label = texts.common.copy }: { text: string; label?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2_000);
  };
  return (
    <Button
      onPress={copy}
      icon={copied ? <Check aria-hidden className="size-4" /> : <Copy aria-hidden className="size-4" />}
    >
      <span aria-live="polite">{copied ? texts.common.copied : label}</span>
    </Button>
  );
}
