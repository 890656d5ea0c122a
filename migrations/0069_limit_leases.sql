-- How much of limits is used, and who holds what of it. Tables of their own: a version before this one deletes windows of its counters
-- ten minutes after they began. Units are those of the limit; money is in pico-dollars.
CREATE TABLE limit_windows (
    limit_id uuid NOT NULL REFERENCES limits (id) ON DELETE CASCADE,
    -- Which one of a kind, where each has a counter of its own; else empty.
    member text NOT NULL,
    window_start timestamptz NOT NULL,
    -- When nothing asks for it any more.
    ends_at timestamptz NOT NULL,
    -- All that was granted and not given back, and what was spent beyond that.
    used numeric(38) NOT NULL DEFAULT 0,
    PRIMARY KEY (limit_id, member, window_start)
);
CREATE INDEX limit_windows_by_end ON limit_windows (ends_at);

CREATE TABLE limit_leases (
    limit_id uuid NOT NULL,
    member text NOT NULL,
    window_start timestamptz NOT NULL,
    -- Names an Envoy, or one of its workers, for as long as it runs.
    holder text NOT NULL,
    gateway_id uuid NOT NULL,
    -- Totals, so that what is said of them may come twice.
    granted numeric(38) NOT NULL DEFAULT 0,
    spent numeric(38) NOT NULL DEFAULT 0,
    returned numeric(38) NOT NULL DEFAULT 0,
    last_grant numeric(38) NOT NULL DEFAULT 0,
    asked_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (limit_id, member, window_start, holder),
    FOREIGN KEY (limit_id, member, window_start) REFERENCES limit_windows ON DELETE CASCADE
);

-- What a lease takes of its window.
CREATE FUNCTION lease_takes(granted numeric, spent numeric, returned numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(granted - returned, spent)
$$;

-- Grants units of a window to a holder: what waits, and about what it used lately in a second; never more than half of an equal share
-- beyond what waits, or an equal share. In multiples of the least that is of use, so that no holder keeps what is of use to nobody.
-- covers: of a sliding window, how far before its last part the first one begins. pending: others hold units that they may give back.
CREATE FUNCTION lease_limit(
    of_limit uuid, of_member text, of_window timestamptz, ends timestamptz, covers interval, whole numeric, is_hard boolean,
    is_concurrent boolean, release_after interval, for_holder text, for_gateway uuid, least_units numeric, waiting numeric,
    at timestamptz, lifetime interval, active_for interval,
    OUT granted_units numeric, OUT remaining_units numeric, OUT pending boolean
) LANGUAGE plpgsql AS $$
DECLARE
    active bigint;
    used_units numeric;
    remaining numeric;
    slice numeric;
    own limit_leases;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(of_limit::text || '/' || of_member, 0));
    granted_units := 0;
    remaining_units := 0;
    pending := false;
    INSERT INTO limit_windows AS w (limit_id, member, window_start, ends_at) VALUES (of_limit, of_member, of_window, ends)
    ON CONFLICT (limit_id, member, window_start) DO UPDATE SET ends_at = excluded.ends_at WHERE w.ends_at <> excluded.ends_at;
    IF release_after IS NOT NULL THEN
        WITH lost AS (
            SELECT l.holder, l.granted - l.spent - l.returned AS units FROM limit_leases l
            WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window
              AND l.expires_at + release_after < at AND l.granted > l.spent + l.returned
        ), freed AS (
            UPDATE limit_leases l SET returned = l.returned + lost.units FROM lost
            WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window AND l.holder = lost.holder
        )
        UPDATE limit_windows w SET used = w.used - (SELECT coalesce(sum(lost.units), 0) FROM lost)
        WHERE w.limit_id = of_limit AND w.member = of_member AND w.window_start = of_window;
    END IF;
    used_units := limit_used(of_limit, of_member, of_window, covers, is_concurrent, at);
    SELECT count(DISTINCT l.holder) + 1 INTO active FROM limit_leases l
    WHERE l.limit_id = of_limit AND l.member = of_member AND l.holder <> for_holder AND l.asked_at > at - active_for;
    IF active > 10000 THEN
        -- No fleet is as large: names are being made up.
        RETURN;
    END IF;
    SELECT * INTO own FROM limit_leases l
    WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window AND l.holder = for_holder;
    IF own.gateway_id <> for_gateway THEN
        -- Another gateway's Envoy cannot take this name.
        RETURN;
    END IF;
    least_units := greatest(least_units, 1);
    remaining := greatest(whole - used_units, CASE WHEN is_hard THEN 0 ELSE greatest(least_units, waiting) END);
    slice := greatest(waiting, CASE
        WHEN own.asked_at > at - interval '1 second' THEN own.last_grant * 2
        WHEN own.asked_at > at - interval '4 seconds' THEN own.last_grant
        ELSE 0 END);
    IF remaining >= least_units THEN
        granted_units := greatest(least_units,
            least(slice, greatest(least(waiting, remaining / active), remaining / (2 * active)), 9000000000000000000));
        granted_units := least(floor(granted_units / least_units), floor(remaining / least_units)) * least_units;
    END IF;
    pending := granted_units = 0 AND (is_concurrent OR EXISTS (
        SELECT FROM limit_leases l
        WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window AND l.holder <> for_holder
          AND l.expires_at > at AND l.granted > l.spent + l.returned));
    INSERT INTO limit_leases AS l
        (limit_id, member, window_start, holder, gateway_id, granted, last_grant, asked_at, expires_at)
    VALUES (of_limit, of_member, of_window, for_holder, for_gateway, granted_units, granted_units, at, at + lifetime)
    ON CONFLICT (limit_id, member, window_start, holder) DO UPDATE
        SET granted = l.granted + excluded.granted, last_grant = excluded.last_grant, asked_at = excluded.asked_at,
            expires_at = excluded.expires_at;
    -- What was spent beyond all grants is paid by the next ones.
    UPDATE limit_windows w SET used = w.used
        + lease_takes(coalesce(own.granted, 0) + granted_units, coalesce(own.spent, 0), coalesce(own.returned, 0))
        - lease_takes(coalesce(own.granted, 0), coalesce(own.spent, 0), coalesce(own.returned, 0))
    WHERE w.limit_id = of_limit AND w.member = of_member AND w.window_start = of_window;
    remaining_units := greatest(whole - limit_used(of_limit, of_member, of_window, covers, is_concurrent, at), 0);
END
$$;

-- What is used of a window: of a sliding one, the most of any that the part lies in; of requests at the same time, what holders have that
-- are heard of.
CREATE FUNCTION limit_used(
    of_limit uuid, of_member text, of_window timestamptz, covers interval, is_concurrent boolean, at timestamptz
) RETURNS numeric LANGUAGE plpgsql STABLE AS $$
DECLARE
    found numeric;
BEGIN
    IF is_concurrent THEN
        SELECT sum(l.granted - l.returned) INTO found FROM limit_leases l
        WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window AND l.expires_at > at;
    ELSIF covers > interval '0' THEN
        SELECT max(sums.total) INTO found FROM (
            SELECT last.window_start, (
                SELECT sum(w.used) FROM limit_windows w
                WHERE w.limit_id = of_limit AND w.member = of_member
                  AND w.window_start BETWEEN last.window_start - covers AND last.window_start) AS total
            FROM limit_windows last
            WHERE last.limit_id = of_limit AND last.member = of_member
              AND last.window_start BETWEEN of_window AND of_window + covers) sums;
    ELSE
        SELECT w.used INTO found FROM limit_windows w
        WHERE w.limit_id = of_limit AND w.member = of_member AND w.window_start = of_window;
    END IF;
    RETURN coalesce(found, 0);
END
$$;

-- Notes what a holder says of its lease: what it spent in all, be it more than it was granted, and what it gave back, never more than it
-- held. `false`: it has no such lease.
CREATE FUNCTION settle_limit(
    of_tenant uuid, of_limit uuid, of_member text, of_window timestamptz, of_holder text, of_gateway uuid,
    said_spent numeric, said_returned numeric, at timestamptz, lifetime interval
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    lease limit_leases;
    now_spent numeric;
    now_returned numeric;
    is_concurrent boolean;
BEGIN
    SELECT l.unit = 'concurrent_requests' INTO is_concurrent FROM limits l
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
    now_spent := CASE WHEN is_concurrent THEN 0 ELSE greatest(lease.spent, said_spent) END;
    now_returned := greatest(lease.returned, least(said_returned, lease.granted - now_spent));
    UPDATE limit_leases l SET spent = now_spent, returned = now_returned, expires_at = greatest(l.expires_at, at + lifetime)
    WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window AND l.holder = of_holder;
    UPDATE limit_windows w SET used = w.used
        + lease_takes(lease.granted, now_spent, now_returned) - lease_takes(lease.granted, lease.spent, lease.returned)
    WHERE w.limit_id = of_limit AND w.member = of_member AND w.window_start = of_window;
    RETURN true;
END
$$;

-- The limits that hold for a key, each with the counter that its requests count in, and whose it is, for people. Of departments all above
-- count, too; of labels the key's own comes before its owner's, and that before those of departments, the nearest first.
CREATE FUNCTION limits_of(of_tenant uuid, of_department uuid, of_user uuid, of_account uuid, of_key uuid, key_labels jsonb)
RETURNS TABLE (limit_id uuid, member text, subject text, model text, each_model boolean) LANGUAGE sql STABLE AS $$
    WITH above AS (
        SELECT department.id, department.name, department.labels, above.distance
        FROM departments_above(of_department) above JOIN departments department ON department.id = above.department_id
    ), labels AS (
        SELECT DISTINCT ON (name) name, value FROM (
            SELECT label.key, label.value, 0 FROM jsonb_each_text(key_labels) label
            UNION ALL
            SELECT label.key, label.value, 1 FROM users person, jsonb_each_text(person.labels) label WHERE person.id = of_user
            UNION ALL
            SELECT label.key, label.value, 1 FROM service_accounts account, jsonb_each_text(account.labels) label
            WHERE account.id = of_account
            UNION ALL
            SELECT label.key, label.value, 2 + above.distance FROM above, jsonb_each_text(above.labels) label
        ) known (name, value, rank) ORDER BY name, rank
    ), held AS (
        SELECT held.id, held.subject_kind AS kind, held.subject_id AS one, held.subject->>'value' AS value,
            coalesce((held.subject->>'each')::boolean, false) AS is_each
        FROM limits held WHERE held.owner_id IN (of_tenant, '00000000-0000-0000-0000-000000000000')
    )
    SELECT held.id, '', 'platform', NULL::text, false FROM held WHERE kind = 'platform'
    UNION ALL
    SELECT held.id, CASE WHEN is_each THEN of_tenant::text ELSE '' END, 'tenant', NULL, false
    FROM held WHERE kind = 'tenant' AND (is_each OR coalesce(one, of_tenant) = of_tenant)
    UNION ALL
    SELECT held.id, CASE WHEN is_each THEN above.id::text ELSE '' END, 'department ' || above.name, NULL, false
    FROM held JOIN above ON is_each OR one = above.id WHERE kind = 'department'
    UNION ALL
    SELECT held.id, CASE WHEN is_each THEN of_user::text ELSE '' END, 'user', NULL, false
    FROM held WHERE kind = 'user' AND of_user IS NOT NULL AND (is_each OR one = of_user)
    UNION ALL
    SELECT held.id, CASE WHEN is_each THEN of_account::text ELSE '' END, 'service account', NULL, false
    FROM held WHERE kind = 'service_account' AND of_account IS NOT NULL AND (is_each OR one = of_account)
    UNION ALL
    SELECT held.id, CASE WHEN is_each THEN of_key::text ELSE '' END, 'API key', NULL, false
    FROM held WHERE kind = 'api_key' AND (is_each OR one = of_key)
    UNION ALL
    SELECT held.id, CASE WHEN is_each THEN labels.value ELSE '' END, 'label ' || labels.name, NULL, false
    FROM held JOIN labels ON CASE WHEN is_each THEN held.value = labels.name ELSE held.value = labels.name || '=' || labels.value END
    WHERE kind = 'label'
    UNION ALL
    SELECT held.id, '', 'model', NULL, true FROM held WHERE kind = 'model' AND is_each
    UNION ALL
    SELECT held.id, '', 'model ' || model.name, model.name, false
    FROM held JOIN models model ON model.id = one
    WHERE kind = 'model' AND (model.owner_id = of_tenant OR model.tenant_id IS NULL AND NOT EXISTS (
        SELECT FROM models own WHERE own.owner_id = of_tenant AND own.name = model.name))
$$;
