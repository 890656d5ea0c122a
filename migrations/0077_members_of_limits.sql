-- Whether a limit counts for a tenant's requests in the counter of such a member (empty: the limit's only counter): a gateway names both.
CREATE FUNCTION is_limit_member(of_tenant uuid, of_limit uuid, of_member text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM limits held
        CROSS JOIN LATERAL (SELECT coalesce((held.subject->>'each')::boolean, false) AS is_each, held.subject->>'value' AS value) subject
        CROSS JOIN LATERAL (SELECT
            CASE WHEN NOT is_each THEN held.subject_id
                WHEN of_member ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN of_member::uuid END AS id,
            CASE WHEN is_each THEN value ELSE split_part(value, '=', 1) END AS label,
            CASE WHEN is_each THEN of_member ELSE substr(value, strpos(value, '=') + 1) END AS label_value) one
        WHERE held.id = of_limit AND (held.tenant_id = of_tenant OR held.tenant_id IS NULL) AND (is_each OR of_member = '')
          AND CASE held.subject_kind
            WHEN 'platform' THEN of_member = ''
            WHEN 'tenant' THEN coalesce(one.id = of_tenant, NOT is_each)
            WHEN 'department' THEN EXISTS (SELECT FROM departments WHERE id = one.id AND tenant_id = of_tenant)
            WHEN 'user' THEN EXISTS (SELECT FROM users WHERE id = one.id AND tenant_id = of_tenant)
                OR EXISTS (SELECT FROM api_keys WHERE user_id = one.id AND tenant_id = of_tenant)
            WHEN 'service_account' THEN EXISTS (SELECT FROM service_accounts WHERE id = one.id AND tenant_id = of_tenant)
            WHEN 'api_key' THEN EXISTS (SELECT FROM api_keys WHERE id = one.id AND tenant_id = of_tenant)
            WHEN 'label' THEN
                EXISTS (SELECT FROM departments WHERE tenant_id = of_tenant AND labels->>one.label = one.label_value)
                OR EXISTS (SELECT FROM service_accounts WHERE tenant_id = of_tenant AND labels->>one.label = one.label_value)
                OR EXISTS (SELECT FROM users WHERE tenant_id = of_tenant AND labels->>one.label = one.label_value)
                OR EXISTS (SELECT FROM api_keys WHERE tenant_id = of_tenant AND labels->>one.label = one.label_value)
            WHEN 'model' THEN EXISTS (
                SELECT FROM models WHERE owner_id IN (of_tenant, '00000000-0000-0000-0000-000000000000')
                  AND CASE WHEN is_each THEN name = of_member ELSE id = one.id END)
            ELSE false END)
$$;

-- As before; and what a tenant's own gateway says that it spent beyond its grants of a limit of the platform that refuses is believed up to
-- the amount of one window: others may share the counter.
CREATE OR REPLACE FUNCTION settle_limit(
    of_tenant uuid, of_limit uuid, of_member text, of_window timestamptz, of_holder text, of_gateway uuid,
    said_spent numeric, said_returned numeric, at timestamptz, lifetime interval
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    lease limit_leases;
    now_spent numeric;
    now_returned numeric;
    is_concurrent boolean;
    most_beyond numeric;
BEGIN
    SELECT l.unit = 'concurrent_requests',
        CASE WHEN l.tenant_id IS NULL AND l.action <> 'warn'
                AND EXISTS (SELECT FROM gateways gateway WHERE gateway.id = of_gateway AND gateway.tenant_id IS NOT NULL)
            THEN l.amount::numeric * CASE l.unit WHEN 'cost_microusd' THEN 1000000 ELSE 1 END
            ELSE 'Infinity' END
    INTO is_concurrent, most_beyond FROM limits l
    WHERE l.id = of_limit AND (l.tenant_id = of_tenant OR l.tenant_id IS NULL);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(of_limit::text || '/' || of_member, 0));
    SELECT * INTO lease FROM limit_leases l
    WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window AND l.holder = of_holder
      AND l.gateway_id = of_gateway;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    now_spent := CASE WHEN is_concurrent THEN 0 ELSE greatest(lease.spent, least(said_spent, lease.granted + most_beyond)) END;
    now_returned := greatest(lease.returned, least(said_returned, lease.granted - now_spent));
    UPDATE limit_leases l SET spent = now_spent, returned = now_returned, expires_at = greatest(l.expires_at, at + lifetime)
    WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window AND l.holder = of_holder;
    UPDATE limit_windows w SET used = w.used
        + lease_takes(lease.granted, now_spent, now_returned) - lease_takes(lease.granted, lease.spent, lease.returned)
    WHERE w.limit_id = of_limit AND w.member = of_member AND w.window_start = of_window;
    RETURN true;
END
$$;
