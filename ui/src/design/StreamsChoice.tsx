import type { Streams } from "../api/resources";
import { texts } from "../texts";
import { Select } from "./Fields";

const { streams: words } = texts;

/** What becomes of streams under way of those whom a change concerns. */
export function StreamsChoice({ value, onChange }: { value: Streams; onChange: (streams: Streams) => void }) {
  return (
    <Select
      label={words.label}
      value={value}
      onChange={(streams) => onChange(streams as Streams)}
      options={Object.entries(words.choices).map(([streams, label]) => ({ value: streams, label }))}
    />
  );
}
