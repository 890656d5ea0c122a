-- Which models they asked for is known to nobody who could tell.
ALTER TABLE discovered_callers DROP COLUMN models;
