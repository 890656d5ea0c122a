-- How often what a limit counts, or when, was changed: its counters have other names then, and what was counted is of other units, or windows.
ALTER TABLE limits ADD COLUMN generation bigint NOT NULL DEFAULT 0;

CREATE FUNCTION begin_generation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.generation := OLD.generation + 1;
    -- Their leases go with them.
    DELETE FROM limit_windows WHERE limit_id = NEW.id;
    RETURN NEW;
END
$$;
CREATE TRIGGER limits_begin_generation BEFORE UPDATE OF unit, time_window ON limits FOR EACH ROW
    WHEN (OLD.unit <> NEW.unit OR OLD.time_window IS DISTINCT FROM NEW.time_window) EXECUTE FUNCTION begin_generation();

CREATE FUNCTION begin_generations_of_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM limit_windows WHERE limit_id IN (
        SELECT id FROM limits
        WHERE tenant_id = NEW.id AND time_window->>'kind' = 'calendar' AND time_window->>'time_zone' IS NULL);
    UPDATE limits SET generation = generation + 1
    WHERE tenant_id = NEW.id AND time_window->>'kind' = 'calendar' AND time_window->>'time_zone' IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER tenants_begin_generations AFTER UPDATE OF time_zone ON tenants FOR EACH ROW
    WHEN (OLD.time_zone <> NEW.time_zone) EXECUTE FUNCTION begin_generations_of_tenant();
