-- Who made a link: it holds as long as they could make it again. One without a maker is from before, and does not hold.
ALTER TABLE password_links ADD COLUMN made_by uuid REFERENCES users (id) ON DELETE CASCADE;
