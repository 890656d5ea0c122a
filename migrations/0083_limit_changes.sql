-- What administrators do about a limit for a time: a larger amount until then, and what counts as spent. A version before this one knows no
-- raise, and keeps what was adjusted.
CREATE TABLE limit_raises (
    limit_id uuid NOT NULL REFERENCES limits (id) ON DELETE CASCADE,
    -- Of which one, where each of a kind has a counter of its own; empty: of all of them.
    member text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    ends_at timestamptz NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (limit_id, member)
);
CREATE INDEX limit_raises_by_end ON limit_raises (ends_at);

-- What was added to what requests spent, or taken off it; part of what is used.
ALTER TABLE limit_windows ADD COLUMN adjusted numeric(38) NOT NULL DEFAULT 0;

-- The amount of a limit that holds for one of its counters then.
CREATE FUNCTION limit_amount(of_limit uuid, of_member text, own_amount bigint, at timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT greatest(own_amount, max(raise.amount)) FROM limit_raises raise
    WHERE raise.limit_id = of_limit AND raise.member IN ('', of_member) AND raise.ends_at > at
$$;

-- Adds to what was spent of a window, or takes off it. Answers what counts as spent then; null: it would be less than nothing, and stays.
CREATE FUNCTION adjust_limit(of_limit uuid, of_member text, of_window timestamptz, ends timestamptz, units numeric)
RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    now_spent numeric;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(of_limit::text || '/' || of_member, 0));
    SELECT units
        + coalesce((SELECT sum(l.spent) FROM limit_leases l
            WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = of_window), 0)
        + coalesce((SELECT w.adjusted FROM limit_windows w
            WHERE w.limit_id = of_limit AND w.member = of_member AND w.window_start = of_window), 0)
    INTO now_spent;
    IF now_spent < 0 THEN
        RETURN NULL;
    END IF;
    INSERT INTO limit_windows AS w (limit_id, member, window_start, ends_at, used, adjusted)
    VALUES (of_limit, of_member, of_window, ends, units, units)
    ON CONFLICT (limit_id, member, window_start) DO UPDATE
        SET used = w.used + excluded.used, adjusted = w.adjusted + excluded.adjusted;
    RETURN now_spent;
END
$$;

-- Nothing of these windows counts as spent any more, nor what Envoys held that are heard of no longer; what living ones hold stays theirs.
CREATE FUNCTION reset_limit(of_limit uuid, of_member text, first timestamptz, last timestamptz, at timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(of_limit::text || '/' || of_member, 0));
    WITH lost AS (
        UPDATE limit_leases l SET returned = l.granted - l.spent
        FROM (SELECT held.window_start, held.holder, held.granted - held.spent - held.returned AS units FROM limit_leases held
            WHERE held.limit_id = of_limit AND held.member = of_member AND held.window_start BETWEEN first AND last
              AND held.expires_at <= at AND held.granted > held.spent + held.returned) dead
        WHERE l.limit_id = of_limit AND l.member = of_member AND l.window_start = dead.window_start AND l.holder = dead.holder
        RETURNING dead.window_start, dead.units
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
