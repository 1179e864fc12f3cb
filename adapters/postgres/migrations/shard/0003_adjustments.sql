-- What adjustments, disputes, promises, holds, credit and charge-backs add to the read models. Rows that are there get
-- what a part of the log without such events comes to, and serve until they are rebuilt by the version that knows them.

ALTER TABLE invoices
    ADD COLUMN written_off_minor bigint  NOT NULL DEFAULT 0,
    ADD COLUMN disputed_minor    bigint  NOT NULL DEFAULT 0,
    ADD COLUMN promised_minor    bigint  NOT NULL DEFAULT 0,
    ADD COLUMN promised_on       date,
    ADD COLUMN held_until        date,
    ADD COLUMN agreement_id      uuid,
    ADD COLUMN held              boolean NOT NULL DEFAULT false,
    ADD COLUMN promise           text    NOT NULL DEFAULT '' COLLATE "C";
CREATE INDEX invoices_disputed  ON invoices (tenant_id, due_on, invoice_id) WHERE disputed_minor > 0;
CREATE INDEX invoices_promised  ON invoices (tenant_id, promise, due_on, invoice_id) WHERE promise <> '';
CREATE INDEX invoices_agreement ON invoices (tenant_id, agreement_id, due_on, invoice_id) WHERE agreement_id IS NOT NULL;

ALTER TABLE customers
    ADD COLUMN has_shortfall boolean NOT NULL DEFAULT false,
    ADD COLUMN shortfall     text    NOT NULL DEFAULT '{}';
CREATE INDEX customers_shortfall ON customers (tenant_id, reference, customer_id) WHERE has_shortfall;

-- The earlier payment that looks the same; a person should look at it.
ALTER TABLE payments
    ADD COLUMN suspected_duplicate_of uuid;
CREATE INDEX payments_suspected ON payments (tenant_id, received_on, payment_id) WHERE suspected_duplicate_of IS NOT NULL;
CREATE INDEX payments_status    ON payments (tenant_id, status, received_on, payment_id) WHERE status <> 'received';
