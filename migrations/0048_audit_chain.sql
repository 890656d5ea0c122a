-- The audit log as a chain. Each entry carries its place and a hash over the hash of the entry before and all that it says, so that one
-- that is changed, taken away or put elsewhere no longer fits. Entries are only added; whole months are dropped when their time is over.

-- Waits for writers of the version before, and makes later ones wait: none of their entries may fall between the tables.
LOCK TABLE audit IN ACCESS EXCLUSIVE MODE;
ALTER TABLE audit RENAME TO audit_before;
ALTER INDEX audit_pkey RENAME TO audit_before_pkey;

-- By the id, which begins with the time.
CREATE TABLE audit (
    LIKE audit_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    -- From 1 on, without gaps.
    sequence bigint NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX audit_by_sequence ON audit (sequence, id);
-- For months that nobody made a partition for.
CREATE TABLE audit_default PARTITION OF audit DEFAULT;

-- Hashes of the chain that the control plane has signed with a key that is not in the database. Of what was dropped one is left.
CREATE TABLE audit_heads (
    sequence bigint NOT NULL,
    hash bytea NOT NULL,
    at timestamptz NOT NULL,
    -- Whether all entries up to this one were dropped, as their time was over.
    dropped boolean NOT NULL,
    public_key text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (sequence, dropped)
);

-- The least id of a moment.
CREATE FUNCTION audit_first_id(moment timestamptz) RETURNS uuid LANGUAGE sql STABLE AS
    $$ SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$;

-- An id of this moment, of version 7.
CREATE FUNCTION audit_new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7'
            || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid
$$;

CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the audit log are only added' USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Makes the partition of a month, which is told by its first day. Of a month of which entries lie in the default partition none is made.
CREATE FUNCTION ensure_audit_partition(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    partition text := 'audit_' || to_char(month, 'YYYYMM');
    first uuid := audit_first_id(month::timestamp AT TIME ZONE 'UTC');
    next uuid := audit_first_id((month + interval '1 month') AT TIME ZONE 'UTC');
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    LOCK TABLE audit IN ACCESS EXCLUSIVE MODE;
    IF to_regclass(partition) IS NOT NULL OR EXISTS (SELECT 1 FROM audit_default WHERE id >= first AND id < next) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF audit FOR VALUES FROM (%L) TO (%L)', partition, first, next);
    EXECUTE format('CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE ON %I EXECUTE FUNCTION audit_refuse_change()', partition);
END
$$;

-- A text that begins with its length, so that no two rows are written alike.
CREATE FUNCTION audit_field(value text) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT CASE WHEN value IS NULL THEN '-' ELSE octet_length(value) || ':' || value END $$;

-- Here, so that whoever adds an entry adds it to the chain, a control plane of the version before too. It is checked elsewhere
-- (`control-plane/store/src/audit/chain.rs`), by code that the database cannot change.
CREATE FUNCTION audit_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before record;
BEGIN
    PERFORM pg_advisory_xact_lock(4919287234001);
    SELECT sequence, hash INTO before FROM audit ORDER BY sequence DESC, id DESC LIMIT 1;
    IF NOT FOUND THEN
        SELECT sequence, hash INTO before FROM audit_heads ORDER BY sequence DESC LIMIT 1;
    END IF;
    NEW.sequence := coalesce(before.sequence, 0) + 1;
    NEW.hash := sha256(coalesce(before.hash, decode(repeat('00', 32), 'hex')) || convert_to(
        audit_field(NEW.sequence::text) || audit_field(NEW.id::text)
        || audit_field((extract(epoch FROM NEW.at) * 1000000)::bigint::text) || audit_field(NEW.actor_kind)
        || audit_field(NEW.actor_id::text) || audit_field(NEW.actor_email) || audit_field(NEW.actor_tenant_id::text)
        || audit_field(NEW.action) || audit_field(NEW.resource_type) || audit_field(NEW.resource_id::text)
        || audit_field(NEW.resource_name) || audit_field(NEW.tenant_id::text) || audit_field(NEW.origin_kind)
        || audit_field(NEW.origin_ref) || audit_field(NEW.changes::text) || audit_field(NEW.revision::text)
        || audit_field(NEW.request_id) || audit_field(NEW.client_address), 'UTF8'));
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_chain BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_chain();

-- What was there before becomes the chain's beginning, in the order in which it was made.
DO $$
DECLARE
    month date;
    oldest timestamptz := (SELECT min(at) FROM audit_before);
BEGIN
    FOR month IN SELECT generate_series(date_trunc('month', coalesce(oldest, now()) AT TIME ZONE 'UTC'),
                                        date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month', interval '1 month') LOOP
        PERFORM ensure_audit_partition(month);
    END LOOP;
END
$$;
INSERT INTO audit (id, at, actor_id, actor_email, actor_tenant_id, action, resource_type, resource_id, tenant_id, revision, resource_name,
    origin_kind, origin_ref, changes, actor_kind, request_id, client_address)
SELECT id, at, actor_id, actor_email, actor_tenant_id, action, resource_type, resource_id, tenant_id, revision, resource_name,
    origin_kind, origin_ref, changes, actor_kind, request_id, client_address
FROM audit_before ORDER BY id;
DROP TABLE audit_before;
CREATE INDEX audit_by_tenant ON audit (tenant_id, id DESC);
CREATE INDEX audit_by_revision ON audit (revision);
CREATE INDEX audit_by_resource ON audit (resource_id, id DESC);
CREATE INDEX audit_by_request ON audit (request_id) WHERE request_id IS NOT NULL;

CREATE TRIGGER audit_only_added_to BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE ON audit EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE ON audit_default EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_heads_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_heads EXECUTE FUNCTION audit_refuse_change();
