-- By what findings of guardrails are known to be of the same text, without the text: `type:key:digest`. A control plane of the version before
-- writes none.
ALTER TABLE usage_records ADD COLUMN finding_digests text[] NOT NULL DEFAULT '{}';
