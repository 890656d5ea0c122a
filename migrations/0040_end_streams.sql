-- Whether a change ends the streams under way of the key that it concerns.
ALTER TABLE changes ADD COLUMN ends_streams boolean NOT NULL DEFAULT false;
