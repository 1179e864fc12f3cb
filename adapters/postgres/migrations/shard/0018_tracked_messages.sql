-- Whether a message holds a picture that says when it is opened.
ALTER TABLE messages ADD COLUMN tracked boolean NOT NULL DEFAULT false;
ALTER TABLE messages ALTER COLUMN tracked DROP DEFAULT;
