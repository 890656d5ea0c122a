import { ImagePlus, SendHorizontal, Square, X } from "lucide-react";
import { useId, useRef, useState } from "react";
import { Button, IconButton } from "../../design/Button";
import { inputClass, Labelled } from "../../design/Fields";
import { Notice } from "../../design/States";
import { texts } from "../../texts";
import type { Picture } from "./conversation";

const { playground: words } = texts;
/** Several of them fit into what the control plane sends on. */
const MOST_BYTES = 4 * 1024 * 1024;

/** The message that is written, with its pictures. What could not be sent stays. */
export function Composer({
  isRunning,
  onSend,
  onStop,
}: {
  isRunning: boolean;
  /** Answers whether it was sent. */
  onSend: (text: string, pictures: Picture[]) => Promise<boolean>;
  onStop: () => void;
}) {
  const id = useId();
  const [text, setText] = useState("");
  const [pictures, setPictures] = useState<Picture[]>([]);
  const [failure, setFailure] = useState<string>();
  const files = useRef<HTMLInputElement>(null);
  const send = async () => {
    if (isRunning || (text.trim() === "" && pictures.length === 0)) return;
    if (!(await onSend(text, pictures))) return;
    setText("");
    setPictures([]);
  };
  const add = async (chosen: FileList | null) => {
    setFailure(undefined);
    for (const file of chosen ?? []) {
      const url = file.size > MOST_BYTES ? undefined : await dataUrl(file);
      if (url) setPictures((before) => [...before, { name: file.name, url }]);
      else setFailure(file.size > MOST_BYTES ? words.imageTooLarge(file.name) : words.imageUnread(file.name));
    }
    if (files.current) files.current.value = "";
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
      className="rounded-lg border border-line bg-surface p-4"
    >
      {failure && <Notice tone="bad">{failure}</Notice>}
      <Labelled id={id} label={words.message}>
        <textarea
          id={id}
          value={text}
          rows={3}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
            event.preventDefault();
            void send();
          }}
          className={inputClass}
        />
      </Labelled>
      {pictures.length > 0 && (
        <ul className="mt-2 flex flex-wrap gap-2">
          {pictures.map(({ name, url }, at) => (
            <li key={url} className="flex items-center gap-1 rounded-md border border-line text-sm">
              <img src={url} alt="" className="size-11 rounded-l-md object-cover" />
              <span className="max-w-40 truncate">{name}</span>
              <IconButton
                label={words.removeImage(name)}
                onPress={() => setPictures((before) => before.filter((_, place) => place !== at))}
              >
                <X aria-hidden className="size-4" />
              </IconButton>
            </li>
          ))}
        </ul>
      )}
      <div className="mt-3 flex flex-wrap justify-between gap-2">
        <input
          ref={files}
          type="file"
          accept="image/*"
          multiple
          hidden
          aria-label={words.images}
          onChange={(event) => void add(event.target.files)}
        />
        <Button icon={<ImagePlus aria-hidden className="size-4" />} onPress={() => files.current?.click()}>
          {words.images}
        </Button>
        {isRunning ? (
          <Button icon={<Square aria-hidden className="size-4" />} onPress={onStop}>
            {words.stop}
          </Button>
        ) : (
          <Button kind="primary" type="submit" icon={<SendHorizontal aria-hidden className="size-4" />}>
            {words.sendMessage}
          </Button>
        )}
      </div>
    </form>
  );
}

function dataUrl(file: File): Promise<string | undefined> {
  return new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(typeof reader.result === "string" ? reader.result : undefined);
    reader.onerror = () => done(undefined);
    reader.readAsDataURL(file);
  });
}
