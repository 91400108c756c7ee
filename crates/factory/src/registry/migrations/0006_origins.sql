-- What an import was made of, and what was chosen of it, as JSON: the next one chooses the same.
ALTER TABLE imports ADD COLUMN origin TEXT;
