-- What was granted lately to which demand, so that a demand whose answer did not arrive can be made again: it is answered the same.
CREATE TABLE limit_grants (
    limit_id uuid NOT NULL,
    member text NOT NULL,
    window_start timestamptz NOT NULL,
    holder text NOT NULL,
    -- As its holder named it.
    demand text NOT NULL,
    granted numeric(38) NOT NULL,
    granted_at timestamptz NOT NULL,
    PRIMARY KEY (limit_id, member, window_start, holder, demand)
);
CREATE INDEX limit_grants_by_time ON limit_grants (granted_at);

-- As lease_limit, once for each demand. least_units of 0 asks what was granted to it, and lets nothing be granted to it any more.
CREATE FUNCTION lease_limit_once(
    for_demand text,
    of_limit uuid, of_member text, of_window timestamptz, ends timestamptz, covers interval, whole numeric, is_hard boolean,
    is_concurrent boolean, release_after interval, for_holder text, for_gateway uuid, least_units numeric, waiting numeric,
    at timestamptz, lifetime interval, active_for interval,
    OUT granted_units numeric, OUT remaining_units numeric, OUT pending boolean
) LANGUAGE plpgsql AS $$
DECLARE
    earlier numeric;
    own limit_leases;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(of_limit::text || '/' || of_member, 0));
    SELECT g.granted INTO earlier FROM limit_grants g
    WHERE g.limit_id = of_limit AND g.member = of_member AND g.window_start = of_window AND g.holder = for_holder
      AND g.demand = for_demand AND for_demand <> '';
    IF earlier IS NULL AND least_units > 0 THEN
        SELECT leased.granted_units, leased.remaining_units, leased.pending INTO granted_units, remaining_units, pending
        FROM lease_limit(of_limit, of_member, of_window, ends, covers, whole, is_hard, is_concurrent, release_after, for_holder,
            for_gateway, least_units, waiting, at, lifetime, active_for) leased;
        IF granted_units > 0 AND for_demand <> '' THEN
            INSERT INTO limit_grants (limit_id, member, window_start, holder, demand, granted, granted_at)
            VALUES (of_limit, of_member, of_window, for_holder, for_demand, granted_units, at);
        END IF;
        RETURN;
    END IF;
    SELECT * INTO own FROM limit_leases l
    WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window AND l.holder = for_holder
      AND l.gateway_id = for_gateway;
    -- What was released meanwhile is no longer the holder's.
    granted_units := CASE
        WHEN earlier IS NULL OR own.granted IS NULL THEN 0
        ELSE greatest(least(earlier, own.granted - own.spent - own.returned), 0) END;
    IF granted_units > 0 AND is_concurrent AND own.expires_at <= at THEN
        -- Others may have what nobody was heard of for: it was never granted.
        UPDATE limit_leases l SET granted = l.granted - earlier
        WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window AND l.holder = for_holder;
        granted_units := 0;
    END IF;
    -- Of what was lost it can be asked anew, under another name.
    pending := granted_units = 0 AND least_units > 0;
    IF for_demand <> '' AND (earlier IS NULL OR own.gateway_id = for_gateway AND earlier <> granted_units) THEN
        INSERT INTO limit_grants AS g (limit_id, member, window_start, holder, demand, granted, granted_at)
        VALUES (of_limit, of_member, of_window, for_holder, for_demand, granted_units, at)
        ON CONFLICT (limit_id, member, window_start, holder, demand) DO UPDATE SET granted = excluded.granted;
    END IF;
    UPDATE limit_leases l SET expires_at = greatest(l.expires_at, at + lifetime)
    WHERE granted_units > 0 AND l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window AND l.holder = for_holder;
    remaining_units := greatest(whole - limit_used(of_limit, of_member, of_window, covers, is_concurrent, at), 0);
END
$$;
