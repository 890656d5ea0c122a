-- As before; but what was released of a lease is granted to none of its earlier demands again, and what an Envoy without a name was granted
-- counts as spent: it says nothing of it, and none can come back for it.
CREATE OR REPLACE FUNCTION release_limit(of_limit uuid, of_member text, first timestamptz, last timestamptz, at timestamptz)
RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    released numeric;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(of_limit::text || '/' || of_member, 0));
    WITH lost AS (
        UPDATE limit_leases l SET returned = l.granted - l.spent
        FROM (SELECT held.window_start, held.holder, held.granted - held.spent - held.returned AS units FROM limit_leases held
            WHERE held.limit_id = of_limit AND held.member = of_member AND held.window_start BETWEEN first AND last
              AND held.expires_at <= at AND held.granted > held.spent + held.returned AND held.holder NOT LIKE 'nobody %') dead
        WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = dead.window_start AND l.holder = dead.holder
        RETURNING dead.window_start, dead.holder, dead.units
    ), forgotten AS (
        UPDATE limit_grants g SET granted = 0 FROM lost
        WHERE g.limit_id = of_limit AND g.member = of_member AND g.window_start = lost.window_start AND g.holder = lost.holder
    ), freed AS (
        UPDATE limit_windows w SET used = w.used - of_window.units
        FROM (SELECT window_start, sum(units) AS units FROM lost GROUP BY 1) of_window
        WHERE w.limit_id = of_limit AND w.member = of_member AND w.window_start = of_window.window_start
    )
    SELECT coalesce(sum(units), 0) INTO released FROM lost;
    RETURN released;
END
$$;

-- As before; but what is given back of a lease is granted to none of its earlier demands again.
CREATE OR REPLACE FUNCTION reset_limit(of_limit uuid, of_member text, first timestamptz, last timestamptz, at timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(of_limit::text || '/' || of_member, 0));
    WITH lost AS (
        UPDATE limit_leases l SET returned = l.granted - l.spent
        FROM (SELECT held.window_start, held.holder, held.granted - held.spent - held.returned AS units FROM limit_leases held
            WHERE held.limit_id = of_limit AND held.member = of_member AND held.window_start BETWEEN first AND last
              AND held.expires_at <= at AND held.granted > held.spent + held.returned) dead
        WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = dead.window_start AND l.holder = dead.holder
        RETURNING dead.window_start, dead.holder, dead.units
    ), forgotten AS (
        UPDATE limit_grants g SET granted = 0 FROM lost
        WHERE g.limit_id = of_limit AND g.member = of_member AND g.window_start = lost.window_start AND g.holder = lost.holder
    )
    UPDATE limit_windows w SET
        used = w.used - coalesce((SELECT sum(lost.units) FROM lost WHERE lost.window_start = w.window_start), 0)
            - spent.units - w.adjusted,
        adjusted = -spent.units
    FROM (SELECT of_window.window_start, coalesce(sum(l.spent), 0) AS units
        FROM limit_windows of_window LEFT JOIN limit_leases l
            ON l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window.window_start
        WHERE of_window.limit_id = of_limit AND of_window.member = of_member AND of_window.window_start BETWEEN first AND last
        GROUP BY 1) spent
    WHERE w.limit_id = of_limit AND w.member = of_member AND w.window_start = spent.window_start;
END
$$;

-- As before; and as release_limit, where a limit releases by itself.
CREATE OR REPLACE FUNCTION lease_limit(
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
              AND l.expires_at + release_after < at AND l.granted > l.spent + l.returned AND l.holder NOT LIKE 'nobody %'
        ), forgotten AS (
            UPDATE limit_grants g SET granted = 0 FROM lost
            WHERE g.limit_id = of_limit AND g.member = of_member AND g.window_start = of_window AND g.holder = lost.holder
        ), freed AS (
            UPDATE limit_leases l SET returned = l.returned + lost.units FROM lost
            WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window AND l.holder = lost.holder
        )
        UPDATE limit_windows w SET used = w.used - (SELECT coalesce(sum(lost.units), 0) FROM lost)
        WHERE w.limit_id = of_limit AND w.member = of_member AND w.window_start = of_window;
    END IF;
    used_units := limit_used(of_limit, of_member, of_window, covers, is_concurrent, at);
    SELECT count(DISTINCT l.holder) + 1 INTO active FROM limit_leases l
    WHERE l.limit_id = of_limit AND l.member = of_member AND l.holder <> for_holder AND l.asked_at > at - active_for
      AND (covers = interval '0' OR l.window_start >= of_window - greatest(covers, active_for));
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
