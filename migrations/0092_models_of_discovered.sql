-- Some of the models that callers ask for whom no rule knows. A control plane of the version before writes none.
ALTER TABLE discovered_callers ADD COLUMN models text[] NOT NULL DEFAULT '{}';
