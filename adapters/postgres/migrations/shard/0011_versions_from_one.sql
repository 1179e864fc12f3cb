-- A stream's events are numbered from 1: a version of 0 would be stored and never read back.
ALTER TABLE events ADD CONSTRAINT events_version_from_one CHECK (version >= 1);
