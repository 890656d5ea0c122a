-- What becomes of a request with something that no guardrail can read. A control plane of the version before lets it pass.
ALTER TABLE guardrail_profiles ADD COLUMN uninspectable text NOT NULL DEFAULT 'allow' CHECK (uninspectable IN ('allow', 'refuse'));
