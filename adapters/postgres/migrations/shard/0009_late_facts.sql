-- What read models remember so that facts recorded late take their places.

ALTER TABLE invoices
    ADD COLUMN promise_made_on date,
    ADD COLUMN due_moved_on    date,
    ADD COLUMN closed_on       date,
    ADD COLUMN closed_as       text NOT NULL DEFAULT '' COLLATE "C";

ALTER TABLE payments
    ADD COLUMN reversed_minor     bigint NOT NULL DEFAULT 0,
    ADD COLUMN charged_back_minor bigint NOT NULL DEFAULT 0;
