-- Opens and complaints of messages; the return domain, receipts and signing key of senders.

ALTER TABLE messages
    ADD COLUMN opened_on date,
    ADD COLUMN complaint text NOT NULL DEFAULT '';
ALTER TABLE messages ALTER COLUMN complaint DROP DEFAULT;

ALTER TABLE senders
    ADD COLUMN return_domain text NOT NULL DEFAULT '',
    ADD COLUMN receipts      boolean NOT NULL DEFAULT false,
    ADD COLUMN dkim_selector text NOT NULL DEFAULT '';
ALTER TABLE senders
    ALTER COLUMN return_domain DROP DEFAULT,
    ALTER COLUMN receipts DROP DEFAULT,
    ALTER COLUMN dkim_selector DROP DEFAULT;
