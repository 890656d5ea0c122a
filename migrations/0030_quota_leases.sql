-- Who holds units of a window. `quota_windows.used` counts all that is granted and was not given back; what each Envoy did with
-- its part is here. Rows end with their window.
CREATE TABLE quota_leases (
    tenant_id uuid NOT NULL,
    counter text NOT NULL,
    window_start timestamptz NOT NULL,
    -- Names an Envoy for as long as it runs.
    holder text NOT NULL,
    gateway_id uuid NOT NULL,
    -- All that the holder was granted in this window, and what it says that it spent and gave back of it: totals, so that a
    -- settlement may come twice, or after a later one.
    granted bigint NOT NULL DEFAULT 0,
    spent bigint NOT NULL DEFAULT 0,
    returned bigint NOT NULL DEFAULT 0,
    -- When it last asked for units.
    asked_at timestamptz NOT NULL,
    -- Unless it says something before, nobody waits for what it holds any longer. It may have spent all of it, so all of it counts.
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, counter, window_start, holder)
);
CREATE INDEX quota_leases_by_time ON quota_leases (window_start);

-- Grants units of a window to a holder. About half of an equal share of what remains, so that something remains for an Envoy that
-- comes later; more if more requests wait, up to an equal share. All in one call, under the lock of the window's row.
-- granted_units is 0 if nothing remains; pending then says whether others hold units that they may still give back.
CREATE FUNCTION lease_quota(
    of_tenant uuid, of_counter text, of_window timestamptz, for_holder text, for_gateway uuid, window_limit bigint,
    waiting bigint, at timestamptz, lifetime interval, active_for interval,
    OUT granted_units bigint, OUT used_units bigint, OUT pending boolean
) LANGUAGE plpgsql AS $$
DECLARE
    active bigint;
    remaining bigint;
BEGIN
    INSERT INTO quota_windows AS w (tenant_id, counter, window_start, quota, used, last_grant)
    VALUES (of_tenant, of_counter, of_window, window_limit, 0, 0)
    ON CONFLICT (tenant_id, counter, window_start) DO UPDATE SET quota = excluded.quota
    RETURNING w.used INTO used_units;
    remaining := greatest(window_limit - used_units, 0);
    -- Envoys that ask at all take part, also those that asked in the window before.
    SELECT count(DISTINCT lease.holder) + 1 INTO active FROM quota_leases lease
    WHERE lease.tenant_id = of_tenant AND lease.counter = of_counter AND lease.holder <> for_holder
      AND lease.window_start >= of_window - interval '10 minutes' AND lease.asked_at > at - active_for;
    IF active > 10000 THEN
        -- No fleet is as large: names are being made up.
        granted_units := 0;
        pending := false;
        RETURN;
    END IF;
    granted_units := least(remaining, greatest(1, remaining / (2 * active), least(waiting, remaining / active)));
    pending := granted_units = 0 AND EXISTS (
        SELECT FROM quota_leases lease
        WHERE lease.tenant_id = of_tenant AND lease.counter = of_counter AND lease.window_start = of_window
          AND lease.holder <> for_holder AND lease.expires_at > at
          AND lease.granted > lease.spent + lease.returned);
    INSERT INTO quota_leases AS l
        (tenant_id, counter, window_start, holder, gateway_id, granted, asked_at, expires_at)
    VALUES (of_tenant, of_counter, of_window, for_holder, for_gateway, granted_units, at, at + lifetime)
    ON CONFLICT (tenant_id, counter, window_start, holder) DO UPDATE
        SET granted = l.granted + excluded.granted, asked_at = excluded.asked_at, expires_at = excluded.expires_at
        WHERE l.gateway_id = excluded.gateway_id;
    IF NOT FOUND THEN
        -- Another gateway's Envoy cannot take this name.
        granted_units := 0;
        RETURN;
    END IF;
    IF granted_units > 0 THEN
        UPDATE quota_windows w SET used = w.used + granted_units, last_grant = granted_units
        WHERE w.tenant_id = of_tenant AND w.counter = of_counter AND w.window_start = of_window
        RETURNING w.used INTO used_units;
    END IF;
END
$$;

-- Notes what a holder says of its lease, and makes usable by others what it gave back: never more than it was granted and has
-- not spent. `false`: it has no such lease.
CREATE FUNCTION settle_quota(
    of_tenant uuid, of_counter text, of_window timestamptz, of_holder text, of_gateway uuid,
    said_spent bigint, said_returned bigint, at timestamptz, lifetime interval
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    lease quota_leases;
    now_spent bigint;
    now_returned bigint;
BEGIN
    -- The window's row first, as in lease_quota.
    PERFORM FROM quota_windows w
    WHERE w.tenant_id = of_tenant AND w.counter = of_counter AND w.window_start = of_window FOR UPDATE;
    SELECT * INTO lease FROM quota_leases l
    WHERE l.tenant_id = of_tenant AND l.counter = of_counter AND l.window_start = of_window AND l.holder = of_holder
      AND l.gateway_id = of_gateway
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    now_returned := greatest(lease.returned, least(said_returned, lease.granted - greatest(lease.spent, said_spent)));
    now_spent := greatest(lease.spent, least(said_spent, lease.granted - now_returned));
    UPDATE quota_leases l SET spent = now_spent, returned = now_returned, expires_at = greatest(l.expires_at, at + lifetime)
    WHERE l.tenant_id = of_tenant AND l.counter = of_counter AND l.window_start = of_window AND l.holder = of_holder;
    UPDATE quota_windows w SET used = w.used - (now_returned - lease.returned)
    WHERE w.tenant_id = of_tenant AND w.counter = of_counter AND w.window_start = of_window
      AND now_returned > lease.returned;
    RETURN true;
END
$$;
