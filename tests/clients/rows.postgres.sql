CREATE TABLE notes (id INTEGER NOT NULL PRIMARY KEY, owner TEXT NOT NULL);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (owner = current_setting('app.caller'));
-- No superuser, and not the owner of the table: policies hold for it.
CREATE ROLE caller LOGIN;
GRANT ALL ON notes TO caller;
