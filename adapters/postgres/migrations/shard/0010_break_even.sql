-- What agreements have brought back of what was lent: by chain of renegotiations, and a line per currency for the portfolio.

ALTER TABLE invoices
    ADD COLUMN lent_minor         bigint NOT NULL DEFAULT 0,
    ADD COLUMN first_agreement_id uuid;
ALTER TABLE invoices ALTER COLUMN lent_minor DROP DEFAULT;

CREATE TABLE break_even_totals (
    tenant_id          uuid    NOT NULL,
    first_agreement_id uuid    NOT NULL,
    currency           text    NOT NULL COLLATE "C",
    lent_minor         numeric NOT NULL,
    paid_minor         numeric NOT NULL,
    PRIMARY KEY (tenant_id, first_agreement_id, currency)
) WITH (fillfactor = 80);

CREATE TABLE portfolio_totals (
    tenant_id         uuid    NOT NULL,
    currency          text    NOT NULL COLLATE "C",
    agreement_count   numeric NOT NULL,
    broken_even_count numeric NOT NULL,
    lent_minor        numeric NOT NULL,
    paid_minor        numeric NOT NULL,
    missing_minor     numeric NOT NULL,
    PRIMARY KEY (tenant_id, currency)
) WITH (fillfactor = 10);

ALTER TABLE break_even_totals ENABLE ROW LEVEL SECURITY;
ALTER TABLE portfolio_totals  ENABLE ROW LEVEL SECURITY;

CREATE POLICY one_tenant ON break_even_totals TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);
CREATE POLICY one_tenant ON portfolio_totals  TO duebook_api USING (tenant_id = nullif(current_setting('duebook.tenant', true), '')::uuid);

GRANT SELECT ON break_even_totals, portfolio_totals TO duebook_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON break_even_totals, portfolio_totals TO duebook_writer;
