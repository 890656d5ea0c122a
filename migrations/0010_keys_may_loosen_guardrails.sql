-- Whether a key's guardrail profile takes the place of its tenant's. Where not, the stricter of both holds for each type of finding.
ALTER TABLE tenants ADD COLUMN keys_may_loosen_guardrails boolean NOT NULL DEFAULT false;
