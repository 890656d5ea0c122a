-- Where the guardrails of a key come from: from everybody's down to the key's own.
ALTER TABLE guardrail_profiles
    -- Holds for every key of every tenant.
    ADD COLUMN for_everybody boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT guardrail_profiles_everybodys CHECK (NOT for_everybody OR tenant_id IS NULL);
CREATE INDEX guardrail_profiles_for_everybody ON guardrail_profiles (id) WHERE for_everybody;

-- The profiles of all that a key belongs to, the widest first; its own is not among them. A key may have one in the place of its tenant's,
-- where the tenant lets it.
CREATE FUNCTION guardrail_sources(tenant uuid, department uuid, person uuid, account uuid, has_own boolean)
RETURNS TABLE (kind text, id uuid, name text, profile_id uuid, rank integer) LANGUAGE sql STABLE AS $$
    SELECT 'platform', NULL::uuid, NULL::text, profile.id, 0 FROM guardrail_profiles profile WHERE profile.for_everybody
    UNION ALL
    SELECT 'tenant', tenants.id, tenants.name, tenants.guardrail_profile_id, 1 FROM tenants
    WHERE tenants.id = tenant AND tenants.guardrail_profile_id IS NOT NULL AND NOT (tenants.keys_may_loosen_guardrails AND has_own)
    UNION ALL
    SELECT 'department', departments.id, departments.name, departments.guardrail_profile_id, 1000000 - above.distance
    FROM departments_above(department) above JOIN departments ON departments.id = above.department_id
    WHERE departments.guardrail_profile_id IS NOT NULL
    UNION ALL
    SELECT 'user', users.id, users.email, users.guardrail_profile_id, 1000001 FROM users
    WHERE users.id = person AND users.guardrail_profile_id IS NOT NULL
    UNION ALL
    SELECT 'service_account', account_of.id, account_of.name, account_of.guardrail_profile_id, 1000001 FROM service_accounts account_of
    WHERE account_of.id = account AND account_of.guardrail_profile_id IS NOT NULL
$$;
