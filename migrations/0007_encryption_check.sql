-- A known text under the master key, so that a wrong key is told from a damaged row: the one ends the start, the other takes
-- away what the row is for.
CREATE TABLE encryption_check (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    text_encrypted bytea NOT NULL
);
