-- What was recorded in the last seconds, for pages that show it as it comes. Records come in the order of this column, so that a
-- block range index of some kilobytes finds them.
CREATE INDEX usage_records_by_recording ON usage_records USING brin (recorded_at) WITH (pages_per_range = 32, autosummarize = on);
