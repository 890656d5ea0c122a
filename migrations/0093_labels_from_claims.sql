-- Labels of the people that a rule knows by their tokens, by the claim that says each: name and path. A control plane of the version before
-- gives none.
ALTER TABLE identity_rules ADD COLUMN label_claims jsonb NOT NULL DEFAULT '{}';
