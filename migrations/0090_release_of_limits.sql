-- Gives back of these windows what Envoys held that are heard of no longer, and had not accounted for. Answers how many units that was. One
-- that comes back and says that it spent them is debited.
CREATE FUNCTION release_limit(of_limit uuid, of_member text, first timestamptz, last timestamptz, at timestamptz)
RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    released numeric;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(of_limit::text || '/' || of_member, 0));
    WITH lost AS (
        UPDATE limit_leases l SET returned = l.granted - l.spent
        FROM (SELECT held.window_start, held.holder, held.granted - held.spent - held.returned AS units FROM limit_leases held
            WHERE held.limit_id = of_limit AND held.member = of_member AND held.window_start BETWEEN first AND last
              AND held.expires_at <= at AND held.granted > held.spent + held.returned) dead
        WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = dead.window_start AND l.holder = dead.holder
        RETURNING dead.window_start, dead.units
    ), freed AS (
        UPDATE limit_windows w SET used = w.used - of_window.units
        FROM (SELECT window_start, sum(units) AS units FROM lost GROUP BY 1) of_window
        WHERE w.limit_id = of_limit AND w.member = of_member AND w.window_start = of_window.window_start
    )
    SELECT coalesce(sum(units), 0) INTO released FROM lost;
    RETURN released;
END
$$;
