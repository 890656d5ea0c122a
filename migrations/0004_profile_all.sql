-- The platform's guardrail profile `all`: every detector, redacting in both directions. It always exists and cannot be
-- changed. Its id is fixed so that every installation has the same.
INSERT INTO guardrail_profiles (id, tenant_id, name, rules, revision)
VALUES ('00000000-0000-7000-8000-000000000a11', NULL, 'all',
        '[{"type": "CREDIT_CARD", "action": "redact", "direction": "both"},
          {"type": "EMAIL", "action": "redact", "direction": "both"}]', 0);
