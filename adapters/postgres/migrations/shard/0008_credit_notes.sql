-- The read model of credit notes: what their documents say, by invoice, and their amounts, one row each, to be listed.

-- One row per invoice. Descriptions in lines, and reasons in notes, are encrypted.
CREATE TABLE credit_note_invoices (
    tenant_id   uuid    NOT NULL,
    invoice_id  uuid    NOT NULL,
    version     integer NOT NULL,
    tenant_seq  bigint  NOT NULL,
    customer_id uuid    NOT NULL,
    issued_on   date,
    currency    text    NOT NULL COLLATE "C",
    number      text    NOT NULL COLLATE "C",
    lines       text    NOT NULL,
    notes       text    NOT NULL,
    PRIMARY KEY (tenant_id, invoice_id)
) WITH (fillfactor = 70);

CREATE TABLE credit_notes (
    tenant_id      uuid    NOT NULL,
    issued_on      date    NOT NULL,
    credit_note_id uuid    NOT NULL,
    invoice_id     uuid    NOT NULL,
    customer_id    uuid    NOT NULL,
    net_minor      numeric NOT NULL,
    tax_minor      numeric NOT NULL,
    total_minor    numeric NOT NULL,
    PRIMARY KEY (tenant_id, issued_on, credit_note_id, invoice_id, customer_id)
) WITH (fillfactor = 90);
CREATE INDEX credit_notes_id       ON credit_notes (tenant_id, credit_note_id);
CREATE INDEX credit_notes_customer ON credit_notes (tenant_id, customer_id, issued_on, credit_note_id);
CREATE INDEX credit_notes_invoice  ON credit_notes (tenant_id, invoice_id, issued_on, credit_note_id);

ALTER TABLE credit_note_invoices ENABLE ROW LEVEL SECURITY;
ALTER TABLE credit_notes         ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON credit_note_invoices TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON credit_notes         TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
GRANT SELECT ON credit_note_invoices, credit_notes TO duebook_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON credit_note_invoices, credit_notes TO duebook_writer;
