-- At which revision the models that clients can ask for last changed, for each tenant and (the nil UUID) for all of them at once: whoever
-- has a catalog of that revision need not be sent it again. A trigger, so that replicas of the version before keep it, too.
CREATE TABLE catalog_revisions (
    owner_id uuid PRIMARY KEY,
    revision bigint NOT NULL
);

-- A tenant's own name stands in its catalog.
CREATE FUNCTION note_catalog_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO catalog_revisions (owner_id, revision)
    VALUES (coalesce(NEW.tenant_id, '00000000-0000-0000-0000-000000000000'), NEW.revision)
    ON CONFLICT (owner_id) DO UPDATE SET revision = excluded.revision;
    RETURN NULL;
END
$$;
CREATE TRIGGER changes_of_catalogs AFTER INSERT ON changes FOR EACH ROW
    WHEN (NEW.kind NOT IN ('key', 'everyone', 'gateway', 'configuration', 'administration'))
    EXECUTE FUNCTION note_catalog_change();

-- What was written before: as new as all that there is.
INSERT INTO catalog_revisions (owner_id, revision)
SELECT '00000000-0000-0000-0000-000000000000', revision FROM policy_revision;
