-- From where it was opened; null: not known.
ALTER TABLE sessions ADD COLUMN client_address text;

-- Each sign-in is one entry of the audit log, in whichever way a session was opened: in its transaction. By a password with a break-glass
-- account it has an action of its own. They make no revision: 0.
CREATE FUNCTION audit_sign_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit (id, actor_id, actor_email, actor_tenant_id, action, resource_type, resource_id, resource_name, tenant_id,
        origin_kind, changes, revision, client_address)
    SELECT audit_new_id(), users.id, users.email, users.tenant_id,
        CASE WHEN by_break_glass THEN 'user.break_glass_sign_in' ELSE 'session.create' END,
        CASE WHEN by_break_glass THEN 'user' ELSE 'session' END,
        CASE WHEN by_break_glass THEN users.id ELSE NEW.id END,
        users.email, users.tenant_id, CASE NEW.kind WHEN 'browser' THEN 'console' ELSE 'api' END,
        coalesce((SELECT jsonb_build_array(jsonb_build_object('path', 'sign_in_provider', 'before', NULL, 'after', name))
                  FROM sign_in_providers WHERE sign_in_providers.id = NEW.provider_id), '[]'),
        0, NEW.client_address
    FROM users, LATERAL (SELECT is_break_glass AND NEW.provider_id IS NULL AS by_break_glass) AS way
    WHERE users.id = NEW.user_id;
    RETURN NULL;
END
$$;
-- After the check that there is such a user, which has locked it: so whoever waits for the chain waits for nothing that others hold.
CREATE TRIGGER audit_sign_in AFTER INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION audit_sign_in();

-- Up to when refusals, findings and failed sign-ins are in the audit log. One row.
CREATE TABLE audit_sealed (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    until timestamptz NOT NULL
);
INSERT INTO audit_sealed (until) SELECT date_trunc('minute', now());
