-- What users whom a rule has made may do besides, by their claims: [{"claim", "grant"}]. A control plane of the version before gives none.
ALTER TABLE identity_rules ADD COLUMN claim_grants jsonb NOT NULL DEFAULT '[]';

-- Which users a rule has made, and which token last said what they may do: when it was issued, and under which change of the rule.
CREATE TABLE provisioned_users (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    identity_rule_id uuid NOT NULL REFERENCES identity_rules (id) ON DELETE CASCADE,
    claims_issued_at timestamptz,
    rule_revision bigint NOT NULL
);
CREATE INDEX provisioned_users_by_rule ON provisioned_users (identity_rule_id);
